"""What explains gradients that differ where all outputs agree: one change of ours makes them the reference's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

import numpy as np

from ..errors import counted, plural
from .alterations import GATES, swapped
from .gradients import GradientCase
from .piece import beyond, first_piece, piece_of
from .report import LIMIT, Piece

Change = Callable[[GradientCase], "np.ndarray | None"]  # None where a gradient cannot be changed so


def explain_gradients(cases: Sequence[GradientCase]) -> str | None:
    """The one change with which all gradients of the first layer that differs are the reference's; None if none is.

    Args:
        cases: Gradients that differ.
    """
    held = first_of(cases)
    if not held:
        return None
    where = held[0].row.layer or "the model"
    if all(not case.ours.any() and case.reference.any() for case in held):
        names = ", ".join(dict.fromkeys(case.row.array for case in held))
        states = all(case.row.array.startswith("input ") and case.row.array != "input 0" for case in held)
        what = f"{names} (the initial states are detached)" if states and _is_recurrent(held[0]) else names
        return f"{where}: no gradient flows to {what}"
    before = max(case.row.measured.difference for case in held)
    for text, change in _changes(held):
        after = [_after(case, change) for case in held]
        pairs = zip(after, held, strict=True)
        if all(gap is not None and gap <= LIMIT * case.row.measured.rounding for gap, case in pairs):
            most = max(gap for gap in after if gap is not None)
            names = ", ".join(dict.fromkeys(case.row.array for case in held))
            return f"{where}: {text}, of {names} (the difference falls from {before:.2g} to {most:.2g})"
    return None


def first_of(cases: Sequence[GradientCase]) -> list[GradientCase]:
    """Those of the first layer that differs: alone, else as the chain runs."""
    for where in ("gradient alone", "gradient"):
        held = [case for case in cases if case.row.where == where]
        if held:
            return [case for case in held if case.row.layer == held[0].row.layer]
    return []


def smallest_gradient(cases: Sequence[GradientCase]) -> Piece | None:
    """The smallest piece that differs: the gradient of the fewest numbers, and the first of them that does."""
    held = first_of(cases)
    if not held:
        return None
    case = min(held, key=lambda case: case.ours.size)
    row = case.row
    far = beyond(case.ours, case.reference, row.measured.rounding)
    if not far.any():
        return piece_of(row)
    differ = f"{counted(far.size, 'number')} {plural(int(far.sum()), 'differs', 'differ')}"
    text = f"{row.name}: {int(far.sum())} of {differ}"
    gates = GATES.get(case.layer._class_name) if case.layer is not None else None
    of_input = row.array.startswith("input ")
    if gates and not of_input:
        width = far.shape[-1] // len(gates)
        wrong = [gate for place, gate in enumerate(gates) if far[..., place * width : (place + 1) * width].any()]
        text += f"; in the gates {', '.join(wrong)}"
    whose = row.layer, row.probe, row.place
    return first_piece(text, whose, case.ours, case.reference, row.measured.rounding, batched=of_input)


def _is_recurrent(case: GradientCase) -> bool:
    return getattr(case.layer, "_state_count", 0) > 0


def _after(case: GradientCase, change: Change) -> float | None:
    made = change(case)
    return None if made is None else float(np.abs(made.astype("float64") - case.reference).max())


def _changes(held: Sequence[GradientCase]) -> Iterator[tuple[str, Change]]:
    layer = held[0].layer
    gates = GATES.get(layer._class_name, "") if layer is not None else ""
    for one, other in combinations(gates, 2):
        yield f"gates {one} and {other} exchanged in the gradients", _on_weights(_exchange(gates, one, other))
    yield "a square kernel transposed in the gradients", _transpose
    factor = _factor(held)
    if factor is not None:
        shown = "the sign of the gradients turned" if abs(factor + 1) < 1e-4 else f"the gradients times {factor:.5g}"
        yield shown, lambda case: case.ours * np.asarray(factor, case.ours.dtype)
    yield "the gradients clipped here, and not in the reference", _clipped


def _on_weights(change: Change) -> Change:
    """Inputs have no gates: they must agree as they are."""
    return lambda case: case.ours if case.row.array.startswith("input ") else change(case)


def _exchange(gates: str, one: str, other: str) -> Change:
    def change(case: GradientCase) -> np.ndarray | None:
        if case.ours.shape[-1] % len(gates):
            return None
        return swapped(case.ours, len(gates), gates.index(one), gates.index(other))

    return change


def _transpose(case: GradientCase) -> np.ndarray | None:
    square = case.ours.ndim == 2 and case.ours.shape[0] == case.ours.shape[1] > 1
    return case.ours.T if square else case.ours


def _factor(held: Sequence[GradientCase]) -> float | None:
    """By how much the reference's gradients are larger, if that is one number: of the largest array."""
    case = max(held, key=lambda case: case.row.measured.largest)
    ours, theirs = case.ours.astype("float64").ravel(), case.reference.astype("float64").ravel()
    square = float(ours @ ours)
    return float(ours @ theirs) / square if square and np.isfinite(square) else None


def _clipped(case: GradientCase) -> np.ndarray | None:
    """Ours, where it is below its own largest size; the reference's beyond it, if that has grown there alone."""
    bound = np.abs(case.ours).max()
    beyond = np.abs(case.reference) > bound
    if not beyond.any() or (np.sign(case.ours[beyond]) != np.sign(case.reference[beyond])).any():
        return None
    held = np.abs(np.abs(case.ours[beyond]) - bound) <= 1e-6 * bound
    return np.where(beyond, case.reference, case.ours) if held.all() else None


# ---------------------------------------------------------------------------- would a fault have been noticed?


def plant_gradients(compared: Sequence[GradientCase]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Change our gradients of one layer after the other as a fault would, and see whether the comparison notices.

    Args:
        compared: All gradients that are judged.

    Returns:
        The faults that were noticed and those that were not, by the path of the layer.
    """
    noticed: dict[str, list[str]] = {}
    missed: dict[str, list[str]] = {}
    layers: dict[str, list[GradientCase]] = {}
    for case in compared:
        if case.row.layer:
            layers.setdefault(case.row.layer, []).append(case)
    for path, held in layers.items():
        for text, change in _faults(held):
            caught = any(
                (after := _after(case, change)) is not None and after > LIMIT * case.row.measured.rounding
                for case in held
            )
            (noticed if caught else missed).setdefault(path, []).append(text)
    return noticed, missed


def _faults(held: Sequence[GradientCase]) -> Iterator[tuple[str, Change]]:
    layer = next((case.layer for case in held if case.layer is not None), None)
    gates = GATES.get(layer._class_name, "") if layer is not None else ""
    for one, other in {"ifco": ("if", "co"), "zrh": ("zr", "zh")}.get(gates, ()):
        yield f"gates {one} and {other} exchanged in the gradients", _on_weights(_exchange(gates, one, other))
    if any(case.ours.ndim == 2 and case.ours.shape[0] == case.ours.shape[1] > 1 for case in held):
        yield "a square kernel transposed in the gradients", _transpose
    weights = [case for case in held if not case.row.array.startswith("input ")]
    if weights:
        yield (
            "half the gradients of the weights",
            _on_weights(lambda case: case.ours * np.asarray(0.5, case.ours.dtype)),
        )
        yield "no gradients of the weights", _on_weights(lambda case: np.zeros_like(case.ours))
    if any(_of_states(case) for case in held):
        yield (
            "the initial states detached",
            lambda case: np.zeros_like(case.ours) if _of_states(case) else case.ours,
        )


def _of_states(case: GradientCase) -> bool:
    """Whether it is of the initial states of a recurrent layer."""
    return _is_recurrent(case) and case.row.array.startswith("input ") and case.row.array != "input 0"
