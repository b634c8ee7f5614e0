"""Penalties, constraints and dropout, without Keras: what they compute, when they act, and what they leave behind."""

from __future__ import annotations

import copy
import gc
import pickle
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close, assert_numbers
from torch import Tensor

from kerastorch import Input, Model, Sequential, layers
from kerastorch.base import penalties

ROOT = Path(__file__).resolve().parents[2]
B, T, F, U = 3, 5, 4, 4


def l2_of(*outputs: Tensor, factor: float = 0.01) -> list[float]:
    return [factor * output.square().sum().item() / len(output) for output in outputs]


def values(losses: list[Tensor]) -> list[float]:
    return [loss.item() for loss in losses]


# ---------------------------------------------------------------- penalties


def test_penalties_of_outputs_then_of_weights() -> None:
    layer = layers.Dense(3, activity_regularizer="l2", kernel_regularizer="l1")
    out = layer(torch.randn(B, F))
    kernel = 0.01 * layer.weight.abs().sum().item()
    assert_numbers(values(layer.losses), [*l2_of(out), kernel])
    assert_numbers(layer.regularization_loss().item(), sum(l2_of(out)) + kernel)
    layer.regularization_loss().backward()
    assert layer.bias.grad is not None  # only the penalty of the output reaches it
    assert layer.bias.grad.abs().max() > 0


def test_each_output_counts() -> None:
    layer = layers.LSTM(U, return_sequences=True, return_state=True, activity_regularizer="l2")
    outputs = layer(torch.randn(B, T, F))
    assert_numbers(values(layer.losses), l2_of(*outputs))
    assert len(layer.losses) == 3


def test_an_empty_batch_costs_nothing() -> None:
    layer = layers.Dense(3, activity_regularizer="l2")
    layer(torch.randn(0, F))
    assert values(layer.losses) == [0.0]


class Twice(layers.Layer):
    """Calls one layer twice."""

    def build(self, input_shape: Any) -> None:
        self.inner = layers.Dense(input_shape[-1], activity_regularizer="l2")
        self.inner.build(input_shape)

    def call(self, x: Tensor, fail: bool = False) -> Any:
        first = self.inner(x)
        if fail:
            raise ValueError("on purpose")
        return self.inner(first)


def test_calls_in_one_pass_add_up_and_the_next_pass_replaces_them() -> None:
    layer = Twice()
    for _ in range(3):
        x = torch.randn(B, F)
        out = layer(x)
        first = torch.nn.functional.linear(x, layer.inner.weight, layer.inner.bias)
        assert_numbers(values(layer.losses), l2_of(first, out))
    alone = layer.inner(x)
    assert values(layer.losses) == values(layer.inner.losses)
    assert_numbers(values(layer.losses), l2_of(alone))


def test_a_failed_pass_does_not_count_as_running() -> None:
    layer = Twice()
    layer(torch.randn(B, F))
    for _ in range(2):
        with pytest.raises(ValueError, match="on purpose"):
            layer(torch.randn(B, F), fail=True)
    out = layer.inner(torch.randn(B, F))
    assert_numbers(values(layer.losses), l2_of(out))


def test_threads_do_not_share_a_pass() -> None:
    inside, go = threading.Event(), threading.Event()

    class Waiting(layers.Layer):
        def call(self, x: Tensor) -> Tensor:
            inside.set()
            assert go.wait(20)
            return x

    waiting, layer = Waiting(activity_regularizer="l2"), layers.Dense(2, activity_regularizer="l2")
    thread = threading.Thread(target=waiting, args=(torch.ones(1, 2),))
    thread.start()
    assert inside.wait(20)
    for _ in range(3):  # the other thread's call is no pass that these are part of
        layer(torch.randn(B, F))
    go.set()
    thread.join()
    assert len(layer.losses) == len(waiting.losses) == 1


def test_two_threads_keep_their_penalties_apart() -> None:
    first_is_in, second_is_done = threading.Event(), threading.Event()

    class Waiting(layers.Layer):
        def call(self, x: Tensor) -> Tensor:
            if threading.current_thread() is not threading.main_thread():
                first_is_in.set()
                assert second_is_done.wait(20)
            return x

    def made() -> Model:
        dense = [layers.Dense(2, activity_regularizer="l2") for _ in range(2)]
        return Sequential([Input((F,)), dense[0], Waiting(), dense[1]])

    def outputs_of(model: Model, x: Tensor) -> list[float]:
        with torch.no_grad():
            first = model.layers[0](x)
            return l2_of(first, model.layers[2](first))

    x, y = torch.randn(B, F), torch.randn(B + 2, F)
    one, other = made(), made()
    for model in (other, one):  # another model, and the same
        first_is_in.clear(), second_is_done.clear()
        thread = threading.Thread(target=one, args=(x,))
        thread.start()
        assert first_is_in.wait(20)
        model(y)
        found = values(model.losses)
        second_is_done.set()
        thread.join()
        in_thread = values(one.losses)
        assert_numbers(found, outputs_of(model, y))
        assert_numbers(in_thread, outputs_of(one, x))  # the pass that ended last, and nothing of the other


def test_a_pass_that_is_running_shows_its_own_penalties() -> None:
    class Model2(Model):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = (layers.Dense(2, activity_regularizer="l2") for _ in range(2))

        def forward(self, x: Tensor) -> Any:
            out = self.first(x)
            return out, self.losses

    model = Model2()
    model.second.build((None, F))
    model.second(torch.randn(B, F))
    for _ in range(2):
        out, losses = model(torch.randn(B, F))
        assert_numbers(values(losses), l2_of(out))
        assert_numbers(values(model.losses), l2_of(out))  # that of the second is from another pass


def small_model() -> Model:
    return Sequential(
        [
            Input((T, F)),
            layers.LSTM(U, return_sequences=True, activity_regularizer="l2"),
            Sequential([Input((T, U)), layers.Dropout(0.5, activity_regularizer="l1")]),
            layers.GRU(3),
        ]
    )


def test_a_model_collects_and_a_shape_question_disturbs_nothing() -> None:
    model = small_model().eval()
    x = torch.randn(B, T, F)
    model(x)
    hidden = model.layers[0](x)
    model(x)
    expected = [*l2_of(hidden), 0.01 * hidden.abs().sum().item() / B]
    assert_numbers(values(model.losses), expected)
    assert model.output_shape == (None, 3)

    class NoShape(layers.Layer):  # its output shape is found by running it
        def build(self, input_shape: Any) -> None:
            self.inner = layers.Dense(2, activity_regularizer="l2")
            self.inner.build(input_shape)

        def call(self, x: Tensor) -> Tensor:
            return self.inner(x)

    layer = NoShape()
    out = layer(torch.randn(B, F))
    assert layer.compute_output_shape((None, F)) == (None, 2)
    assert_numbers(values(layer.losses), l2_of(out))


def test_without_gradients() -> None:
    model = small_model().eval()
    with torch.no_grad():
        model(torch.randn(B, T, F))
        assert not model.regularization_loss().requires_grad
    assert len(model.losses) == 2
    model.predict(np.zeros((B, T, F), "float32"))
    model(torch.randn(B, T, F))
    model.regularization_loss().backward()


def test_copies_and_state_dicts_know_nothing_of_it() -> None:
    model = small_model()
    keys = list(model.state_dict())
    x = torch.randn(B, T, F)
    model(x)
    assert list(model.state_dict()) == keys
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert copied.losses == []
        copied.eval()(x)
        model.eval()(x)
        assert_numbers(values(copied.losses), values(model.losses))
        assert len(model.losses) == 2


def test_a_pickled_layer_acts_in_a_new_process(tmp_path: Path) -> None:
    layer = layers.Dense(2, activity_regularizer="l2")
    x = torch.randn(B, F)
    layer(x)
    (tmp_path / "layer.pickle").write_bytes(pickle.dumps((layer, x)))
    code = """
import pickle, sys
layer, x = pickle.load(open(sys.argv[1], "rb"))
layer(x)
print(*[loss.item() for loss in layer.losses])
"""
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "layer.pickle")], capture_output=True, text=True, cwd=ROOT
    )
    assert run.returncode == 0, run.stderr
    assert_numbers([float(word) for word in run.stdout.split()], values(layer.losses))


def test_nothing_is_watched_or_kept_without_a_regularizer(monkeypatch: pytest.MonkeyPatch) -> None:
    watched: list[Any] = []
    call = penalties.call

    def noting(layer: Any, *rest: Any) -> Any:
        watched.append(layer)
        return call(layer, *rest)

    monkeypatch.setattr(penalties, "call", noting)
    layer = layers.Dense(2, kernel_regularizer="l2").eval()
    out = layer(torch.randn(B, F))
    other = small_model()  # that one layer somewhere has a penalty says nothing of the others
    other(torch.randn(B, T, F))
    assert {id(module) for module in watched} <= {id(module) for module in other.modules()}
    watched.clear()
    layer(torch.randn(B, F))
    plain = Sequential([Input((F,)), layers.Dense(2), Sequential([Input((2,)), layers.Dense(3)])])
    plain(torch.randn(B, F))
    assert not watched
    plain.layers[1].layers[0].activity_regularizer = "l2"
    plain(torch.randn(B, F))
    assert watched[0] is plain
    assert len(plain.losses) == 1
    watched.clear()
    assert "_penalties" not in layer.__dict__
    alive = weakref.ref(out)
    del out
    gc.collect()
    assert alive() is None
    layer.activity_regularizer = "l2"
    layer(torch.randn(B, F))
    assert watched == [layer]
    assert len(layer.losses) == 2
    layer.activity_regularizer = None
    assert len(layer.losses) == 1


def test_a_frozen_weight_costs_nothing() -> None:
    model = Sequential(
        [Input((F,)), layers.Dense(3, kernel_regularizer="l2"), layers.Dense(2, kernel_regularizer="l1")]
    )
    both = values(model.losses)
    model.layers[0].weight.requires_grad_(False)
    assert values(model.losses) == both[1:]
    model.trainable = False
    assert model.losses == []
    assert model.regularization_loss().item() == 0


def test_time_distributed_counts_as_its_keras() -> None:
    x = torch.randn(B, T, F)
    inner = {"class_name": "Dense", "config": {"units": 2, "activity_regularizer": "l2"}}
    old = layers.TimeDistributed(inner, keras2_masks=True)
    total = 0.01 * old(x).square().sum().item()
    assert_numbers(values(old.losses), [total / (B * T)])
    new = layers.TimeDistributed(inner)
    new(x)
    assert new.losses == []
    deep = layers.TimeDistributed(Sequential([Input((F,)), layers.Dense(2, activity_regularizer="l2")]))
    total = 0.01 * deep(x).square().sum().item()
    assert_numbers(values(deep.losses), [total / B])  # Keras 3: one penalty for each step, over the batch
    own = layers.TimeDistributed(layers.Dense(2), activity_regularizer="l2")
    total = 0.01 * own(x).square().sum().item()
    assert_numbers(values(own.losses), [total / B])


@pytest.mark.parametrize("class_name", ["Activation", "Dense", "LSTM", "Bidirectional", "TimeDistributed"])
def test_config(class_name: str) -> None:
    config: dict[str, Any] = {
        "Activation": {"activation": "relu"},
        "Dense": {"units": 2},
        "LSTM": {"units": 2},
        "Bidirectional": {"layer": layers.LSTM(2)},
        "TimeDistributed": {"layer": layers.Dense(2)},
    }[class_name]
    cls = getattr(layers, class_name)
    layer = cls(**config, activity_regularizer={"class_name": "L1L2", "config": {"l1": 0.1, "l2": 0.2}})
    written = layer.get_config()
    assert written["activity_regularizer"]["config"] == {"l1": 0.1, "l2": 0.2}
    assert cls.from_config(written).get_config() == written
    assert cls(**config).get_config().get("activity_regularizer") is None


def test_compiled_and_exported() -> None:
    model = Sequential([Input((F,)), layers.Dense(3, activity_regularizer="l2"), layers.Dense(2)])
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    for _ in range(3):
        x = torch.randn(B, F)
        compiled(x)
        found = values(model.losses)
        model(x)
        assert_numbers(found, values(model.losses))
    torch._dynamo.reset()
    model.eval()(x)
    before = model.losses
    program = torch.export.export(model, (x,))
    assert_close(program.module()(x), model(x))
    assert_numbers(values(before), values(model.losses))
