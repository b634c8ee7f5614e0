"""The classes and functions of `workers/own.py`, written for kerastorch in the Keras way."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from kerastorch import Model, activations, layers, regularizers


class Attention(layers.Layer):
    """Attention with context, as people copy it from project to project."""

    supports_masking = True

    def __init__(self, units: int, activation: Any = "tanh", W_regularizer: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.activation = activations.get(activation)
        self.W_regularizer = regularizers.get(W_regularizer)

    def build(self, input_shape: Any) -> None:
        features = input_shape[-1]
        self.W = self.add_weight(shape=(features, self.units), name="W", regularizer=self.W_regularizer)
        self.b = self.add_weight(shape=(self.units,), initializer="zeros", name="b")
        self.u = self.add_weight(shape=(self.units,), initializer="uniform", name="u")
        super().build(input_shape)

    def call(self, x: Tensor, mask: Any = None) -> Tensor:
        scores = self.activation(x @ self.W + self.b) @ self.u
        if mask is not None:
            scores = scores.masked_fill(~mask, -1e9)
        return (x * scores.softmax(-1)[..., None]).sum(1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], input_shape[-1])

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        return None

    def get_config(self) -> dict[str, Any]:
        own = {
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "W_regularizer": regularizers.serialize(self.W_regularizer),
        }
        return {**super().get_config(), **own}


class Scale(layers.Layer):
    """Keeps the mask; its shapes are found by running it."""

    supports_masking = True

    def build(self, input_shape: Any) -> None:
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False, name="count")

    def call(self, x: Tensor) -> Tensor:
        return x * self.scale + self.count


class Pairing(layers.Layer):
    """Called with two tensors, one behind the other; the layer inside it is built at its first call."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inner = layers.Dense(4, name="inner")

    def call(self, query: Tensor, values: Tensor) -> Tensor:
        return (self.inner(query) @ values.transpose(1, 2)).softmax(-1) @ values


class Residual(layers.Layer):
    """Has a layer in its config."""

    def __init__(self, inner: Any, factors: Any = (1.0, 1.0), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inner = inner
        self.factors = tuple(factors)

    def call(self, x: Tensor) -> Tensor:
        return self.factors[0] * x + self.factors[1] * self.inner(x)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "inner": layers.serialize(self.inner), "factors": self.factors}

    @classmethod
    def from_config(cls, config: Any) -> Any:
        return cls(**{**config, "inner": layers.deserialize(config["inner"])})


class Backwards(layers.LSTM):
    """An LSTM whose outputs are in the reverse order of processing."""

    def __init__(self, units: int, gain: float = 1.0, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.gain = gain

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return super().forward(*args, **kwargs).flip(1) * self.gain

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "gain": self.gain}


class Minimal(layers.Layer):
    """A cell."""

    def __init__(self, units: int, activation: Any = "tanh", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = self.state_size = self.output_size = units
        self.activation = activations.get(activation)

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")
        self.recurrent_kernel = self.add_weight(shape=(self.units, self.units), name="recurrent_kernel")

    def call(self, x: Tensor, states: Any, constants: Any = None) -> Any:
        h = x @ self.kernel + states[0] @ self.recurrent_kernel
        if constants is not None:
            h = h + constants[0]
        h = self.activation(h)
        return h, [h]

    def get_config(self) -> dict[str, Any]:
        own = {"units": self.units, "activation": activations.serialize(self.activation)}
        return {**super().get_config(), **own}


class Chain(Model):
    """A functional model of a class of one's own."""


class Reader(Model):
    """A model with a call of its own."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.reader = layers.LSTM(units)
        self.answer = layers.Dense(2)

    def call(self, x: Tensor) -> Tensor:
        return self.answer(self.reader(x))

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "units": self.units}


def wave(x: Tensor) -> Tensor:
    return torch.sin(x) + 0.1 * x


def halves(shape: Any, dtype: Any = None) -> Tensor:
    return torch.full(tuple(shape), 0.5, dtype=dtype)


def cube(w: Tensor) -> Tensor:
    return 0.01 * (w.abs() ** 3).sum()


def capped(w: Tensor) -> Tensor:
    return w.clamp(max=0.7)


def shifted(x: Tensor, by: float = 0.0) -> Tensor:
    return x[:, 1:] + by


CLASSES: dict[str, Any] = {
    cls.__name__: cls for cls in (Attention, Scale, Pairing, Residual, Backwards, Minimal, Chain, Reader)
}
FUNCTIONS: dict[str, Any] = {function.__name__: function for function in (wave, halves, cube, capped, shifted)}
EVERYTHING = {**CLASSES, **FUNCTIONS}
