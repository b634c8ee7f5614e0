"""TimeDistributed around layers that use a mask: what live Keras hands to each step, and hands on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from _keras_worker import KerasWorker

from ._compare import FORWARD, difference, make_layer, numpy

SHAPE = (3, 4, 5, 2)
MASK = np.random.default_rng(0).random(SHAPE[:3]) < 0.6
MASK[..., 0] = True  # tf-keras's mean of no step is not finite
INNER: dict[str, tuple[str, dict[str, Any]]] = {
    "LSTM": ("LSTM", {"units": 3, "return_sequences": True}),
    "GRU": ("GRU", {"units": 3}),
    "SimpleRNN": ("SimpleRNN", {"units": 3, "go_backwards": True}),
    "GlobalAveragePooling1D": ("GlobalAveragePooling1D", {}),
}


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
@pytest.mark.parametrize("name", INNER)
def test_each_step_gets_its_own_mask(keras_worker: KerasWorker, name: str, framework: str) -> None:
    class_name, inner = INNER[name]
    config = {"layer": {"class_name": class_name, "config": inner}}
    x = np.random.default_rng(1).normal(size=SHAPE).astype("float32")
    reference = keras_worker.call(framework, "layers:run_layer", "TimeDistributed", config, [x], mask=MASK)
    layer = make_layer("TimeDistributed", {**config, "keras2_masks": framework == "keras2"}, "float32").eval()
    layer.build(SHAPE)
    layer.set_weights(reference["weights"])
    source, mask = torch.tensor(x), torch.tensor(MASK)
    assert not difference(reference["outputs"][0], numpy(layer(source, mask=mask)), FORWARD["float32"])
    assert difference(reference["outputs"][0], numpy(layer(source, mask=~mask)), FORWARD["float32"])
    (handed_on,) = reference["mask_out"]
    np.testing.assert_array_equal(numpy(layer.compute_mask(source, mask)), handed_on)
