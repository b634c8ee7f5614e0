"""Layers that merge their inputs, in every rank and with masks."""

from __future__ import annotations

from ._cases import KERAS3, X2, X3
from ._compare import BATCH, FEATURES, TIME, Case, variants


def _merging() -> list[Case]:
    cases = []
    for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"):
        two = Case(name, name, shapes=(X3, X3), several=True)
        cases += [
            two,
            # A step that any input has (Keras 3), or that all have (Keras 2): the models test Keras 2's rule, a lone
            # layer cannot say which Keras it comes from.
            variants(two, "masks", mask="right", pass_mask=False, frameworks=KERAS3),
            variants(two, "masks with an empty row", mask="empty row", pass_mask=False, frameworks=KERAS3),
            variants(two, "2-D", shapes=(X2, X2)),
            variants(two, "float64", dtype="float64"),
        ]
        if name != "Subtract":
            cases.append(variants(two, "three", shapes=(X3, X3, X3)))
        if name != "Concatenate":
            cases += [
                variants(two, "broadcast over time", shapes=(X3, (BATCH, 1, FEATURES))),
                variants(two, "broadcast over features", shapes=((BATCH, TIME, 1), X3)),
                variants(two, "ranks 2 and 3", shapes=(X2, X3)),
            ]
    join = Case("Concatenate", "Concatenate", several=True)
    return [
        *cases,
        variants(join, "axis 1", {"axis": 1}, shapes=(X3, (BATCH, 2, FEATURES))),
        variants(join, "axis 1 masks", {"axis": 1}, shapes=(X3, X3), mask="holes", pass_mask=False),
        variants(join, "axis 2", {"axis": 2}, shapes=(X3, (BATCH, TIME, 2))),
        variants(join, "axis -2", {"axis": -2}, shapes=(X3, (BATCH, 2, FEATURES))),
        variants(join, "one feature each", shapes=((BATCH, 1), (BATCH, 2), (BATCH, 3))),
    ]


MERGING_CASES = _merging()


def _dot() -> list[Case]:
    cases = []
    for normalize in (False, True):
        for axes, first, second in (
            (1, X2, X2),
            (-1, X2, X2),
            (1, X3, X3),
            (2, X3, (BATCH, 2, FEATURES)),
            (-1, X3, (BATCH, 2, FEATURES)),
            ((1, 2), X3, (BATCH, 2, TIME)),
            ((2, 1), X3, (BATCH, FEATURES, 2)),
            ((2, 2), X3, X3),
            ((2, 1), X3, X2),
            ((1, 2), X2, X3),
            ((1, 1), X3, (BATCH, TIME)),
        ):
            ranks = f"{len(first)}x{len(second)}"
            config = {"axes": axes, "normalize": normalize}
            name = f"Dot {axes} {ranks}{' normalize' if normalize else ''}"
            cases.append(Case(name, "Dot", config, shapes=(first, second), several=True))
    return cases


DOT_CASES = _dot()
