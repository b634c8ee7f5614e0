"""How a Bidirectional merges its directions, and what it says of shapes, masks and kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close
from torch import Tensor

from kerastorch import layers

B, T, F, U = 3, 4, 5, 2
MASK = torch.tensor([[1, 1, 0, 0], [0, 1, 0, 1], [1, 1, 1, 0]], dtype=torch.bool)
MODES = ["concat", "sum", "ave", "mul", None]
MERGES: dict[str | None, Any] = {
    "concat": lambda one, two: torch.cat([one, two], -1),
    "sum": lambda one, two: one + two,
    "ave": lambda one, two: 0.5 * (one + two),
    "mul": lambda one, two: one * two,
}


def made(merge_mode: str | None, cls: Any = layers.LSTM, **config: Any) -> Any:
    layer = layers.Bidirectional(cls(U, **config), merge_mode=merge_mode)
    layer.build((B, T, F))
    layer.double()
    rng = np.random.default_rng(2)
    layer.set_weights([rng.normal(0, 0.6, array.shape) for array in layer.get_weights()])
    return layer.eval()


def data(rows: int = B) -> Tensor:
    return torch.randn(rows, T, F, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def flat(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


@pytest.mark.parametrize("rows", [1, B])  # one row runs in one call of a kernel
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("state", [False, True])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_both_directions_are_merged(mode: str | None, sequences: bool, state: bool, masked: bool, rows: int) -> None:
    layer = made(mode, return_sequences=sequences, return_state=state)
    x, mask = data(rows), MASK[:rows] if masked else None
    with torch.no_grad():
        found = flat(layer(x, mask=mask))
        pair = [flat(direction(x, mask=mask)) for direction in (layer.forward_layer, layer.backward_layer)]
    one, two = pair[0][0], pair[1][0].flip(1) if sequences else pair[1][0]
    merged = [one, two] if mode is None else [MERGES[mode](one, two)]
    wanted = [*merged, *pair[0][1:], *pair[1][1:]]
    assert len(found) == len(wanted) == (2 if mode is None else 1) + 4 * state
    for ours, theirs in zip(found, wanted, strict=True):
        # float64: the same sums in one call of a kernel or in two.
        assert_close(ours, theirs)
    assert [tuple(y.shape) for y in found] == shapes(layer.compute_output_shape((rows, T, F)))
    unknown = shapes(layer.compute_output_shape((None, None, F)))
    for shape, y in zip(unknown, found, strict=True):
        assert len(shape) == y.ndim
        assert shape[0] is None
        assert shape[-1] == y.shape[-1]


def shapes(value: Any) -> list[tuple[Any, ...]]:
    return [value] if all(size is None or isinstance(size, int) for size in value) else list(value)


@pytest.mark.parametrize("state", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_the_mask_goes_to_the_outputs_and_not_to_the_states(mode: str | None, state: bool) -> None:
    x = data()
    for cls, count in ((layers.LSTM, 2), (layers.GRU, 1)):
        layer = made(mode, cls, return_sequences=True, return_state=state)
        for given in (MASK, [MASK, None, None], None):
            wanted = None if given is None else MASK
            outputs = 2 if mode is None else 1
            masks = flat(layer.compute_mask(x, given))
            assert masks[:outputs] == [wanted] * outputs if wanted is None else all(m is MASK for m in masks[:outputs])
            assert masks[outputs:] == [None] * (2 * count * state)
        last = made(mode, cls, return_state=state)
        assert flat(last.compute_mask(x, MASK)) == [None] * ((2 if mode is None else 1) + 2 * count * state)


def test_the_choice_of_both_directions_depends_on_the_input() -> None:
    layer = made("concat")
    one, more = data(1), data()
    together = "; both directions in one call"
    with torch.no_grad():
        assert layer.kernel_choice(one).reason.endswith(together)
        assert layer.kernel_choice(one, MASK[:1]).reason.endswith(together)
        assert not layer.kernel_choice(more, MASK).reason.endswith(together)
        assert layer.kernel_choice(one).path == layer.forward_layer.kernel_choice(one).path
    relu = made("concat", activation="relu")
    assert relu.kernel_choice(one).path == "step loop"


@pytest.mark.parametrize("config", [{}, {"keras2_masks": True}])
def test_time_distributed_states_what_it_was_made_with(config: dict[str, Any]) -> None:
    layer = layers.TimeDistributed(layers.Dense(2), **config)
    stated = layer.get_config()
    assert stated.get("keras2_masks", False) is bool(config)
    again = layers.TimeDistributed.from_config(stated)
    assert again.keras2_masks is bool(config)
