"""GroupNormalization, UnitNormalization and RMSNormalization."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from _close import assert_close

from kerastorch.errors import ArgumentError, ShapeError, UnsupportedError
from kerastorch.layers import GroupNormalization, RMSNormalization, UnitNormalization


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GroupNormalization(0), "groups: expected an integer >= 1, or -1 for a group of each channel, got 0."),
        (lambda: GroupNormalization(-2), "groups: expected an integer >= 1, or -1"),
        (lambda: GroupNormalization(2, axis=0), "got 0, which is the batch axis."),
        (lambda: GroupNormalization(2, axis=[1]), "axis: expected an integer, got [1]."),  # type: ignore[arg-type]
        (lambda: UnitNormalization([]), "axis: expected an axis or a list of axes, got an empty list."),
        (lambda: UnitNormalization("1"), "axis: expected an integer, got '1'."),
        (lambda: RMSNormalization([1, -1]), "axis: expected an axis or a list of different axes"),
    ],
)
def test_arguments_that_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(message)):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (GroupNormalization(name="g"), (2, 5, 4), "4 channels cannot be parted into 32 groups of one size (input of s"),
        (GroupNormalization(3, name="g"), (2, 4), "give `groups` a divisor of 4."),
        (GroupNormalization(2, name="g"), (2,), "expected input of shape (batch, ..., channels) with at least 2 axes"),
        (GroupNormalization(2, name="g"), (2, None), "the size of axis -1 must be known"),
        (UnitNormalization([1, 2], name="u"), (2, 5), "axis 2 is out of bounds for input of shape (2, 5)"),
    ],
    ids=str,
)
def test_shapes_that_do_not_fit(layer: Any, shape: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=re.escape(message)):
        layer.build(shape)


def test_other_channels_than_it_was_built_for() -> None:
    layer = GroupNormalization(2, name="g")
    layer.build((None, None, 4))
    with pytest.raises(ShapeError, match="expected 4 channels at axis -1, got 6"):
        layer(torch.zeros(2, 3, 6))
    assert layer(torch.zeros(2, 3, 3, 4)).shape == (2, 3, 3, 4)


def test_axes_of_rms_normalization_must_be_the_last() -> None:
    message = "axis=1 of an input of 3 axes is not supported: Keras lays the scale along the last axes"
    with pytest.raises(UnsupportedError, match=message):
        RMSNormalization(axis=1).build((2, 5, 5))


def test_masks_of_tf_keras() -> None:
    """A mask that spreads to the input leaves places out; Keras 3 takes none."""
    x = torch.randn(2, 6, 4)
    mask = torch.ones(2, 6, 1, dtype=torch.bool)
    mask[:, 4:] = False
    layer = GroupNormalization(2, keras2_masks=True)
    layer.build((None, 6, 4))
    with torch.no_grad():
        layer.weight.normal_()
        layer.bias.normal_()
    assert_close(layer(x, mask=mask)[:, :4], layer(x[:, :4]))
    assert_close(layer(x, mask=torch.ones_like(mask)), layer(x))
    again = GroupNormalization(2)
    again.build((None, 6, 4))
    again.load_state_dict(layer.state_dict())
    assert torch.equal(again(x, mask=mask), layer(x))
    with pytest.raises(ShapeError, match=r"got \(2, 6\); a mask of steps does so as mask.unsqueeze"):
        layer(x, mask=mask[..., 0])
    first = GroupNormalization(2, axis=1, keras2_masks=True, scale=False, center=False)
    swapped = first(x.movedim(-1, 1), mask=mask.movedim(-1, 1)).movedim(1, -1)
    plain = GroupNormalization(2, scale=False, center=False)(x[:, :4])
    assert_close(swapped[:, :4], plain)


def test_a_mask_passes_through_where_keras_says_so() -> None:
    mask = torch.tensor([[True, False]])
    x = torch.zeros(1, 2, 4)
    assert GroupNormalization(2).compute_mask(x, mask) is mask
    assert UnitNormalization().compute_mask(x, mask) is mask
    x._keras_mask = mask  # type: ignore[attr-defined]
    assert GroupNormalization(2)(x)._keras_mask is mask
    assert not hasattr(RMSNormalization()(x), "_keras_mask")


def test_half_precision() -> None:
    x = torch.full((1, 4), 300.0, dtype=torch.float16)  # the sum of the squares is not in float16
    assert_close(UnitNormalization(dtype="float16")(x), torch.full_like(x, 0.5))


def test_configs_have_the_keys_of_keras_3() -> None:
    assert list(RMSNormalization().get_config()) == ["name", "trainable", "dtype", "axis", "epsilon"]
    assert list(UnitNormalization().get_config()) == ["name", "trainable", "dtype", "axis"]
    assert UnitNormalization(least_norm=1e-6).get_config()["least_norm"] == 1e-6
    assert GroupNormalization(-1).get_config()["groups"] == -1
