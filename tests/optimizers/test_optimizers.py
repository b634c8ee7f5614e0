"""Optimizers as torch's tools and users meet them: what is trained, state, configs, arguments."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from _close import FLOAT64, assert_close, assert_numbers
from torch import Tensor, nn

import kerastorch as kt
from kerastorch import layers, optimizers
from kerastorch.errors import ArgumentError, NotBuiltError, UnsupportedError

from ._trained import net_of_two, train

ALL = [
    optimizers.SGD,
    optimizers.RMSprop,
    optimizers.Adam,
    optimizers.AdamW,
    optimizers.Adamax,
    optimizers.Nadam,
    optimizers.Adagrad,
    optimizers.Adadelta,
    optimizers.Ftrl,
    optimizers.Lion,
    optimizers.Lamb,
    optimizers.Adafactor,
    optimizers.Muon,
    optimizers.ScheduleFreeAdamW,
    *(getattr(optimizers.legacy, name) for name in optimizers.legacy.__all__),
]


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: f"{cls.__module__.rpartition('.')[2]}.{cls.__name__}")
def test_state_goes_on(cls: Any) -> None:
    """From a state dict, a copy and a pickle the training goes on as if nothing had happened."""
    net = net_of_two()
    optimizer = cls(learning_rate=0.01, use_ema=True, gradient_accumulation_steps=2)
    optimizer.build(net)
    train(net, optimizer, 3)
    kept = copy.deepcopy(net), copy.deepcopy(optimizer.state_dict())
    expected = train(net, optimizer, 4, seed=2)

    again = copy.deepcopy(kept[0])
    other = cls(learning_rate=0.01, use_ema=True, gradient_accumulation_steps=2, params=again)
    other.load_state_dict(copy.deepcopy(kept[1]))
    assert other.iterations == 1
    for mine, theirs in zip(train(again, other, 4, seed=2), expected, strict=True):
        assert torch.equal(mine, theirs)

    both = copy.deepcopy(kept[0]), cls(learning_rate=0.01, use_ema=True, gradient_accumulation_steps=2)
    both[1].build(both[0])
    both[1].load_state_dict(kept[1])
    net, optimizer = pickle.loads(pickle.dumps(both))
    for mine, theirs in zip(train(net, optimizer, 4, seed=2), expected, strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: f"{cls.__module__.rpartition('.')[2]}.{cls.__name__}")
def test_config_makes_it_again(cls: Any) -> None:
    arguments = {name: value for name, value in cls().get_config().items() if name in cls.ARGUMENTS}
    other = {
        name: (not value if isinstance(value, bool) else value - 0.25 if name.startswith("learning") else 0.375)
        for name, value in arguments.items()
    }
    other |= {name: value for name, value in {"exclude_layers": ["out"], "ns_steps": 3}.items() if name in other}
    made = cls(learning_rate=0.25, clipvalue=0.5, use_ema=True, ema_momentum=0.5, name="mine", **other)
    again = optimizers.deserialize(optimizers.serialize(made))
    assert type(again) is cls
    assert again.get_config() == made.get_config()
    assert {name: again.get_config()[name] for name in other} == other
    assert again.get_config()["learning_rate"] == 0.25


def test_names() -> None:
    assert type(optimizers.get("adam")) is optimizers.Adam
    assert type(optimizers.get("RMSprop")) is optimizers.RMSprop
    assert type(optimizers.get(optimizers.SGD)) is optimizers.SGD
    mine = torch.optim.SGD([nn.Parameter(torch.zeros(2))], lr=0.1)
    assert optimizers.get(mine) is mine
    with pytest.raises(ArgumentError, match="Unknown optimizer 'adma'; did you mean 'adam"):
        optimizers.get("adma")
    with pytest.raises(UnsupportedError, match="Optimizer 'multioptimizer' is not supported: for several rates give"):
        optimizers.get("MultiOptimizer")
    with pytest.raises(ArgumentError, match="3 is no optimizer"):
        optimizers.get(3)
    assert type(optimizers.get("ADAM")) is optimizers.Adam


def test_classes_of_ones_own_by_their_names() -> None:
    class Mine(optimizers.SGD):
        pass

    config = {"module": None, "class_name": "Mine", "config": {"learning_rate": 0.5}, "registered_name": "Custom>Mine"}
    assert type(optimizers.deserialize(config, {"Mine": Mine})) is Mine
    with kt.saving.custom_object_scope({"Mine": Mine}):
        assert type(optimizers.get("Mine")) is Mine
        assert optimizers.get(config).learning_rate == 0.5
    with pytest.raises(UnsupportedError, match="Mine"):
        optimizers.deserialize(config)
    with pytest.raises(UnsupportedError, match="is not one of Keras's own: the config says module 'theirs'"):
        optimizers.deserialize(
            {"module": "theirs", "class_name": "Adam", "config": {}, "registered_name": "theirs>Adam"}
        )


def test_one_weight_of_keras_in_two_tensors() -> None:
    """Keras's GRU has one bias, of two rows; torch keeps two tensors. `clipnorm` takes the norm of both together."""
    layer = layers.GRU(2)
    layer.build((None, None, 3))
    biases = [part for name, part in layer.named_parameters() if "bias" in name]
    assert len(biases) == 2

    class Variable:
        path = "gru/bias"

        def parts(self) -> list[Tensor]:
            return biases

    start = [bias.detach().clone() for bias in biases]
    for bias, value in zip(biases, (3.0, 4.0), strict=True):
        bias.grad = torch.tensor([value, *[0.0] * (bias.numel() - 1)])
    optimizer = optimizers.SGD(1.0, clipnorm=1.0, params=[Variable()])
    optimizer.step()
    moved = [float(before[0] - bias.detach()[0]) for before, bias in zip(start, biases, strict=True)]
    assert_numbers(moved, [0.6, 0.8])


def test_weights_that_do_not_decay() -> None:
    net = net_of_two()
    named = [*net.named_parameters()]
    optimizer = optimizers.SGD(0.5, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_list=[named[0][1]], var_names=["bias"])
    optimizer.build(named)
    before = [weight.detach().clone() for _, weight in named]
    for _, weight in named:
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    for (name, weight), old in zip(named, before, strict=True):
        assert torch.equal(weight, old * (0.75 if name == "2.weight" else 1.0))
    with pytest.raises(ArgumentError, match="before the optimizer is built"):
        optimizer.exclude_from_weight_decay(var_names=["bias"])


def test_groups_have_rates_of_their_own_and_torchs_schedulers_set_them() -> None:
    weights = [nn.Parameter(torch.ones(2)) for _ in range(2)]
    optimizer = optimizers.SGD(0.5, params=[{"params": weights[0], "lr": 0.25}, {"params": [weights[1]]}])
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    for _ in range(2):
        for weight in weights:
            weight.grad = torch.ones(2)
        optimizer.step()
        schedule.step()
    assert torch.equal(weights[0], torch.full((2,), 1 - 0.25 - 0.125))
    assert torch.equal(weights[1], torch.full((2,), 1 - 0.5 - 0.25))
    optimizer.learning_rate = 2.0
    assert [group["lr"] for group in optimizer.param_groups] == [2.0, 2.0]


def test_the_learning_rate() -> None:
    weight = nn.Parameter(torch.zeros(1))
    optimizer = optimizers.SGD(optimizers.schedules.PiecewiseConstantDecay([1], [0.5, 0.125]), params=[weight])
    seen = []
    for _ in range(4):
        seen.append(optimizer.learning_rate)
        weight.grad = torch.ones(1)
        optimizer.step()
    assert seen == [0.5, 0.5, 0.125, 0.125]
    assert float(weight.detach()) == -sum(seen)
    with pytest.raises(ArgumentError, match="The learning rate of this SGD is a schedule, so it cannot be set"):
        optimizer.learning_rate = 0.1
    rates = iter([1.0, 2.0, 4.0, 8.0])
    called = optimizers.SGD(lambda: next(rates))
    called.build([weight])
    assert called.learning_rate == 2.0  # the first was asked for by build
    assert optimizers.SGD(np.float32(0.5)).learning_rate == 0.5


def test_constraints_are_applied_after_a_step() -> None:
    model = kt.Sequential([kt.Input((3,)), layers.Dense(2, kernel_constraint="non_neg")])
    optimizer = optimizers.SGD(10.0, params=model)
    model.train()
    model(torch.ones(4, 3)).sum().backward()
    optimizer.step()
    (kernel, bias) = model.get_weights()
    assert (kernel == 0).all()
    assert (bias == -40).all()


def test_apply_gradients_closure_and_sparse_gradients() -> None:
    weights = [nn.Parameter(torch.zeros(3)) for _ in range(2)]
    optimizer = optimizers.SGD(1.0)
    assert optimizer.apply_gradients([(torch.ones(3), weights[0]), (None, weights[1])]) == 1
    assert weights[0].tolist() == [-1.0] * 3
    assert weights[1].tolist() == [0.0] * 3
    with pytest.raises(ArgumentError, match="apply_gradients takes what the optimizer was built with"):
        optimizer.apply_gradients([(torch.ones(3), nn.Parameter(torch.zeros(3)))])

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = (weights[0] * torch.tensor([1.0, 2.0, 3.0])).sum()
        loss.backward()
        return loss

    assert float(optimizer.step(closure).detach()) == -6.0
    assert weights[0].tolist() == [-2.0, -3.0, -4.0]

    table = nn.Embedding(4, 2, sparse=True)
    nn.init.zeros_(table.weight)
    optimizer = optimizers.Adagrad(1.0, initial_accumulator_value=0.0, epsilon=0.0, params=table.parameters())
    table(torch.tensor([2, 2, 1])).sum().backward()
    optimizer.step()
    assert [row[0] for row in table.weight.tolist()[1:3]] == [-1.0, -1.0]


def test_it_is_an_optimizer_of_torch() -> None:
    net = net_of_two()
    optimizer = optimizers.Adam(params=net)
    assert isinstance(optimizer, torch.optim.Optimizer)
    called: list[str] = []
    optimizer.register_step_post_hook(lambda *_: called.append("after"))
    train(net, optimizer, 2)
    assert called == ["after"] * 2
    assert repr(optimizer).startswith("Adam(learning_rate=0.001")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optimizers.Adam(lr=0.1), "Adam has no argument 'lr': the learning rate is learning_rate."),
        (lambda: optimizers.SGD(decay=0.1), "SGD has no argument 'decay': use a schedule"),
        (lambda: optimizers.SGD(speed=0.1), "SGD has no argument 'speed'."),
        (lambda: optimizers.SGD(momentum=2.0), "SGD: momentum is 2.0, expected a number from 0 to 1."),
        (lambda: optimizers.SGD("fast"), "SGD: learning_rate is 'fast', expected a number, a LearningRateSchedule"),
        (lambda: optimizers.SGD(clipnorm=1.0, clipvalue=1.0), "SGD clips in one way: got clipnorm=1.0, clipvalue=1.0."),
        (lambda: optimizers.SGD(clipnorm=-1.0), "SGD: clipnorm is -1.0, expected a number of at least 0."),
        (
            lambda: optimizers.SGD(use_ema=True, ema_momentum=2),
            "SGD: ema_momentum is 2, expected a number from 0 to 1.",
        ),
        (
            lambda: optimizers.SGD(gradient_accumulation_steps=1),
            "SGD: gradient_accumulation_steps is 1, expected an integer of at least 2, or None.",
        ),
        (lambda: optimizers.AdamW(weight_decay=None), "AdamW: weight_decay is None, expected a number"),
        (lambda: optimizers.Lion(beta_1=0), "Lion: beta_1 is 0, expected a number above 0, at most 1."),
        (lambda: optimizers.Ftrl(beta=-1.0), "Ftrl: beta is -1.0, expected a number of at least 0."),
        (lambda: optimizers.SGD(params=[]), "SGD has nothing to train"),
        (lambda: optimizers.SGD(params=[3]), "SGD trains tensors, got 3 of class int."),
        (lambda: optimizers.SGD(params=7), "Expected a module or an iterable of tensors to train, got 7."),
        (lambda: optimizers.SGD(params=[{"lr": 1.0}]), "A group is a dict with params"),
        (lambda: optimizers.SGD(nn.Linear(1, 1).parameters()), "What is trained is given as params="),
        (lambda: optimizers.schedules.ExponentialDecay(0.1, 0, 0.5), "decay_steps is 0, expected a finite number > 0"),
        (lambda: optimizers.schedules.PiecewiseConstantDecay([1], [1.0]), "expected one value more than boundaries"),
    ],
)
def test_messages(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make()
    assert message in str(caught.value)


def test_not_built() -> None:
    optimizer = optimizers.SGD()
    assert not optimizer.built
    assert optimizer.iterations == 0
    with pytest.raises(NotBuiltError, match="call build"):
        optimizer.step()
    with pytest.raises(NotBuiltError, match="call build"):
        optimizer.iterations = 3


# ---------------------------------------------------------------------------- scaled losses


def test_a_scale_follows_the_gradients() -> None:
    weight = nn.Parameter(torch.ones(2))
    optimizer = optimizers.LossScaleOptimizer(optimizers.SGD(0.5), initial_scale=8.0, dynamic_growth_steps=2)
    assert optimizer.scale_loss(torch.tensor(3.0)).item() == 24.0
    optimizer.build([weight])
    seen = []
    for grad in (8.0, 8.0, 16.0, float("inf"), 8.0):
        weight.grad = torch.full((2,), grad)
        optimizer.step()
        seen.append((weight[0].item(), optimizer.dynamic_scale, optimizer.step_counter, optimizer.iterations))
    assert seen == [(0.5, 8.0, 1, 1), (0.0, 16.0, 0, 2), (-0.5, 16.0, 1, 3), (-0.5, 8.0, 0, 3), (-1.0, 8.0, 1, 4)]


def test_a_scaling_optimizer_is_the_one_inside() -> None:
    inner = optimizers.Adam(0.25, clipnorm=1.0, loss_scale_factor=4.0)
    optimizer = optimizers.LossScaleOptimizer(inner, params=[nn.Parameter(torch.ones(2))])
    assert inner.loss_scale_factor is None
    optimizer.learning_rate = 0.125
    assert (inner.learning_rate, optimizer.learning_rate) == (0.125, 0.125)
    again = optimizers.deserialize(optimizers.serialize(optimizer))
    assert again.get_config() == optimizer.get_config()
    optimizer.param_groups[0]["params"][0].grad = torch.ones(2)
    optimizer.step()
    other = optimizers.LossScaleOptimizer(optimizers.Adam(0.5), params=[nn.Parameter(torch.ones(2))])
    other.load_state_dict(optimizer.state_dict())
    assert (other.iterations, other.step_counter, other.learning_rate) == (1, 1, 0.125)
    assert copy.deepcopy(optimizer).iterations == 1
    for wrong in (torch.optim.SGD([nn.Parameter(torch.ones(1))], 0.1), optimizer, "adam"):
        with pytest.raises(ArgumentError, match=r"expected one of kt\.optimizers"):
            optimizers.LossScaleOptimizer(wrong)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="dynamic_growth_steps is 0, expected an integer of at least 1"):
        optimizers.LossScaleOptimizer(optimizers.SGD(), dynamic_growth_steps=0)


def test_names_of_variables_that_stand_in_no_layer() -> None:
    spared, decaying = kt.Variable([2.0], name="exclude"), kt.Variable([2.0], name="other")
    optimizer = optimizers.RMSprop(learning_rate=1.0, weight_decay=0.004)
    optimizer.exclude_from_weight_decay(var_names=["exclude"])
    optimizer.apply_gradients([(torch.zeros(1), spared), (torch.zeros(1), decaying)])
    assert spared.numpy() == 2
    assert 1.991 < decaying.numpy() < 1.993


def test_what_sees_whole_weights_takes_tensors_as_they_are() -> None:
    """The order of two axes is nothing to these rules; a gradient that is missing leaves its weight as it is."""
    start = torch.arange(1.0, 13.0, dtype=torch.float64).reshape(3, 4)
    for cls in (optimizers.Lamb, optimizers.Adafactor, optimizers.Muon):
        one, other, still = (nn.Parameter(values.clone()) for values in (start, start.T, start))
        optimizer = cls(learning_rate=0.25, params=[one, other, still])
        for step in range(1, 4):
            one.grad = (start - 6 * step).sin()
            other.grad = one.grad.T.clone()
            optimizer.step()
        assert_close(one.T.detach(), other.detach(), FLOAT64)
        assert torch.equal(still, start)
        assert not torch.equal(one, start)
