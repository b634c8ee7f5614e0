"""Which array of a file each variable of a model takes, for files of many kinds: a set of outcomes, see `_outcomes.py`.

Each model meets the weights of each other model, and its own in every disorder: layers and arrays that lack, stand in
another order, under another name, in another shape. Several layers have the same shapes, so that only order and names
say which is which.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from _outcomes import plain
from _outcomes_models import models

import kerastorch as kt
from kerastorch.errors import KerasTorchError
from kerastorch.files import Array, LegacyLayer, LegacyWeights, TreeObject, TreeWeights, open_archive
from kerastorch.matching import Match, Options, legacy_pairs, settle, tree_pairs
from kerastorch.matching.convert import named_by_theano

KEPT = 3  # of so many cases about one is kept


@cache
def stored(name: str, ending: str) -> LegacyWeights | TreeWeights:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"m{ending}"
        kt.save_weights(models()[name], path, dialect="keras2" if ending == ".h5" else "keras3")
        with open_archive(path) as archive:

            def held(array: Array) -> Array:
                values = np.array(array.read())
                return replace(array, _read=lambda: values)

            weights = archive.weights
            if isinstance(weights, LegacyWeights):
                return LegacyWeights(
                    tuple(_layer(each, held) for each in weights.layers), _all(weights.top_level, held)
                )
            assert isinstance(weights, TreeWeights)
            return TreeWeights(
                {path: TreeObject(tuple(map(held, each.arrays)), each.name) for path, each in weights.objects.items()}
            )


Named = tuple[str, Array]
Change = Callable[[Array], Array]


def _all(named: tuple[Named, ...], change: Change) -> tuple[Named, ...]:
    return tuple((name, change(array)) for name, array in named)


def _layer(layer: LegacyLayer, change: Change) -> LegacyLayer:
    return LegacyLayer(layer.name, _all(layer.weights, change))


def _turned(array: Array) -> Array:
    return replace(array, shape=array.shape[::-1], _read=lambda: array.read().T)


def _swapped(items: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*items[1::-1], *items[2:]) if len(items) > 1 else items


# ---------------------------------------------------------------- disorder in files of layers

Weights = tuple[Named, ...]


def _names(change: Callable[[str], str]) -> Callable[[Weights], Weights]:
    return lambda weights: tuple((change(name), array) for name, array in weights)


OF_ARRAYS: dict[str, Callable[[Weights], Weights]] = {
    "the first two exchanged": _swapped,
    "names of the first two exchanged": lambda named: tuple(
        (name, array) for name, (_, array) in zip(_swapped(tuple(name for name, _ in named)), named, strict=True)
    ),
    "backwards": lambda named: named[::-1],
    "without the last": lambda named: named[:-1],
    "without the first": lambda named: named[1:],
    "one more": lambda named: (*named, *named[:1]),
    "turned": lambda named: _all(named, _turned),
    "integers": lambda named: _all(named, lambda array: replace(array, dtype="int64")),
    "small integers": lambda named: _all(named[:1], lambda array: replace(array, dtype="int8")) + named[1:],
    "doubles": lambda named: _all(named, lambda array: replace(array, dtype="float64")),
    "two bytes": lambda named: _all(named, lambda array: replace(array, dtype="opaque2")),
    "last names alone": _names(lambda name: name.rpartition("/")[2]),
    "numbered names": _names(lambda name: re.sub(r"(:\d+)$", r"_7\1", name)),
    "numbered paths": _names(lambda name: re.sub(r"/", "_4/", name)),
    "names without :0": _names(lambda name: name.partition(":")[0]),
    "names of nothing": _names(lambda name: "param"),
}
OF_LAYERS: dict[str, Callable[[tuple[LegacyLayer, ...]], tuple[LegacyLayer, ...]]] = {
    "as it is": lambda found: found,
    "the first two exchanged": _swapped,
    "backwards": lambda found: found[::-1],
    "without the last": lambda found: found[:-1],
    "without the first": lambda found: found[1:],
    "one more": lambda found: (*found, replace(found[0], name="more")),
    "other names": lambda found: tuple(replace(each, name=f"{each.name}_9") for each in found),
    "names of the first two exchanged": lambda found: tuple(
        replace(each, name=name) for each, name in zip(found, _swapped(tuple(e.name for e in found)), strict=True)
    ),
    "one name twice": lambda found: tuple(replace(each, name=found[0].name) for each in found),
    "in one group": lambda found: (LegacyLayer("whole", tuple(item for each in found for item in each.weights)),),
    "in one group, backwards": lambda found: (
        LegacyLayer("whole", tuple(item for each in found[::-1] for item in each.weights)),
    ),
    "an empty one": lambda found: (LegacyLayer("empty", ()), *found),
}


def disordered(weights: LegacyWeights) -> Iterator[tuple[str, LegacyWeights]]:
    for name, change in OF_LAYERS.items():
        yield f"layers: {name}", replace(weights, layers=change(weights.layers))
    for name, change in OF_ARRAYS.items():
        layers_of_it = tuple(replace(each, weights=change(each.weights)) for each in weights.layers)
        yield f"arrays: {name}", replace(weights, layers=layers_of_it)
        last = tuple(
            replace(each, weights=change(each.weights)) if each is weights.layers[-1] else each
            for each in weights.layers
        )
        yield f"last arrays: {name}", replace(weights, layers=last)
    yield "something at the top", replace(weights, top_level=weights.layers[0].weights[:1])


def of_keras1(weights: LegacyWeights) -> LegacyWeights:
    """As Keras 1 wrote an LSTM or a GRU: three arrays for each gate, in its own order of gates."""

    def part(array: Array, at: int, count: int) -> Array:
        width = array.shape[-1] // count
        values = array.read()[..., at * width : (at + 1) * width]
        return Array(f"{array.where}[{at}]", values.shape, array.dtype, lambda: values)

    def layer(each: LegacyLayer) -> LegacyLayer:
        arrays = [array for _, array in each.weights]
        gates = {12: ("icfo", "ifco"), 9: ("zrh", "zrh")}.get(arrays[0].shape[-1]) if len(arrays) == 3 else None
        if gates is None:
            return each
        old, now = gates
        return LegacyLayer(
            each.name,
            tuple(
                (f"{each.name}_{kind}_{gate}:0", part(array, now.index(gate), len(now)))
                for gate in old
                for kind, array in zip("WUb", arrays, strict=True)
            ),
        )

    return replace(weights, layers=tuple(map(layer, weights.layers)))


# ---------------------------------------------------------------- disorder in trees


def _paths(change: Callable[[str], str]) -> Callable[[dict[str, TreeObject]], dict[str, TreeObject]]:
    return lambda found: {change(path): each for path, each in found.items()}


def _twice(path: str) -> str:
    """As TensorFlow 2.12 numbered layers: each counts double, for layers of one class with weights."""
    parts = []
    for before, part in zip(["", *path.split("/")], path.split("/"), strict=False):
        if part == "layers":
            parts.append("_layer_checkpoint_dependencies")
        elif before == "layers" and (match := re.fullmatch(r"(.*?)_(\d+)", part)):
            parts.append(f"{match[1]}_{2 * int(match[2])}")
        else:
            parts.append(part)
    return "/".join(parts)


def _exchanged_keys(found: dict[str, TreeObject]) -> dict[str, TreeObject]:
    def other(path: str) -> str:
        return re.sub(r"^layers/(dense|lstm)(_1)?(?=/|$)", lambda m: f"layers/{m[1]}{'' if m[2] else '_1'}", path)

    return {other(path): each for path, each in found.items()}


def _named(change: Callable[[str | None], str | None]) -> Callable[[dict[str, TreeObject]], dict[str, TreeObject]]:
    return lambda found: {path: replace(each, name=change(each.name)) for path, each in found.items()}


def _with_arrays(
    change: Callable[[tuple[Array, ...]], tuple[Array, ...]],
) -> Callable[[dict[str, TreeObject]], dict[str, TreeObject]]:
    return lambda found: {path: replace(each, arrays=change(each.arrays)) for path, each in found.items()}


OF_TREES: dict[str, Callable[[dict[str, TreeObject]], dict[str, TreeObject]]] = {
    "as it is": lambda found: found,
    "backwards": lambda found: dict(reversed(found.items())),
    "without the last": lambda found: dict(list(found.items())[:-1]),
    "without the first": lambda found: dict(list(found.items())[1:]),
    "keys exchanged": _exchanged_keys,
    "without names": _named(lambda name: None),
    "other names": _named(lambda name: None if name is None else f"{name}_9"),
    "one name": _named(lambda name: None if name is None else "c"),
    "names a and b exchanged": _named(lambda name: {"a": "b", "b": "a", "c": "d", "d": "c"}.get(str(name), name)),
    "deeper": _paths(lambda path: f"layers/functional/{path}".rstrip("/")),
    "much deeper": _paths(lambda path: f"layers/sequential/layers/functional/{path}".rstrip("/")),
    "as TensorFlow 2.12": lambda found: _named(lambda name: None)(_paths(_twice)(found)),
    "private attributes": _paths(lambda path: re.sub(r"/(cell|forward_layer|layer)(?=/|$)", r"/_\1", path)),
    "arrays exchanged": _with_arrays(_swapped),
    "an array less": _with_arrays(lambda arrays: arrays[:-1]),
    "an array more": _with_arrays(lambda arrays: (*arrays, *arrays[:1])),
    "arrays turned": _with_arrays(lambda arrays: tuple(map(_turned, arrays))),
    "integers": _with_arrays(lambda arrays: tuple(replace(array, dtype="int32") for array in arrays)),
    "an object more": lambda found: {**found, "layers/more": TreeObject(next(iter(found.values())).arrays, "more")},
}


# ---------------------------------------------------------------- the cases


@cache
def matched() -> dict[str, Callable[[], Any]]:
    cases: dict[str, Callable[[], Any]] = {}
    for name, model in models().items():
        for file in models():
            legacy, tree = stored(file, ".h5"), stored(file, ".weights.h5")
            assert isinstance(legacy, LegacyWeights)
            assert isinstance(tree, TreeWeights)
            own = name == file
            for label, weights in disordered(legacy) if own else [("", legacy)]:
                for options in (
                    Options(),
                    Options(by_name=True),
                    Options(full_model=True),
                    *([Options(in_place=True, sum_biases=True, keras1=True)] if label[:6] != "arrays" else []),
                ):
                    key = f"{name} from {file}, {label}, {_said(options)}"
                    cases[key] = lambda model=model, weights=weights, options=options: shown(
                        legacy_pairs(model, weights, options), legacy=weights
                    )
            for label, change in OF_TREES.items() if own else [("", OF_TREES["as it is"])]:
                weights = TreeWeights(change(dict(tree.objects)))
                for by_name, full in ((False, False), (True, False), (False, True)):
                    names = {"layers/lstm": "b", "layers/lstm_1": "a"} if label == "without names" else None
                    key = f"{name} from the tree of {file}, {label}, {by_name} {full}"
                    cases[key] = lambda model=model, weights=weights, by_name=by_name, full=full, names=names: shown(
                        tree_pairs(model, weights, full_model=full, by_name=by_name, names=names)
                    )
    kept = {key: case for key, case in cases.items() if crc32(key.encode()) % KEPT == 0}
    for name in ("chain", "gru", "plain of cudnn", "around", "wrapped"):
        legacy = stored(name, ".h5")
        assert isinstance(legacy, LegacyWeights)
        for label, weights in disordered(of_keras1(legacy)):
            for keras1 in (True, False):
                kept[f"{name} of Keras 1, {label}, {keras1}"] = lambda name=name, weights=weights, keras1=keras1: shown(
                    legacy_pairs(models()[name], weights, Options(keras1=keras1)), legacy=weights
                )
    return kept


def _said(options: Options) -> str:
    return " ".join(name for name, value in vars(options).items() if value)


def shown(match: Match, legacy: LegacyWeights | None = None) -> Any:
    """Everything that a match says, and what becomes of it."""

    def slots(found: Any) -> list[str]:
        return [f"{slot.unit}: {slot.label}" for slot in found]

    def wheres(found: Any) -> list[str]:
        return [f"{array.where} {array.shape} {array.dtype}" for array in found]

    settled: dict[str, Any] = {}
    for strict, skip in ((True, False), (False, True), (True, True)):
        try:
            found = settle(match, "file", strict=strict, skip_mismatch=skip)
            settled[f"{strict} {skip}"] = [len(found.pairs), plain([found.unset, found.unused])]
        except KerasTorchError as error:
            settled[f"{strict} {skip}"] = f"{type(error).__name__}: {error}"
    # Where nothing is set, what the rest says is in the messages already.
    refused = isinstance(settled["False True"], str)
    return {
        "pairs": []
        if refused
        else [
            f"{text}; {array.where}"
            for text, (_, array) in zip(slots(slot for slot, _ in match.pairs), match.pairs, strict=True)
        ],
        "values": [] if refused else [_summed(array) for _, array in match.pairs],
        "misfits": [[each.unit, each.text, slots(each.slots), wheres(each.arrays)] for each in match.misfits],
        "missing": slots(match.missing),
        "extra": wheres(match.extra),
        "rules": plain(match.rules),
        "hint": match.hint,
        "settled": settled,
        "theano": None if legacy is None else named_by_theano(legacy),
    }


def _summed(array: Array) -> float:
    """A number that changes with every value's place."""
    values = array.read().astype("float64").reshape(-1)
    return float((values * (1 + np.arange(values.size) % 97)).sum())
