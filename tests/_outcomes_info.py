"""What `kerastorch info` and `summary` say of files of every kind, and what is written of a model read from a file in
which something stood for a layer: a set of outcomes, see `_outcomes.py`."""

from __future__ import annotations

import io
import json
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from _outcomes import plain
from _outcomes_files import COMPILED, compiled, content, saved_as, shared, valued
from _outcomes_layers import told
from _outcomes_models import models
from _outcomes_saved import quietly

import kerastorch as kt
from kerastorch import layers
from kerastorch.cli import main
from kerastorch.errors import KerasTorchError

COMMANDS = (["info"], ["summary"])
NATIVE = {"available": False, "level": None, "shortfall": ""}


class Mine(layers.Dense):
    """A class of one's own, of one of Keras's."""


class Wrapped(layers.Wrapper):
    def call(self, x: Any) -> Any:
        return self.layer(x)


class Model(kt.Model):
    """A model of one's own, whose layers stand in its code."""

    def __init__(self, **base: Any) -> None:
        super().__init__(**base)
        self.first = layers.Dense(3, name="first")
        self.rows = [layers.GRU(3, name="row", return_sequences=True), layers.Dense(3, name="other")]

    def call(self, x: Any) -> Any:
        return self.rows[1](self.rows[0](self.first(x)))


class Graph(kt.Model):
    """A graph that the constructor makes, so that the config says nothing of layers."""

    def __init__(self, units: int, **base: Any) -> None:
        x = kt.Input((5, 3), name="x")
        super().__init__(x, layers.GRU(units, name="g")(layers.Dense(3, name="d")(x)), **base)
        self.units = units

    def get_config(self) -> dict[str, Any]:
        return {"units": self.units, "name": self.name}


def made() -> dict[str, Callable[[], Any]]:
    def chain(*inner: Any, name: str = "model") -> Any:
        return valued(kt.Sequential([kt.Input((5, 3), name="x"), *inner], name=name))

    def masked() -> Any:
        x = kt.Input((5,), name="words")
        y = layers.Embedding(9, 3, mask_zero=True, name="embed")(x)
        y = layers.Bidirectional(layers.LSTM(2, return_sequences=True, name="i"), name="both")(y)
        y = layers.LSTM(2, recurrent_dropout=0.5, return_sequences=True, name="drops")(y)
        return valued(kt.Model(x, layers.Dense(2, name="out")(layers.Flatten(name="flat")(y)), name="masked"))

    def nested() -> Any:
        inner = chain(layers.Dense(3, name="deep"), Mine(3, name="mine"), name="inner")
        return chain(inner, Wrapped(layers.GRU(2, name="g"), name="around"), layers.Dense(1, name="last"), name="outer")

    def graph() -> Any:
        return valued(Graph(3, name="graph of mine"))

    def own() -> Any:
        model = Model(name="own")
        model(torch.zeros(1, 5, 3))
        return valued(model)

    found: dict[str, Callable[[], Any]] = {
        "masked": masked,
        "nested": nested,
        "mine": lambda: chain(Mine(3, name="mine"), layers.Dense(3, name="plain"), Mine(2, name="again")),
        "own": own,
        "a graph of mine": graph,
        "shared": shared,
        "compiled": lambda: compiled(COMPILED["adam"], 3),
    }
    for name in ("chain", "wrapped", "graph", "gru", "cudnn", "frozen", "twice around", "images"):
        found[name] = lambda name=name: models()[name]
    return found


def cells(text: str, folder: str) -> list[list[str]]:
    """The cells of each row; limits of sizes stand in `size_rules.py`."""
    lines = re.sub(r"\d{5,}", "N", text.replace(folder, "")).splitlines()
    return [[cell.strip(" ─━┏┓┗┛└┘┡┩├┤┳┴╇┼") for cell in re.split("[│┃]", line)] for line in lines]


def printed(make: Callable[[], Any], ending: str, command: list[str], damage: str = "") -> Any:
    with tempfile.TemporaryDirectory() as folder, mock.patch.multiple("kerastorch.native", **NATIVE):
        path = Path(folder) / f"m{ending}"
        model = make()
        kt.save_model(model, path) if ending in (".keras", ".h5") else kt.save_weights(model, path)
        if damage:
            change(path, damage)
        with redirect_stdout(io.StringIO()) as text, redirect_stderr(io.StringIO()) as errors:
            status = main([*command, str(path)])
        return [status, cells(text.getvalue(), folder), cells(errors.getvalue(), folder)]


def change(path: Path, what: str) -> None:
    """Another version or class in the config of a .keras file, or a part of the file less."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    if what.startswith("version "):
        metadata = {**json.loads(parts["metadata.json"]), "keras_version": what.split()[1]}
        parts["metadata.json"] = json.dumps(metadata).encode()
    elif what.startswith("class "):
        parts["config.json"] = parts["config.json"].replace(b'"Dense"', b'"Lost"')
    else:
        parts["assets/words.txt"] = b"a"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def infos() -> Iterator[tuple[str, Callable[[], Any]]]:
    endings = (".keras", ".h5", ".weights.h5", ".w.h5")
    for (name, make), ending, command in product(made().items(), endings, COMMANDS):
        if command[0] == "info" or ending == ".keras":
            yield (
                f"{' '.join(command)} of {name}{ending}",
                lambda make=make, ending=ending, command=command: printed(make, ending, command),
            )
    for name, what in product(
        ("chain", "graph", "wrapped", "masked", "nested"), ("version 3.99.0", "class", "class of Dense", "an asset")
    ):
        yield f"info of {name}, {what}", lambda n=name, w=what: printed(made()[n], ".keras", ["info"], w)


# ---------------------------------------------------------------- what stood for a layer, written again


def of_mine() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Models with classes of one's own: what is written, and what is read again."""
    known = {"Mine": Mine, "Wrapped": Wrapped, "Model": Model, "Graph": Graph}
    endings, dialects = (".keras", ".h5", ".weights.h5"), ("keras3", "keras2")
    for name, ending, dialect in product(("nested", "mine", "own", "a graph of mine"), endings, dialects):
        given = (made()[name], ending, dialect, known)
        yield f"{name} as {ending} for {dialect}", lambda given=given: [saved_as(*given), config_of(given[0]())]


def config_of(model: Any) -> Any:
    return json.loads(kt.to_json(model))


GIVEN: dict[str, dict[str, Any]] = {
    "Dense of mine": {"custom_objects": {"Dense": Mine}},
    "by name": {"replace": {"d": Mine}},
    "two": {"replace": {"c": Mine, "d": Mine}},
    "an activation": {"replace": {"d": lambda: layers.Activation("relu", name="d")}},
}


def again() -> Iterator[tuple[str, Callable[[], Any]]]:
    endings, dialects = (".keras", ".h5", ".weights.h5", ".w.h5"), ("keras3", "keras2")
    for (name, given), source, ending, dialect in product(GIVEN.items(), ("chain", "exchanged"), endings, dialects):

        def written(given: Any = given, source: str = source, ending: str = ending, dialect: Any = dialect) -> Any:
            with tempfile.TemporaryDirectory() as folder:
                first, path = Path(folder) / "a.keras", Path(folder) / f"b{ending}"
                kt.save_model(models()[source], first)
                try:
                    model = kt.load_model(first, **given)
                except KerasTorchError as error:
                    return str(error).replace(folder, "")
                save = kt.save_model if ending in (".keras", ".h5") else kt.save_weights
                return [str(save(model, path, dialect=dialect)).replace(folder, ""), content(path)]

        yield f"{name} in {source}, again as {ending} for {dialect}", written


@cache
def said_of_files() -> dict[str, Callable[[], Any]]:
    cases: dict[str, Callable[[], Any]] = {}
    for some in (infos, of_mine, again):
        cases.update(some())
    return {key: told(lambda case=case: plain(quietly(case))) for key, case in cases.items()}
