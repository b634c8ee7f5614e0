"""One and three SGD steps in Keras and in torch move the weights to the same values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_numbers
from _keras_worker import KerasWorker

from ._cases import RECURRENT
from ._compare import BATCH, FEATURES, GRADIENT, TIME, difference, make_layer, mask_of

BIDIRECTIONAL = [
    ("Bidirectional", {"layer": {"class_name": base.layer, "config": dict(base.config)}}) for base in RECURRENT
]
LAYERS: list[tuple[str, dict[str, Any]]] = [
    *((base.layer, dict(base.config)) for base in RECURRENT),
    *((base.layer, {**base.config, "activation": "relu"}) for base in RECURRENT),
    *BIDIRECTIONAL,
]
MOVED = 2e-4  # every array moves at least so far: a hundred times what rounding moves weights of the order of 0.3


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
@pytest.mark.parametrize("masked", [False, True], ids=["", "masked"])
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize(("name", "config"), LAYERS, ids=[f"{name}-{i}" for i, (name, _) in enumerate(LAYERS)])
def test_sgd(
    keras_worker: KerasWorker, name: str, config: dict[str, Any], steps: int, masked: bool, framework: str,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    x = rng.normal(size=(BATCH, TIME, FEATURES)).astype("float32")
    layer = make_layer(name, config, "float32")
    layer.build((None, TIME, FEATURES))
    target = rng.normal(size=(BATCH, layer.output_shape[-1])).astype("float32")
    mask = mask_of("holes") if masked else None
    reference = keras_worker.call(framework, "layers:sgd_step", name, config, x, target, mask=mask, steps=steps)

    layer.set_weights(reference["weights"])
    layer.train()
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    keywords = {} if mask is None else {"mask": torch.tensor(mask)}
    loss = None
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (layer(torch.tensor(x), **keywords) - torch.tensor(target)).square().mean()
        loss.backward()
        optimizer.step()
    assert loss is not None
    assert_numbers(float(loss.detach()), reference["loss"])
    for index, (before, theirs, ours) in enumerate(
        zip(reference["weights"], reference["weights_after"], layer.get_weights(), strict=True)
    ):
        assert np.abs(theirs - before).max() > MOVED, f"weight {index} did not move: the case proves nothing"
        assert difference(theirs, ours, GRADIENT["float32"]) is None, index
