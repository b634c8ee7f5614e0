"""Whole models: what separates real Keras's results from ours."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from _close import largest

import kerastorch

from ._compare import FORWARD, GRADIENT, Array, difference, flat, flat_shapes, numpy


def read(text: str, weights: list[Array]) -> Any:
    """Our model from Keras's JSON and weights, ready to evaluate."""
    model = kerastorch.model_from_json(text)
    model.set_weights(weights)
    return model.eval()


def _rounding(model: Any, inputs: Sequence[Array], upstream: Sequence[Array], single: Sequence[Any]) -> list[float]:
    """How far each gradient of the weights in float32 is from that in float64, at most."""
    exact = model.double()
    xs = [torch.tensor(x, dtype=torch.float64 if x.dtype.kind == "f" else None) for x in inputs]
    outputs = flat(exact(xs if len(xs) > 1 else xs[0]))
    sum((y * torch.tensor(u, dtype=y.dtype)).sum() for y, u in zip(outputs, upstream, strict=True)).backward()
    pairs = zip(single, exact.get_gradients(), strict=True)
    return [0.0 if a is None or b is None else float(np.abs(a - b).max()) for a, b in pairs]


def model_differences(
    reference: Mapping[str, Any], model: Any, inputs: Sequence[Array], gradient: float = GRADIENT["float32"]
) -> list[str]:
    """Everything in which our model differs from the result of `workers.models.run_model`, as sentences.

    A gradient that is further away than its floor is measured once more, by how far our float32 is from our float64:
    what is computed wrongly is wrong in both, and moves no floor.

    Args:
        gradient: The rounding floor of gradients.
    """
    before = copy.deepcopy(model)
    xs = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
    outputs = flat(model(xs if len(xs) > 1 else xs[0]))
    found: list[str] = []

    def compare(what: str, theirs: list[Any], ours: list[Any], floor: float) -> None:
        if len(theirs) != len(ours):
            found.append(f"{what}: Keras has {len(theirs)}, kerastorch {len(ours)}")
            return
        beside = [a for a in theirs if a is not None] if what.startswith("grads") else []
        gaps = [difference(a, b, floor, beside=beside) for a, b in zip(theirs, ours, strict=True)]
        if what == "grads_weights" and any(gaps):
            floors = _rounding(before, inputs, reference["upstream"], ours)
            pairs = zip(theirs, ours, floors, strict=True)
            gaps = [
                difference(a, b, max(floor, own / largest(a)) if own else floor, beside=beside) for a, b, own in pairs
            ]
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
