"""The smallest piece that differs: of what nothing explains, where to look first."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .measuring import first
from .report import LIMIT, Piece, Row

_BY_ROWS = ("output", "predict", "layer", "alone", "state")  # whose first axis is that of the batch


def piece_of(row: Row) -> Piece:
    """The number of an array that differs most."""
    found = row.measured
    by_rows = row.where in _BY_ROWS and not row.array
    return Piece(
        text=f"{row.name}: {found.wrong}" if found.wrong else f"{row.name}: most",
        layer=row.layer,
        probe=row.probe if not row.step else "",
        place=row.place,
        row=found.at[0] if by_rows and found.at else None,
        step=row.step or (found.at[1] if by_rows and len(found.at) > 2 else None),
        at=found.at,
        ours=found.ours,
        reference=found.reference,
        multiple=found.multiple,
    )


def piece_of_rows(rows: Sequence[Row]) -> Piece | None:
    """The same of the array with the fewest numbers among those that differ; None if none does."""
    wrong = [row for row in rows if row.differs]
    return piece_of(min(wrong, key=lambda row: int(np.prod(row.measured.shape)))) if wrong else None


def beyond(ours: np.ndarray, reference: np.ndarray, rounding: float) -> np.ndarray:
    """Which numbers lie further apart than rounding explains; what is not finite on one side is among them."""
    with np.errstate(invalid="ignore"):
        near = np.abs(ours.astype("float64") - reference) <= LIMIT * rounding
    return ~(near | (ours == reference) | (np.isnan(ours) & np.isnan(reference)))


def first_piece(
    text: str, whose: tuple[str, str, int], ours: np.ndarray, reference: np.ndarray, rounding: float, *, batched: bool
) -> Piece:
    """The first number of an array that differs.

    Args:
        text: What is said before the number.
        whose: The path of the layer, the probe, and which of the arrays.
        ours: Our array.
        reference: The reference's.
        rounding: What rounding moves the array by.
        batched: Whether the first axis is that of the batch, and with three or more the second that of time.
    """
    at = first(beyond(ours, reference, rounding))
    mine, theirs = float(ours[at]), float(reference[at])
    gap = abs(mine - theirs)
    layer, probe, place = whose
    return Piece(
        text=f"{text}; first",
        layer=layer,
        probe=probe,
        place=place,
        row=at[0] if batched else None,
        step=at[1] if batched and len(at) > 2 else None,
        at=at,
        ours=mine,
        reference=theirs,
        multiple=gap / rounding if rounding and math.isfinite(gap) else math.inf,
    )
