"""What reading the values of a file does: each dtype into each other, in pieces, into models with values and without.

Values that are not exact in the model's dtype, that are not finite, that a layer of one's own reads itself; and what a
load that fails leaves. A set of outcomes, see `_outcomes.py`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any
from unittest import mock
from zlib import crc32

import numpy as np
import torch
from _outcomes import plain
from _outcomes_files import Kept as OwnPart
from _outcomes_files import short
from _outcomes_layers import told
from _outcomes_models import models
from _outcomes_saved import quietly

import kerastorch as kt
from kerastorch import layers
from kerastorch.errors import KerasTorchError
from kerastorch.load import load_model_reported

NAMES = ("chain", "gru", "cudnn", "wrapped", "frozen", "graph", "own", "images")
DTYPES: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "float64": torch.float64,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
# What the values are: all are exact in two bytes; some are in eight alone; one is no number.
VALUES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "exact": lambda x: x % 128,
    "not exact": lambda x: x % 128 + 2.0**-30,
    "one not exact at the end": lambda x: np.where(x == x.max(), 1 + 2.0**-30, x % 128),
    "not a number": lambda x: np.where(x == x.max(), np.nan, x % 128),
    "infinite": lambda x: np.where(x == x.min(), np.inf, x % 128),
}


def filled(model: Any, values: str) -> Any:
    for at, variable in enumerate(model.variables):
        size = int(np.prod(variable.shape))
        made = VALUES[values](np.arange(size, dtype="float64") + 11 * at).reshape(variable.shape)
        variable.write(torch.from_numpy(made).to(variable.value.dtype))
    return model


def other(name: str) -> Any:
    """The same model once more, with values of its own."""
    if name == "own":
        made = type(models()[name])()
        made(torch.zeros(1, 5, 3))
        return made
    return kt.model_from_json(kt.to_json(models()[name]))


def values_of(model: Any) -> Any:
    return [[each.path, short(each.value.detach().double().numpy())] for each in model.variables]


def loaded(
    name: str, ending: str, of_file: str, of_model: str, values: str, pieces: bool, options: dict[str, Any]
) -> Any:
    """What is said of a load, and the values behind it."""
    source = filled(other(name).to(DTYPES[of_file]), values)
    with tempfile.TemporaryDirectory() as folder, small_pieces(pieces):
        path = Path(folder) / f"m{ending}"
        if ending == ".keras":
            kt.save_model(source, path)
            model, report = load_model_reported(path)
            return [str(report).replace(folder, ""), values_of(model), str(model.variables[0].value.dtype)]
        kt.save_weights(source, path)
        model = filled(other(name).to(DTYPES[of_model]), "exact")
        before = values_of(model)
        try:
            said = str(kt.load_weights(model, path, **options))
        except KerasTorchError as error:
            said = f"{type(error).__name__}: {error}"
        after = values_of(model)
        return [said.replace(folder, ""), "unchanged" if after == before else after]


def small_pieces(small: bool) -> Any:
    """Matrices of a few values are read and copied in parts, as large ones are."""
    return mock.patch.multiple(
        "kerastorch.matching.assign", **({"_PIECE": 4, "_BLOCK": 16} if small else {"_PIECE": 99})
    )


def all_loaded() -> Iterator[tuple[str, Callable[[], Any]]]:
    for name, ending, of_file, of_model, values, pieces in product(
        NAMES, (".weights.h5", ".h5", ".keras"), DTYPES, DTYPES, VALUES, (False, True)
    ):
        for options in ({}, {"skip_mismatch": True}, {"by_name": True}, {"by_name": True, "strict": False}):
            key = f"{name} from {ending} of {of_file} into {of_model}, {values}, pieces {pieces}, {options}"
            if (ending == ".keras" and (of_model != of_file or options or name == "own")) or crc32(key.encode()) % 41:
                continue
            yield key, lambda a=(name, ending, of_file, of_model, values, pieces, options): loaded(*a)


# ---------------------------------------------------------------- layers that read what is theirs


class Reading(OwnPart):
    """A layer that fails in one of the ways in which code fails, or takes what it is given."""

    fails: Any = None

    def load_own_variables(self, store: Any) -> None:
        if self.fails is not None:
            self.w.assign(self.w * 0)
            raise self.fails
        super().load_own_variables(store)


ERRORS: tuple[Any, ...] = (
    *(None, KeyError("x"), ValueError("x"), TypeError("x"), RuntimeError("x"), IndexError("x"), AttributeError("x")),
    *(OSError("x"), ZeroDivisionError("x")),
)


def own_parts() -> Iterator[tuple[str, Callable[[], Any]]]:
    def model(kept: type[OwnPart]) -> Any:
        parts = [kt.Input((3,), name="x"), layers.Dense(3, name="d"), kept("", name="kept"), layers.Dense(3, name="e")]
        return kt.Sequential(parts, name="model")

    for error, ending, values in product(ERRORS, (".weights.h5", ".h5"), ("exact", "not a number")):

        def read(error: Any = error, ending: str = ending, values: str = values) -> Any:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"m{ending}"
                kt.save_weights(filled(model(OwnPart), values), path)
                target = filled(model(Reading), "exact")
                for each in target.variables:
                    each.assign(each.value.detach() + 1)
                target.layers[1].fails = error
                before = values_of(target)
                try:
                    said = str(kt.load_weights(target, path))
                except (KerasTorchError, OSError, ZeroDivisionError) as found:
                    said = f"{type(found).__name__}: {found}"
                after = values_of(target)
                return [said.replace(folder, ""), "unchanged" if after == before else after]

        yield f"own part {error!r} from {ending}, {values}", read


@cache
def assigned() -> dict[str, Callable[[], Any]]:
    cases: dict[str, Callable[[], Any]] = {}
    for some in (all_loaded, own_parts):
        cases.update(some())
    return {key: told(lambda case=case: plain(quietly(case))) for key, case in cases.items()}
