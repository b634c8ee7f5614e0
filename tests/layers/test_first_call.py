"""A first call in inference mode, which `predict` is, builds what can be trained afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import kerastorch as kt
from kerastorch import layers
from kerastorch.base.layer import REGISTRY, Example, Layer
from kerastorch.structure import leaves, map_shapes

EXAMPLES = [(cls, example) for cls in REGISTRY.values() for example in cls.EXAMPLES]


def _data(example: Example) -> Any:
    words = example.config.get("input_dim")
    return map_shapes(lambda shape: torch.randint(words, shape) if words else torch.randn(shape), example.input_shape)


@pytest.mark.parametrize(
    ("cls", "example"), EXAMPLES, ids=[f"{cls._class_name}-{example.name}" for cls, example in EXAMPLES]
)
def test_every_layer_trains_after_it(cls: type[Layer], example: Example) -> None:
    layer = cls.from_config(dict(example.config))
    x = _data(example)
    call: Callable[..., Any] = (lambda: layer(*x)) if layer._call_arguments.tensors else (lambda: layer(x))
    with torch.inference_mode():
        call()
    assert [name for name, tensor in layer.state_dict(keep_vars=True).items() if tensor.is_inference()] == []
    layer.train()
    outputs = [leaf for leaf in leaves(call()) if isinstance(leaf, Tensor) and leaf.requires_grad]
    if outputs:
        sum(leaf.sum() for leaf in outputs).backward()
    for tensor in layer.state_dict(keep_vars=True).values():
        with torch.no_grad():
            tensor.mul_(1)  # an optimizer, and set_weights


class _Own(kt.Model):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.norm, self.head = layers.GRU(3, stateful=True), layers.BatchNormalization(), layers.Dense(1)
        self.seen = kt.metrics.Mean(name="seen")

    def call(self, x: Tensor) -> Tensor:
        states = self.norm(self.rnn(x))
        self.seen.update_state(states.mean())
        return self.head(states)


def _nested() -> kt.Model:
    return kt.Sequential([kt.Sequential([layers.LSTM(3, stateful=True)]), layers.Dense(1)])


@pytest.mark.parametrize("how", ["predict", "predict_on_batch"])
@pytest.mark.parametrize("make", [_Own, _nested], ids=["own", "nested"])
def test_models_are_fitted_after_they_have_predicted(make: Callable[[], kt.Model], how: str) -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(8, 4, 3)).astype("float32"), random.normal(size=(8, 1)).astype("float32")
    model = make()
    model.compile("adam", "mse")
    before = getattr(model, how)(x)
    model.fit(x, y, batch_size=8, epochs=2, verbose=0)
    model.set_weights(model.get_weights())
    assert not np.array_equal(before, model.predict(x, batch_size=8, verbose=0))


def test_a_call_on_what_is_no_tensor() -> None:
    recurrent = (layers.LSTM(2), layers.Bidirectional(layers.GRU(2)))
    for layer in (layers.Dense(2), *recurrent, kt.Sequential([layers.Dense(1)])):
        with pytest.raises(kt.errors.ArgumentError, match="was called on None, expected a tensor"):
            layer(None)
    model = kt.Sequential([kt.Input((4, 3), name="steps"), layers.LSTM(2)])
    for value in (None, "steps"):
        with pytest.raises(kt.errors.ArgumentError, match=rf"'steps'.*: expected a tensor of shape .*, got {value!r}"):
            model(value)
