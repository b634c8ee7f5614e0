"""What LSTM, GRU and SimpleRNN share: the choice of the kernel, masks, states, dropout, and their errors."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close

from kerastorch import layers
from kerastorch.errors import ArgumentError, ShapeError, UnsupportedError
from kerastorch.layers.rnn import recurrent
from kerastorch.layers.rnn.recurrent import Recurrent

CLASSES = [layers.LSTM, layers.GRU, layers.SimpleRNN]
MASKS = {
    "right": [[1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0]],
    "left": [[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 1]],
    "holes": [[1, 0, 1, 0, 0, 1], [0, 1, 1, 0, 1, 0], [1, 1, 0, 1, 1, 1]],
    "an empty row": [[1, 0, 1, 0, 0, 1], [0, 0, 0, 0, 0, 0], [1, 1, 0, 1, 1, 1]],
}


def make(cls: type[Recurrent], **config: Any) -> Recurrent:
    """A float64 layer on 4 features with random distinct weights."""
    layer = cls(5, **config)
    layer.build((3, 6, 4))
    layer.double()
    rng = np.random.default_rng(0)
    layer.set_weights([rng.normal(0, 0.5, array.shape) for array in layer.get_weights()])
    return layer


def inputs(seed: int = 1) -> torch.Tensor:
    return torch.randn(3, 6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def by_steps(layer: Recurrent) -> Recurrent:
    """The same layer, made to run the step loop."""
    other = copy.deepcopy(layer)
    other._fused = lambda: "made to run the step loop"  # type: ignore[method-assign]
    assert other.kernel_choice().path == "step loop"
    return other


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("pattern", MASKS)
@pytest.mark.parametrize("hide", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_masked_rows_in_any_memory_order_and_one_alone(cls: Any, pattern: str, hide: bool, whole: bool) -> None:
    layer = make(cls, return_sequences=whole, zero_output_for_mask=hide)
    stepwise = by_steps(layer)
    mask = torch.tensor(MASKS[pattern], dtype=torch.bool)
    by_time = inputs().transpose(0, 1).contiguous().transpose(0, 1)  # as a recurrent layer in front returns it
    for x, its_mask in [(inputs(), mask), (by_time, mask), *((by_time[i : i + 1], mask[i : i + 1]) for i in range(3))]:
        found = []
        for one in (layer, stepwise):
            leaf = x.detach().requires_grad_()
            out = one(leaf, mask=its_mask)
            weight = torch.arange(1.0, out.numel() + 1, dtype=out.dtype).reshape(out.shape)
            found.append([out.detach(), *torch.autograd.grad((out * weight).sum(), [leaf, *one.parameters()])])
        for ours, theirs in zip(*found, strict=True):
            assert_close(ours, theirs)  # float64, another order of sums


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("pattern", [None, *MASKS])
@pytest.mark.parametrize("backwards", [False, True])
def test_fused_kernel_and_step_loop_agree_in_values_and_gradients(
    cls: Any, pattern: str | None, backwards: bool
) -> None:
    fused = make(cls, return_sequences=True, return_state=True, go_backwards=backwards)
    assert fused.kernel_choice().path == "fused"
    mask = None if pattern is None else torch.tensor(MASKS[pattern], dtype=torch.bool)
    results = []
    for layer in (fused, by_steps(fused)):
        x = inputs().requires_grad_()
        states = [
            torch.full((3, 5), 0.3 + i, dtype=torch.float64, requires_grad=True) for i in range(layer._state_count)
        ]
        outputs = layer(x, mask=mask, initial_state=states)
        weights = [torch.linspace(-1, 1, out.numel(), dtype=torch.float64).reshape(out.shape) for out in outputs]
        sum((out * weight).sum() for out, weight in zip(outputs, weights, strict=True)).backward()
        results.append([*outputs, x.grad, *(state.grad for state in states), *map(torch.tensor, layer.get_gradients())])
    for ours, theirs in zip(*results, strict=True):
        assert_close(ours, theirs)  # float64, another order of sums


@pytest.mark.parametrize("cls", CLASSES)
def test_what_stands_in_masked_steps_does_not_matter(cls: Any) -> None:
    layer = make(cls, return_sequences=True, return_state=True)
    mask = torch.tensor(MASKS["holes"], dtype=torch.bool)
    x = inputs()
    other = torch.where(mask.unsqueeze(-1), x, torch.full_like(x, 1e3))
    for ours, theirs in zip(layer(x, mask=mask), layer(other, mask=mask), strict=True):
        assert torch.equal(ours, theirs)
    assert not torch.equal(layer(x)[0], layer(other)[0])


@pytest.mark.parametrize("cls", CLASSES)
def test_masked_steps_repeat_the_output_and_keep_the_states(cls: Any) -> None:
    layer = make(cls, return_sequences=True, return_state=True)
    mask = torch.tensor([[0, 1, 1, 0, 1, 0]] * 3, dtype=torch.bool)
    out, *states = layer(inputs(), mask=mask)
    short, *short_states = layer(inputs()[:, [1, 2, 4]])
    assert torch.equal(out[:, 0], torch.zeros_like(out[:, 0]))
    assert_close(out[:, 1:], short[:, [0, 1, 1, 2, 2]])
    for ours, theirs in zip(states, short_states, strict=True):
        assert_close(ours, theirs)
    layer.zero_output_for_mask = True
    zeroed, *_ = layer(inputs(), mask=mask)
    assert torch.equal(zeroed, out * mask.unsqueeze(-1))


@pytest.mark.parametrize("cls", CLASSES)
def test_pieces_of_a_stateful_run_equal_the_whole(cls: Any) -> None:
    layer = make(cls, stateful=True, return_sequences=True)
    x = inputs()
    whole = make(cls, return_sequences=True)(x)
    pieces = torch.cat([layer(x[:, :2]), layer(x[:, 2:5]), layer(x[:, 5:])], dim=1)
    assert_close(pieces, whole)
    layer.reset_state()
    assert_close(layer(x[:, :2]), whole[:, :2])
    assert layer.states is not None
    assert not any(state.requires_grad for state in layer.states)
    assert not any(name.startswith("state_") for name in layer.state_dict())


@pytest.mark.parametrize("cls", CLASSES)
def test_states_can_be_read_and_set(cls: Any) -> None:
    layer = make(cls, stateful=True)
    assert layer.states is None
    values = [np.full((3, 5), 0.1 * (i + 1)) for i in range(layer._state_count)]
    layer.states = values
    assert_close(list(layer.states), list(values))
    expected = make(cls)(inputs(), initial_state=values)
    assert torch.equal(layer(inputs()), expected)
    copied = copy.deepcopy(layer)
    copied.reset_state()
    assert float(layer.states[0].abs().sum()) > 0.0


@pytest.mark.parametrize("cls", CLASSES)
def test_dropout(cls: Any) -> None:
    layer = make(cls, dropout=0.5, recurrent_dropout=0.25)
    x = inputs()
    assert torch.equal(layer(x, training=False), layer.eval()(x))
    assert layer.kernel_choice().path == "fused"
    layer.train()
    assert layer.kernel_choice() == (
        "step loop",
        "recurrent_dropout changes the state between the steps while training",
    )
    assert not torch.equal(layer(x), layer(x))
    assert torch.equal(layer(x, training=False), layer.eval()(x))
    masks = layer._dropout_masks(torch.zeros(200, 50), 0.25)
    assert masks.shape == (type(layer).CELL.count, 200, 50)
    assert_close(masks.unique(), [0.0, 4 / 3])
    # The share of zeros among G * 10,000 draws: 6 standard deviations.
    assert abs(float((masks == 0).double().mean()) - 0.25) < 6 * (0.25 * 0.75 / masks.numel()) ** 0.5
    assert layers.LSTM(5, dropout=0.5)._dropout_masks(torch.zeros(2, 4), 0.5).shape == (1, 2, 4)


def test_dropout_uses_one_mask_for_the_whole_sequence() -> None:
    layer = make(layers.SimpleRNN, dropout=0.5, return_sequences=True, activation="linear").train()
    rng = np.random.default_rng(0)
    layer.set_weights([rng.normal(size=(4, 5)), np.zeros((5, 5)), np.zeros(5)])
    out = layer(torch.ones(3, 6, 4, dtype=torch.float64))
    assert torch.equal(out, out[:, :1].expand_as(out))


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (layers.LSTM(3, activation="relu"), "activation tanh only"),
        (layers.LSTM(3, recurrent_activation="hard_sigmoid"), "recurrent_activation sigmoid only"),
        (layers.GRU(3, reset_after=False), "reset_after=True only"),
        (layers.SimpleRNN(3, activation="elu"), "tanh or relu only"),
        (layers.Bidirectional(layers.GRU(3, activation="relu")), "activation tanh only"),
    ],
)
def test_the_step_loop_is_chosen_for_a_reason(layer: Any, reason: str) -> None:
    choice = layer.kernel_choice()
    assert choice.path == "step loop"
    assert reason in choice.reason


def test_state_dict_names_are_torchs() -> None:
    for ours, theirs, count in (
        (layers.LSTM, torch.nn.LSTM, 140),
        (layers.GRU, torch.nn.GRU, 120),
        (layers.SimpleRNN, torch.nn.RNN, 35),
    ):
        layer = ours(5, return_sequences=True)
        layer.build((None, 20, 1))
        module = theirs(1, 5, batch_first=True)
        module.load_state_dict(layer.state_dict())
        x = torch.randn(2, 20, 1)
        assert_close(layer(x), module(x)[0])
        assert layer.count_params() == count


def test_an_lstm_has_one_trainable_bias() -> None:
    layer = layers.LSTM(5)
    layer.build((None, 20, 1))
    assert [name for name, _ in layer.named_parameters()] == ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0"]
    assert not layer.bias_hh_l0.requires_grad
    assert torch.equal(layer.bias_ih_l0[5:10], torch.ones(5))
    assert float(layer.bias_ih_l0.detach().abs().sum()) == 5.0


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda layer: layer(torch.zeros(100, 20)),
            ShapeError,
            r"features\), got \(100, 20\)\. One .* x\[\.\.\., None\]\. Behind a recurrent .* return_sequences=True\.$",
        ),
        (
            lambda layer: layer(inputs()[..., :3]),
            ShapeError,
            r"expected 4 features, got 3 \(input of shape \(3, 6, 3\)\)",
        ),
        (lambda layer: layer(inputs()[:, :0]), ShapeError, r"expected at least one timestep, got \(3, 0, 4\)"),
        (
            lambda layer: layer(inputs().float()),
            ArgumentError,
            r"the input is torch.float32, the weights are torch.float64",
        ),
        (lambda layer: layer("text"), ArgumentError, r"expected a tensor \(batch, timesteps, features\), got 'str'"),
        (
            lambda layer: layer(inputs(), mask=torch.ones(3, 5)),
            ShapeError,
            r"expected a mask of shape \(batch, timesteps\) = \(3, 6\), got \(3, 5\)",
        ),
        (
            lambda layer: layer(inputs(), initial_state=[torch.zeros(3, 5)] * 3),
            ShapeError,
            r"expected [12] states? of shape \(batch, 5\).*, got 3",
        ),
        (
            lambda layer: layer(inputs(), initial_state=[torch.zeros(2, 5)] * layer._state_count),
            ShapeError,
            r"state 0: expected shape \(3, 5\), got \(2, 5\)",
        ),
        (
            lambda layer: layer.reset_state(),
            ArgumentError,
            "keeps no state between batches; make it with stateful=True",
        ),
        (
            lambda layer: layer.set_weights([np.zeros(3)]),
            ShapeError,
            r"expected 3 arrays \(kernel \(4, \d+\), .*\), got 1",
        ),
        (lambda layer: layer.build((None, 6, 7)), ShapeError, "expected 4 features, got 7"),
        (lambda layer: type(layer)(0), ArgumentError, "units: expected an integer >= 1, got 0"),
        (lambda layer: type(layer)(True), ArgumentError, "units: expected an integer >= 1, got True"),
        (
            lambda layer: type(layer)(3, dropout=1.5),
            ArgumentError,
            "dropout: expected a fraction between 0 and 1, got 1.5",
        ),
        (lambda layer: type(layer)(3, time_major=True), UnsupportedError, r"pass x.transpose\(0, 1\)"),
        (
            lambda layer: type(layer)(3, return_sequence=True),
            ArgumentError,
            r"has no argument 'return_sequence'\. Did you mean 'return_sequences'\? It takes: .*return_sequences",
        ),
    ],
)
def test_errors(cls: Any, call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(make(cls))


def test_a_stateful_layer_keeps_its_batch_size() -> None:
    layer = layers.LSTM(5, stateful=True)
    layer(torch.zeros(3, 6, 4))
    with pytest.raises(ShapeError, match=r"keeps states for a batch of 3, got a batch of 2.*make a layer for"):
        layer(torch.zeros(2, 6, 4))


def test_bidirectional_errors() -> None:
    with pytest.raises(ArgumentError, match="expected a recurrent layer, got Dense"):
        layers.Bidirectional(layers.Dense(3))
    with pytest.raises(ArgumentError, match="must differ in go_backwards, both have False"):
        layers.Bidirectional(layers.LSTM(3), backward_layer=layers.LSTM(3))
    with pytest.raises(ArgumentError, match="must agree in return_sequences, got True and False"):
        layers.Bidirectional(layers.LSTM(3, return_sequences=True), backward_layer=layers.LSTM(3, go_backwards=True))
    with pytest.raises(ArgumentError, match="merge_mode: expected one of"):
        layers.Bidirectional(layers.LSTM(3), merge_mode="max")
    with pytest.raises(ShapeError, match=r"expected 4 initial states \(forward's, then backward's\), got 2"):
        layers.Bidirectional(layers.LSTM(3))(torch.zeros(1, 2, 3), initial_state=[torch.zeros(1, 3)] * 2)


def test_time_distributed_errors() -> None:
    with pytest.raises(ShapeError, match=r"at least 3 axes, got \(2, 3\)\. Behind .* return_sequences=True\."):
        layers.TimeDistributed(layers.Dense(3))(torch.zeros(2, 3))
    with pytest.raises(UnsupportedError, match="the inner layer 'kept' is stateful"):
        layers.TimeDistributed(layers.LSTM(3, stateful=True, name="kept"))
    with pytest.raises(
        ShapeError, match=r"expected a mask that starts with \(batch, timesteps\) = \(2, 4\), got \(2, 5\)"
    ):
        layers.TimeDistributed(layers.Dense(3))(torch.zeros(2, 4, 3), mask=torch.ones(2, 5))


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize(
    "rates", [{"dropout": 0.5}, {"recurrent_dropout": 0.4}, {"dropout": 0.5, "recurrent_dropout": 0.4}]
)
@pytest.mark.parametrize("implementation", [1, 2])
@pytest.mark.parametrize("pattern", [None, "holes"])
def test_dropout_in_a_batch_of_one_is_put_into_the_weights(
    cls: Any, rates: dict[str, float], implementation: int, pattern: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = make(cls, return_sequences=True, return_state=True, implementation=implementation, **rates)
    x = inputs()[:1]
    if cls is layers.LSTM:
        assert layer.kernel_choice(x, training=True).path == "fused"
    mask = None if pattern is None else torch.tensor(MASKS[pattern][:1], dtype=torch.bool)
    found = []
    for one, is_one in ((layer, recurrent._is_one), (by_steps(layer), lambda x: False)):
        monkeypatch.setattr(recurrent, "_is_one", is_one)
        leaf = x.clone().requires_grad_()
        torch.manual_seed(5)
        outputs = one(leaf, mask=mask, training=True)
        loss = sum((out * torch.arange(1.0, out.numel() + 1).reshape(out.shape)).sum() for out in outputs)
        found.append([*outputs, *torch.autograd.grad(loss, [leaf, *one.parameters()])])  # type: ignore[arg-type]
    for ours, theirs in zip(*found, strict=True):
        assert_close(ours, theirs)  # float64, another order of sums
