"""Whole models: what separates real Keras's results from ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

import kerastorch

from ._compare import FORWARD, GRADIENT, Array, difference, flat, flat_shapes, numpy


def read(text: str, weights: list[Array]) -> Any:
    """Our model from Keras's JSON and weights, ready to evaluate."""
    model = kerastorch.model_from_json(text)
    model.set_weights(weights)
    return model.eval()


def model_differences(
    reference: Mapping[str, Any], model: Any, inputs: Sequence[Array], gradient: float = GRADIENT["float32"]
) -> list[str]:
    """Everything in which our model differs from the result of `workers.models.run_model`, as sentences.

    Args:
        gradient: The rounding floor of gradients.
    """
    xs = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
    outputs = flat(model(xs if len(xs) > 1 else xs[0]))
    found: list[str] = []

    def compare(what: str, theirs: list[Any], ours: list[Any], floor: float) -> None:
        if len(theirs) != len(ours):
            found.append(f"{what}: Keras has {len(theirs)}, kerastorch {len(ours)}")
            return
        beside = [a for a in theirs if a is not None] if what.startswith("grads") else []
        gaps = [difference(a, b, floor, beside=beside) for a, b in zip(theirs, ours, strict=True)]
        found.extend(f"{what}[{i}]: {gap}" for i, gap in enumerate(gaps) if gap)

    compare("outputs", reference["outputs"], [numpy(y) for y in outputs], FORWARD["float32"])
    sum((y * torch.tensor(u)).sum() for y, u in zip(outputs, reference["upstream"], strict=True)).backward()
    sources = [numpy(x.grad) for x in xs if x.requires_grad]
    compare("grads_inputs", reference["grads_inputs"], sources, gradient)
    compare("grads_weights", reference["grads_weights"], model.get_gradients(), gradient)
    compare("weights", reference["weights"], model.get_weights(), 0.0)
    if model.count_params() != reference["params"]:
        found.append(f"params: Keras has {reference['params']}, kerastorch {model.count_params()}")
    if flat_shapes(model.output_shape) != reference["output_shape"]:
        found.append(f"output_shape: Keras has {reference['output_shape']}, kerastorch {model.output_shape}")
    predicted = flat(model.predict(list(inputs) if len(inputs) > 1 else inputs[0], batch_size=2))
    compare("predict", reference["outputs"], predicted, FORWARD["float32"])
    return found
