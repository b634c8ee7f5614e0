"""Models whose tensors no machine can hold are written like others."""

from __future__ import annotations

from typing import Any

import pytest

import kerastorch as kt
from kerastorch import layers
from kerastorch.saving import to_json

MOST = 2**31 - 1


@pytest.mark.parametrize("layer", [layers.AdaptiveAveragePooling2D, layers.UpSampling2D])
def test_a_huge_output_is_no_tensor_while_masks_are_followed(layer: Any) -> None:
    model = kt.Sequential([kt.Input((4, 4, 3)), layer((MOST, MOST)), layers.Dense(2)])
    again = kt.model_from_json(to_json(model))
    assert again.output_shape == model.output_shape
    assert again.get_config() == model.get_config()
