"""Classes of one's own: which layers are found in their attributes, under which names, in which order; and sketches of
models of which layers are missing. A part of the outcomes, see `_outcomes.py`."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Iterator
from functools import cache
from operator import add
from typing import Any

import numpy as np
import torch
from _outcomes import configs, places, plain
from _outcomes_graphs import bases
from _outcomes_layers import told
from torch import Tensor, nn

import kerastorch as kt
from kerastorch import layers
from kerastorch.base.tracking import Container, opened
from kerastorch.compat import read_config
from kerastorch.matching.attributes import WRITERS, attribute_children, is_own
from kerastorch.models.sketch import sketch

Pair = namedtuple("Pair", "left right")  # where pickle finds it
WIDTH = 2


def dense(name: str) -> layers.Dense:
    return layers.Dense(WIDTH, name=name)


# ---------------------------------------------------------------- what is found in attributes


class Holder(layers.Layer):
    """Layers in every kind of attribute, some before and some behind others."""

    def __init__(self) -> None:
        super().__init__(name="holder")
        self.late: list[Any] = []
        self.first = dense("first")
        self.parts: Any = [dense("a"), dense("b"), [dense("c"), 3], "text"]
        self.table: Any = {"z": dense("d"), "a": [dense("e")], "keys": dense("f"), "x.y": dense("g"), 3: dense("h")}
        self.pair: Any = (dense("i"), (dense("j"), 4))
        self.modules_of_torch = nn.ModuleList([nn.Linear(2, 2), dense("k")])
        self._hidden = {"n": dense("l")}
        self.numbers = [1, 2]
        self.late.append(dense("m"))


CHANGES: dict[str, Callable[[Any], Any]] = {
    "nothing": lambda own: None,
    "append": lambda own: own.parts.append(dense("new")),
    "append to the inner one": lambda own: own.parts[2].append(dense("new")),
    "extend": lambda own: own.parts.extend([dense("new"), [dense("newer")], 5]),
    "extend by itself": lambda own: own.parts.extend(own.parts),
    "insert": lambda own: own.parts.insert(1, dense("new")),
    "pop": lambda own: own.parts.pop(0).name,
    "pop the last": lambda own: own.parts.pop(),
    "remove": lambda own: own.parts.remove("text"),
    "clear": lambda own: own.parts.clear(),
    "reverse": lambda own: own.parts.reverse(),
    "sort": lambda own: own.parts.sort(key=lambda each: str(getattr(each, "name", each))[::-1]),
    "set": lambda own: own.parts.__setitem__(1, dense("new")),
    "set to a list": lambda own: own.parts.__setitem__(1, [dense("new")]),
    "set a slice": lambda own: own.parts.__setitem__(slice(0, 2), [dense("new")]),
    "delete": lambda own: own.parts.__delitem__(0),
    "delete a slice": lambda own: own.parts.__delitem__(slice(1, 3)),
    "+=": lambda own: own.parts.__iadd__([dense("new")]) is own.parts,
    "*=": lambda own: own.parts.__imul__(2) is own.parts,
    "+ of two": lambda own: [type(add(own.parts, [dense("new")])).__name__, len(add(own.parts, [1]))],
    "slices": lambda own: [type(own.parts[1:]).__name__, [each.name for each in own.parts[:2]]],
    "asked": lambda own: [own.first in own.parts, own.parts.index("text"), own.parts.count("text"), len(own.parts)],
    "equal": lambda own: [own.parts == list(own.parts), own.parts == [], own.table == dict(own.table), own.pair == 3],
    "hashed": lambda own: len({own.parts, own.table, own.pair}),
    "dict: set": lambda own: own.table.__setitem__("new", dense("new")),
    "dict: set one that is there": lambda own: own.table.__setitem__("a", dense("new")),
    "dict: delete": lambda own: own.table.__delitem__("z"),
    "dict: pop": lambda own: own.table.pop("a")[0].name,
    "dict: pop with a default": lambda own: own.table.pop("nothing", 5),
    "dict: popitem": lambda own: own.table.popitem()[1].name,
    "dict: clear": lambda own: own.table.clear(),
    "dict: update": lambda own: own.table.update({"n": dense("new")}, z=dense("newer")),
    "dict: setdefault": lambda own: [own.table.setdefault("z", 1).name, own.table.setdefault("n", dense("new")).name],
    "dict: |=": lambda own: own.table.__ior__({"n": dense("new")}) is own.table,
    "dict: asked": lambda own: [list(map(str, own.table)), len(own.table.keys()), "z" in own.table, own.table.get(7)],
    "dict: items": lambda own: [str(key) for key, _ in own.table.items()],
    "dict: values": lambda own: [getattr(each, "name", type(each).__name__) for each in own.table.values()],
    "tuple: asked": lambda own: [
        len(own.pair),
        own.pair[0].name,
        own.pair[1][1],
        [type(each).__name__ for each in own.pair],
    ],
    "tuple: +": lambda own: [
        *(len(add(own.pair, (1,))), len(add((1, 2), own.pair)), add(own.pair, (1,))[-1], add((1, 2), own.pair)[0]),
    ],
    "tuple: equal": lambda own: [own.pair == own.pair, own.pair == (own.pair[0], own.pair[1]), own.pair == ()],
    "tuple: +=": lambda own: setattr(own, "pair", add(own.pair, (dense("new"),))),
    "another list": lambda own: setattr(own, "parts", [dense("new")]),
    "a list without layers": lambda own: setattr(own, "parts", [1, 2]),
    "an empty list": lambda own: setattr(own, "parts", []),
    "an ordered dict": lambda own: setattr(own, "parts", OrderedDict(q=dense("new"), p=dense("newer"))),
    "a number": lambda own: setattr(own, "parts", 3),
    "a layer": lambda own: setattr(own, "parts", dense("new")),
    "a layer for a layer": lambda own: setattr(own, "first", dense("new")),
    "the same layer again": lambda own: setattr(own, "first", own.first),
    "a layer twice": lambda own: setattr(own, "again", own.first),
    "a tensor": lambda own: setattr(own, "first", torch.ones(1)),
    "None for a layer": lambda own: setattr(own, "first", None),
    "a parameter": lambda own: setattr(own, "free", nn.Parameter(torch.ones(2))),
    "a buffer": lambda own: own.register_buffer("free", torch.ones(2)),
    "a set": lambda own: setattr(own, "parts", {dense("new")}),
    "a frozenset": lambda own: setattr(own, "parts", frozenset([dense("new")])),
    "a pair with names": lambda own: setattr(own, "parts", Pair(dense("new"), 1)),
    "a pair of numbers": lambda own: [setattr(own, "parts", Pair(1, 2)), own.parts.right],
    "a set of numbers": lambda own: [setattr(own, "parts", {1}), own.parts == {1}],
    "an empty tuple": lambda own: [setattr(own, "parts", ()), own.parts == ()],
    "nested without layers": lambda own: [setattr(own, "parts", [[1], {"a": 2}]), type(own.parts).__name__],
    "nested empty": lambda own: [
        setattr(own, "parts", [[], {}]),
        type(own.parts).__name__,
        type(own.parts[0]).__name__,
    ],
    "an array": lambda own: [setattr(own, "parts", np.ones(2)), type(own.parts).__name__],
    "deleted": lambda own: delattr(own, "first"),
    "a deleted list": lambda own: delattr(own, "parts"),
    "taken: weights": lambda own: setattr(own, "weights", dense("new")),
    "taken: variables": lambda own: setattr(own, "variables", [dense("new")]),
    "taken: name": lambda own: setattr(own, "name", dense("new")),
    "add_module": lambda own: own.add_module("more", dense("new")),
    "torch's list": lambda own: own.modules_of_torch.append(dense("new")),
}
COPIES: dict[str, Callable[[Any], Any]] = {
    "": lambda own: own,
    "copied": copy.copy,
    "copied deeply": copy.deepcopy,
    "pickled": lambda own: pickle.loads(pickle.dumps(own)),
}


def held(own: Any) -> Any:
    """The layers in a layer, in every order that there is, and what its attributes are."""
    named = {name: getattr(inner, "name", type(inner).__name__) for name, inner in own.named_modules() if name}
    orders = [[getattr(inner, "name", "torch's") for inner in opened(own, in_place=way)] for way in (False, True)]
    kinds = {
        name: [
            type(value).__name__,
            isinstance(value, list),
            isinstance(value, dict),
            len(value) if isinstance(value, Container) else 0,
        ]
        for name in ("late", "parts", "table", "pair", "numbers", "_hidden", "again", "first", "free")
        for value in [getattr(own, name, None)]
    }
    of_torch = [list(own._parameters), list(own._buffers), list(own._modules)]
    return [named, *orders, kinds, of_torch]


def tracked() -> Iterator[tuple[str, Callable[[], Any]]]:
    for change, make in CHANGES.items():
        for way, copied in COPIES.items():
            if way and change not in ("nothing", "append", "dict: set", "tuple: +=", "insert"):
                continue

            def run(make: Any = make, copied: Any = copied) -> Any:
                before = Holder()
                own = copied(before)
                done = make(own)
                return [plain(done), held(own), held(before) if own is not before else None]

            yield f"tracked: {change} {way}", run

    class Early(layers.Layer):
        def __init__(self, value: Any) -> None:
            self.early = value
            super().__init__(name="early")
            self.later = dense("later")

    for label, value in (
        ("list", []),
        ("numbers", [1]),
        ("dict", {}),
        ("text", "x"),
        ("layers", lambda: [dense("a")]),
        ("layer", lambda: dense("a")),
    ):

        def early(value: Any = value) -> Any:
            own = Early(value() if callable(value) else value)
            before = type(own.early).__name__
            own.early.append(dense("new")) if isinstance(own.early, list) else None
            return [before, list(own._modules), [each.name for each in own._sublayers()]]  # type: ignore[union-attr]

        yield f"tracked before super().__init__(): {label}", early


# ---------------------------------------------------------------- where their weights stand


class Net(kt.Model):
    """A model whose attributes are in another order than its layers came in, and which holds some of them twice."""

    def __init__(self) -> None:
        super().__init__(name="net")
        self.zeta = dense("zeta")
        self.alpha: Any = [dense("one"), [dense("two"), dense("three")], dense("four")]
        self._private = dense("private")
        self.middle = {"b": dense("five"), "a": dense("six")}
        self.again = self.zeta
        self.holder = Inner(name="inner")
        self.shared: Any = [self.alpha[0], dense("seven")]
        self.recurrent = layers.LSTM(WIDTH, return_sequences=True, name="recurrent")

    def call(self, x: Tensor) -> Tensor:
        for layer in (*opened(self), self.recurrent):
            x = layer(x)
        return x


class Inner(layers.Layer):
    """A layer with layers of its own."""

    def __init__(self, **base: Any) -> None:
        super().__init__(**base)
        self.second, self.first = dense("second"), dense("first_of_it")
        self._parts = [layers.LayerNormalization(name="norm"), dense("part")]

    def call(self, x: Tensor) -> Tensor:
        for layer in (self.first, self.second, *self._parts):
            x = layer(x)
        return x


def net() -> Net:
    model = Net()
    model(torch.zeros(1, 3, WIDTH))
    for number, variable in enumerate(model.variables):
        size = int(np.prod(variable.shape))
        variable.assign(np.arange(size, dtype="float32").reshape(variable.shape) + 100 * number)
    return model


def stored() -> Iterator[tuple[str, Callable[[], Any]]]:
    for writer in WRITERS:
        for label in ("nothing", "one", "all"):

            def children(writer: Any = writer, label: str = label) -> Any:
                """What each Keras finds where some layers are written already."""
                model, found = net(), {}
                every = [module for module in model.modules() if isinstance(module, kt.layers.Layer)]
                seen = {"nothing": [], "one": [model.alpha[0]], "all": every}[label]
                for module in every:
                    if is_own(module):
                        pairs = attribute_children(module, writer, {id(each) for each in seen})
                        found[module.name] = [[path, getattr(each, "name", "")] for path, each in pairs]
                return found

            yield f"attributes in {writer.name}, seen: {label}", children
    for dialect in ("keras3", "keras2"):
        for ending in (".weights.h5", ".h5"):
            yield (
                f"places of a model of one's own, {dialect}{ending}",
                lambda dialect=dialect, ending=ending: places(net(), dialect, ending),
            )
    yield "order of variables", lambda: [[each.path, each.numpy().ravel()[0].item()] for each in net().variables]
    yield "layers", lambda: [[each.name for each in net().layers], [each.path for each in net().trainable_variables]]


# ---------------------------------------------------------------- sketches


def sketches() -> Iterator[tuple[str, Callable[[], Any]]]:
    """The sketch of each model, and of each with one of its layers missing, or a Lambda or TextVectorization there."""
    every = [(name, config, config.get("keras_version")) for name, config in configs()]
    every += [(name, config, version) for name, (config, version) in bases().items()]
    others = (
        {"class_name": "Mine", "config": {}},
        {"class_name": "Lambda", "config": {"output_shape": [5, 2], "output_shape_type": "raw"}},
        {"class_name": "TextVectorization", "config": {"output_mode": "int", "output_sequence_length": 9}},
    )
    for number, (name, config, version) in enumerate(every):
        yield f"sketch of {name}", lambda config=config, version=version: drawn(config, version)
        items = config["config"]["layers"]
        for at in range(1 + number % 2, len(items), 2):
            other = others[0 if (number + at) % 3 else (1 + number % 2)]
            made = copy.deepcopy(config)
            there = made["config"]["layers"][at]
            there.update(class_name=other["class_name"], module="mine", registered_name=None)
            there["config"] = {"name": (there["config"] or {}).get("name", there.get("name")), **other["config"]}
            yield f"sketch of {name} without {at}", lambda made=made, version=version: drawn(made, version)


def drawn(config: Any, version: str | None) -> Any:
    found = sketch(read_config(config, version, "tensorflow", partly=True).spec)
    return [
        [
            *(place.path, place.model, place.class_name, place.is_missing),
            *(list(place.before), list(place.behind), plain(place.inputs), plain(place.outputs)),
        ]
        for place in found
    ]


@cache
def own() -> dict[str, Callable[[], Any]]:
    cases: dict[str, Callable[[], Any]] = {}
    for some in (tracked, stored, sketches):
        cases.update(some())
    return {key: told(lambda case=case: plain(case())) for key, case in cases.items()}
