"""A model around every example of every layer, with weights of random, distinct values."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

import kerastorch as kt
from kerastorch.base.layer import REGISTRY, Example, Layer
from kerastorch.layers.rnn.gated_cell import GatedCell
from kerastorch.structure import leaves, map_shapes

EXAMPLES = [
    (cls, example)
    for cls in REGISTRY.values()
    for example in cls.EXAMPLES
    if not issubclass(cls, GatedCell) and cls._class_name not in ("InputLayer", "StackedRNNCells")
]
IDS = [f"{cls._class_name}-{example.name}" for cls, example in EXAMPLES]


def randomize(model: kt.Model, rng: np.random.Generator) -> None:
    for variable in model.variables:
        values = rng.uniform(0.1, 0.9, variable.shape) * rng.choice([1.0, 1.0, -1.0], variable.shape)
        positive = np.abs(values) if not variable.trainable else values  # a variance is positive
        variable.assign(torch.as_tensor(positive).to(variable.value.dtype))


def model_of(cls: type[Layer], example: Example, rng: np.random.Generator) -> tuple[kt.Model, list[np.ndarray]]:
    """A functional model of one layer, and inputs for it."""
    layer = cls.from_config({**example.config, "name": "it"})
    words: Any = example.config.get("input_dim")
    shapes: list[Any] = []
    map_shapes(shapes.append, example.input_shape)
    dtype = "int32" if words else "float32"
    inputs = [kt.Input(shape[1:], dtype=dtype, name=f"in_{index}") for index, shape in enumerate(shapes)]
    several = isinstance(example.input_shape, list)
    given = inputs if several else inputs[0]
    outputs = layer(*inputs) if layer._call_arguments.tensors else layer(given)
    model = kt.Model(inputs if several else inputs[0], outputs, name="around").eval()
    randomize(model, rng)
    data = [
        rng.integers(0, words, shape).astype("int32") if words else rng.normal(size=shape).astype("float32")
        for shape in shapes
    ]
    return model, data


def outputs_of(model: kt.Model, inputs: list[np.ndarray]) -> list[np.ndarray]:
    tensors = [torch.as_tensor(array) for array in inputs]
    with torch.no_grad():
        found: list[Tensor] = leaves(model(*tensors))
    return [tensor.numpy() for tensor in found]
