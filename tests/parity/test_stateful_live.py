"""Stateful layers: the second call starts where the first one ended; a reset starts from zeros."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from _keras_worker import KerasWorker

from ._cases import ALL_OUTPUTS, BACKWARDS, RECURRENT, SEQUENCES
from ._compare import BATCH, FEATURES, FORWARD, TIME, Case, difference, flat, make_layer, mask_of, numpy

OPTIONS: dict[str, dict[str, Any]] = {"": {}, "everything": ALL_OUTPUTS, "loop": {"activation": "softsign"}}
ALONE: dict[str, dict[str, Any]] = {**OPTIONS, "backwards": {**ALL_OUTPUTS, **BACKWARDS}}
# Keras 3.15 itself fails on a stateful Bidirectional with return_state (it multiplies a generator).
WRAPPED3 = {"": {}, "sequences": SEQUENCES, "loop": OPTIONS["loop"]}
CASES = [
    pytest.param(framework, base, wrapped, options, id=f"{framework}-{'Bidirectional ' * wrapped}{base.id} {name}")
    for base in RECURRENT
    for framework in ("keras3", "keras2")
    for wrapped in (False, True)
    for name, options in ((WRAPPED3 if framework == "keras3" else OPTIONS) if wrapped else ALONE).items()
]


@pytest.mark.parametrize("masked", [False, True], ids=["", "masked"])
@pytest.mark.parametrize(("framework", "base", "wrapped", "options"), CASES)
def test_stateful(
    keras_worker: KerasWorker,
    framework: str,
    base: Case,
    wrapped: bool,
    options: dict[str, Any],
    masked: bool,
    rng: np.random.Generator,
) -> None:
    name, config = base.layer, {**base.config, **options, "stateful": True}
    if wrapped:
        name, config = "Bidirectional", {"layer": {"class_name": base.layer, "config": config}}
    xs = [rng.normal(size=(BATCH, TIME, FEATURES)).astype("float32") for _ in range(3)]
    mask = mask_of("empty row") if masked else None
    reference = keras_worker.call(framework, "layers:run_stateful", name, config, xs, mask=mask)

    layer = make_layer(name, config, "float32").eval()
    layer.build(xs[0].shape)
    layer.set_weights(reference["weights"])
    keywords = {} if mask is None else {"mask": torch.tensor(mask)}

    def outputs(x: np.ndarray) -> list[np.ndarray | None]:
        return [numpy(y) for y in flat(layer(torch.tensor(x), **keywords))]

    ours = [outputs(x) for x in xs]
    layer.reset_state()
    ours.append(outputs(xs[0]))
    for index, (theirs, mine) in enumerate(zip(reference["outputs"], ours, strict=True)):
        gaps = [difference(a, b, FORWARD["float32"]) for a, b in zip(theirs, mine, strict=True)]
        assert not any(gaps), f"call {index}: {gaps}"
    # The states really mattered: the same input gave something else as the first call than after the reset.
    layer.reset_states()
    first, again = outputs(xs[0])[0], outputs(xs[0])[0]
    assert np.abs(first - again).max() > 10 * FORWARD["float32"]
