"""A layer that several threads call at once: it is built once, whoever comes first, and all get its numbers."""

from __future__ import annotations

import copy
import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close
from torch import Tensor

from kerastorch import Input, Model, Sequential, initializers, layers
from kerastorch.errors import ShapeError

THREADS = 8
RUNS = 12


@pytest.fixture(autouse=True)
def _impatient() -> Iterator[None]:
    """Threads take turns after each few instructions."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


class Own(layers.Layer):
    """In the way of Keras, with a weight that is not trained."""

    def build(self, input_shape: Any) -> None:
        self.w = self.add_weight((input_shape[-1], 3), name="w")
        self.shift = self.add_weight((3,), "ones", trainable=False, name="shift")

    def call(self, inputs: Tensor) -> Tensor:
        return inputs @ self.w + self.shift


class Composite(layers.Layer):
    """Its layers are built when it calls them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = layers.GRU(4, return_sequences=True), Own()

    def call(self, inputs: Tensor) -> Tensor:
        return self.second(self.first(inputs))


class Subclass(Model):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.head = Composite(), layers.Dense(2)

    def call(self, x: Tensor) -> Tensor:
        return self.head(self.inner(x))


MADE: dict[str, Callable[[], Any]] = {
    "LSTM": lambda: layers.LSTM(5),
    "CuDNNGRU": lambda: layers.CuDNNGRU(5),
    "Bidirectional": lambda: layers.Bidirectional(layers.GRU(4, activation="relu")),
    "RNN": lambda: layers.RNN([layers.LSTMCell(3), layers.GRUCell(4)]),
    "TimeDistributed": lambda: layers.TimeDistributed(layers.Dense(3)),
    "BatchNormalization": layers.BatchNormalization,
    "Conv1D": lambda: layers.Conv1D(3, 2),
    "MultiHeadAttention": lambda: layers.MultiHeadAttention(2, 3),
    "own": Own,
    "composite": Composite,
    "Sequential": lambda: Sequential([layers.LSTM(4, return_sequences=True), Own(), layers.Dense(2)]),
    "Model": Subclass,
}


def inputs() -> Tensor:
    return torch.randn(3, 6, 4, generator=torch.Generator().manual_seed(1))


def at_once(call: Callable[[], Any]) -> list[Any]:
    """The results of a call by several threads, none of which may fail."""
    start = threading.Barrier(THREADS)

    def wait_and_call() -> Any:
        start.wait()
        return call()

    with ThreadPoolExecutor(THREADS) as threads:
        return [future.result(timeout=60) for future in [threads.submit(wait_and_call) for _ in range(THREADS)]]


def called(layer: Any, x: Any) -> Tensor:
    with torch.no_grad():
        return layer(x, x) if isinstance(layer, layers.MultiHeadAttention) else layer(x)


@pytest.mark.parametrize("form", ["tensor", "array"])
@pytest.mark.parametrize("name", MADE)
def test_the_first_call_comes_from_many_threads(name: str, form: str) -> None:
    x: Any = inputs() if form == "tensor" else inputs().numpy()
    alone = MADE[name]()
    called(alone, x)
    for _ in range(RUNS):
        layer = MADE[name]()
        results = at_once(lambda layer=layer: called(layer, x))
        expected = called(layer, x)
        assert all(torch.equal(result, expected) for result in results)
        assert {key: value.shape for key, value in layer.state_dict().items()} == {
            key: value.shape for key, value in alone.state_dict().items()
        }
        assert [tuple(array.shape) for array in layer.get_weights()] == [
            tuple(array.shape) for array in alone.get_weights()
        ]


def test_each_weight_is_made_once() -> None:
    for _ in range(RUNS):
        made: list[Any] = []

        def start(shape: Any, dtype: Any = None, made: list[Any] = made) -> np.ndarray:
            made.append(shape)
            return np.full(shape, len(made), "float32")

        layer = layers.LSTM(5, kernel_initializer=start, recurrent_initializer=start, bias_initializer=start)
        at_once(lambda layer=layer: layer(inputs()))
        assert sorted(made) == [(4, 20), (5,), (5, 20)] or sorted(made) == [(4, 20), (5, 20), (20,)]


def test_no_thread_sees_a_layer_before_its_given_weights() -> None:
    given = [np.full((4, 3), 2, "float32"), np.full((3,), 1, "float32")]
    for _ in range(RUNS):
        layer = layers.Dense(3, weights=given)
        for result in at_once(lambda layer=layer: layer(inputs())):
            assert_close(result, 2 * inputs().sum(-1, keepdim=True).expand(3, 6, 3) + 1)


def test_build_and_calls_on_symbols_from_many_threads() -> None:
    for _ in range(RUNS):
        layer = layers.GRU(5)
        at_once(lambda layer=layer: layer.build((None, 6, 4)))
        assert len(layer.get_weights()) == 3
        shared = layers.LSTM(5)

        def graph(shared: Any = shared) -> Model:
            i = Input((6, 4))
            return Model(i, shared(i))

        for model in at_once(graph):
            assert torch.equal(model(inputs()), shared(inputs()))


@pytest.mark.parametrize("name", MADE)
def test_layers_are_copied_and_pickled(name: str) -> None:
    for built in (False, True):
        layer = MADE[name]()
        if built:
            called(layer, inputs())
        for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), copy.copy(layer)):
            result = called(other, inputs())
            if built:
                assert torch.equal(result, called(layer, inputs()))


def test_a_build_inside_a_build_and_one_that_waits() -> None:
    """A thread that builds may call other layers, which it builds, too; the others wait so long."""

    class Slow(layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.inner = Own()
            self.inner(torch.zeros(1, 2, input_shape[-1]))
            inside.set()
            go_on.wait(30)

        def call(self, inputs: Tensor) -> Tensor:
            return self.inner(inputs)

    inside, go_on = threading.Event(), threading.Event()
    slow, built, x = Slow(), layers.Dense(2), inputs()
    built(x)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(slow, x)
        assert inside.wait(30)
        second = threads.submit(slow, x)
        built(x)  # what is built waits for nobody
        assert not second.done()
        go_on.set()
        assert torch.equal(first.result(30), second.result(30))


def test_a_build_that_fails_leaves_nothing_behind() -> None:
    class Failing(Own):
        fails = True

        def build(self, input_shape: Any) -> None:
            super().build(input_shape)
            self.last = self.add_weight((2,), initializers.Constant(0.5), name="last")
            if self.fails:
                raise ValueError("not today")

    layer = Failing()
    before = set(layer._parameters), set(layer._buffers)
    for _ in range(2):
        with pytest.raises(ValueError, match="not today"):
            layer(inputs())
        assert (set(layer._parameters), set(layer._buffers)) == before
        assert not layer.built
    layer.fails = False
    assert_close(layer(inputs()), inputs() @ layer.w + layer.shift)
    assert [weight.shape for weight in layer.get_weights()] == [(4, 3), (2,), (3,)]


def test_given_weights_that_do_not_fit_are_told_of_at_each_call() -> None:
    layer = layers.Dense(3, weights=[np.zeros((5, 3), "float32"), np.zeros(3, "float32")])
    for _ in range(2):
        with pytest.raises(ShapeError, match=r"kernel: expected \(4, 3\), got \(5, 3\)"):
            layer(inputs())
    layer(torch.zeros(2, 5))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_process_that_is_forked_while_a_thread_builds_builds_itself() -> None:
    inside, go_on = threading.Event(), threading.Event()

    class Slow(Own):
        def build(self, input_shape: Any) -> None:
            inside.set()
            go_on.wait(30)
            super().build(input_shape)

    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(Slow(), inputs())
        assert inside.wait(30)
        child = os.fork()
        if child == 0:
            layers.Dropout(0.5).build((None, 3))
            os._exit(7)
        go_on.set()
        future.result(30)
    for _ in range(200):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        threading.Event().wait(0.05)
    else:
        os.kill(child, 9)
        os.waitpid(child, 0)
        pytest.fail("the child waits for a thread that it does not have")
    assert os.waitstatus_to_exitcode(status) == 7
