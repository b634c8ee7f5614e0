"""Twenty steps of every recurrent family by every optimizer, beside Keras 3.15: in float64, and in float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from _close import MARGIN
from _keras_worker import KerasWorker
from workers.families import FAMILIES, STEPS, Case, model_of, weights_of

import kerastorch as kt

from .test_optimizers_live import with_exact_numbers

NAMES = ("SGD", "RMSprop", "Adam", "AdamW", "Adamax", "Nadam", "Adagrad", "Adadelta", "Ftrl", "Lion")
# Numbers that float32 does not hold exactly, as people write them; and gradients so small that an epsilon in another
# place is as good as another optimizer.
CASES: list[tuple[str, dict[str, Any], float]] = [
    (name, {"learning_rate": 0.01, **({"momentum": 0.9} if name == "SGD" else {})}, 1.0) for name in NAMES
]
CASES += [("Adam", {"learning_rate": 0.01, "amsgrad": True}, 1.0), ("RMSprop", {"learning_rate": 0.01}, 1e-5)]
# Rules that see a weight as a whole: where two biases are one, gates stand in another order, kernels have three axes.
WHOLE = [(*with_exact_numbers((name, {})), 1.0) for name in ("Lamb", "Adafactor", "Muon", "ScheduleFreeAdamW")]
# Of the largest value of each array of weights. 3e-15 and 9e-7 were seen.
BOUNDS = {"float64": 1e-9, "float32": 1e-5}


def ours(
    family: str, dtype: str, given: list[list[list[np.ndarray]] | None], cases: list[Case] = CASES
) -> list[dict[str, Any]]:
    """The same here. `given` has, for each case, gradients of another's in the place of our own, or None."""
    left = iter(given)

    def gradients_of(model: Any, loss: Any) -> Callable[..., list[Any]]:
        stated: list[Any] = [None]

        def gradients(inputs: Any, target: np.ndarray, factor: float, at: tuple[str, int]) -> list[Any]:
            if at[1] == 0:
                stated[0] = next(left)
            if stated[0] is not None:
                return [torch.from_numpy(array.copy()) for array in stated[0][at[1]]]
            tensors = [torch.from_numpy(array) for array in (inputs if isinstance(inputs, list) else [inputs])]
            found = loss(torch.from_numpy(target), model(tensors if len(tensors) > 1 else tensors[0])) * factor
            model.zero_grad()
            found.backward()
            return [variable.gradient() for variable in model.trainable_weights]

        model.train()
        return gradients

    return weights_of(kt, family, dtype, cases, gradients_of)  # type: ignore[arg-type]


def apart(mine: dict[str, Any], theirs: dict[str, Any]) -> float:
    pairs = zip(mine["weights"], theirs["weights"], strict=True)
    return max(float(np.abs(a.astype("float64") - b).max() / np.abs(b).max()) for a, b in pairs)


@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_twenty_steps_by_every_optimizer(keras_worker: KerasWorker, family: str, dtype: str) -> None:
    theirs = keras_worker.call("keras3", "families:trained", family, dtype, CASES)
    # The sign of a number near zero is Lion's step: rounding turns it in float32, so it gets Keras's gradients there.
    kept = [name == "Lion" and dtype == "float32" for name, *_ in CASES]
    given = [case["gradients"] if keep else None for keep, case in zip(kept, theirs, strict=True)]
    mine = ours(family, dtype, given)
    assert all(len(case["gradients"]) == STEPS for case in theirs)
    names = [f"{name} {config}, gradients times {factor:g}" for name, config, factor in CASES]
    gaps = {name: apart(*both) for name, *both in zip(names, mine, theirs, strict=True)}
    bounds = dict.fromkeys(names, BOUNDS[dtype])
    if dtype == "float32":
        # Ftrl subtracts sums that are nearly equal: in float32 it lies 1e-5 from its own float64, as Keras does.
        exact = ours(family, "float64", [None] * len(CASES))
        floors = {name: apart(*both) for name, *both in zip(names, mine, exact, strict=True)}
        bounds |= {name: max(bounds[name], MARGIN * gap) for name, gap in floors.items() if name.startswith("Ftrl")}
    assert {name: gap for name, gap in gaps.items() if not gap <= bounds[name]} == {}
    begun = model_of(kt, family, dtype).get_weights()  # type: ignore[arg-type]
    for name, case in zip(names, theirs, strict=True):
        moved = max(float(np.abs(a - b).max()) for a, b in zip(case["weights"], begun, strict=True))
        assert moved > (1e-5 if name.startswith("Adadelta") else 1e-3), name


@pytest.mark.parametrize("family", ["masked Embedding", "ConvLSTM"])
def test_twenty_steps_of_whole_weights(keras_worker: KerasWorker, family: str) -> None:
    theirs = keras_worker.call("keras3", "families:trained", family, "float64", WHOLE)
    mine = ours(family, "float64", [None] * len(WHOLE), WHOLE)
    gaps = {name: apart(*both) for (name, *_), *both in zip(WHOLE, mine, theirs, strict=True)}
    assert {name: gap for name, gap in gaps.items() if not gap <= BOUNDS["float64"]} == {}
    begun = model_of(kt, family, "float64").get_weights()  # type: ignore[arg-type]
    for (name, *_), case in zip(WHOLE, theirs, strict=True):
        moved = max(float(np.abs(a - b).max()) for a, b in zip(case["weights"], begun, strict=True))
        assert moved > 1e-3, name
