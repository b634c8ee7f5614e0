"""Comparing the outputs, shapes, dtypes and gradients of models of operations with those of Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from kerastorch.dtypes import any_dtype

from ._compare import FORWARD, GRADIENT, difference, flat, numpy

# Where torch's results have another dtype than TensorFlow's; the values are the same.
OTHER_DTYPES = {
    "keras2": {"argmax", "argmin", "arg", "math.argmax", "version_1", "truediv"},
    "keras3": set(),
}


def make_inputs() -> list[np.ndarray]:
    rng = np.random.default_rng(4)
    x, y = (rng.normal(size=(3, 5, 4)).astype("float32") for _ in range(2))
    return [x, y, rng.integers(0, 5, (3, 5)).astype("int32")]


def compare(model: Any, inputs: list[np.ndarray], reference: dict[str, Any], dtypes: bool) -> list[str]:
    """How a model's outputs, their stated shapes and dtypes, and its gradients differ from Keras's."""
    found = []
    values = [torch.tensor(value, requires_grad=value.dtype.kind == "f") for value in inputs]
    outputs = flat(model(values))
    if len(outputs) != len(reference["outputs"]):
        return [f"Keras has {len(reference['outputs'])} outputs, kerastorch {len(outputs)}"]
    for index, (theirs, ours) in enumerate(zip(reference["outputs"], outputs, strict=True)):
        mine = numpy(ours)
        if not dtypes:
            mine = mine.astype(theirs.dtype)
        gap = difference(theirs, mine, FORWARD["float32"])
        found += [f"output {index}: {gap}"] if gap else []
    for index, (symbol, ours) in enumerate(zip(model.outputs, outputs, strict=True)):
        if symbol.dtype != ours.dtype:
            found.append(f"output {index} is stated as {symbol.dtype} and is {ours.dtype}")
        if dtypes and symbol.dtype != any_dtype(reference["dtypes"][index]):
            found.append(f"output {index} is {reference['dtypes'][index]} in Keras, {symbol.dtype} here")
        stated = reference["shapes"][index]
        if stated is None:  # TensorFlow does not even know the number of axes
            continue
        if len(stated) != len(symbol.shape) or any(
            theirs is not None and ours != theirs for theirs, ours in zip(stated, symbol.shape, strict=True)
        ):
            found.append(f"output {index} has shape {stated} in Keras, {symbol.shape} here")
    trained = [outputs[index] for index in reference["floating"] if outputs[index].requires_grad]
    weights = [
        torch.tensor(weight)
        for index, weight in zip(reference["floating"], reference["upstream"], strict=True)
        if outputs[index].requires_grad
    ]
    if trained:
        sum((output.double() * weight).sum() for output, weight in zip(trained, weights, strict=True)).backward()
    for name, value, theirs in zip("xy", values[:2], reference["grads"], strict=True):
        gap = difference(theirs, numpy(value.grad), GRADIENT["float32"])
        found += [f"gradient to {name}: {gap}"] if gap else []
    return found
