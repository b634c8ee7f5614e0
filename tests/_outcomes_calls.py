"""What stands in graphs: values at the limit of nesting, masks as Keras 3 passes them on, operations of TensorFlow.

A part of the outcomes, see `_outcomes.py`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from _outcomes import plain
from _outcomes_graphs import NEW, OLD, Config, called, graph, item, new_inputs, of, old_inputs, tensor
from _outcomes_layers import told

from kerastorch.compat import read_config
from kerastorch.compat._graph import Graph, Masks, follow_masks
from kerastorch.compat._values import MAX_NESTING
from kerastorch.compat.calls import operation_call, read_ends
from kerastorch.compat.operations._node_def import read_node_def
from kerastorch.spec import Call, LayerSpec, TensorRef

# ---------------------------------------------------------------- nesting


def nested(value: Any, depth: int, kind: str) -> Any:
    for _ in range(depth):
        value = (
            [value]
            if kind == "list"
            else {"class_name": "__tuple__", "items": [value]}
            if kind == "tuple"
            else {"a": value}
        )
    return value


def deep() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Values at the limit of nesting and one beyond, in each place where values are read."""
    for kind in ("list", "tuple", "dict"):
        for depth in (MAX_NESTING - 2, MAX_NESTING - 1, MAX_NESTING, MAX_NESTING + 1):

            def flat(found: Any) -> Any:
                """How deep it is, and what stands inside."""
                at = 0
                while isinstance(found, (list, tuple, dict)) and len(found) == 1:
                    found, at = next(iter(found.values() if isinstance(found, dict) else found)), at + 1
                return [at, plain(found)]

            def calls(depth: int = depth, kind: str = kind) -> Any:
                """What `args`, an argument by name and the first argument of a call may hold."""
                places: dict[str, Callable[[], Any]] = {
                    "first": lambda: operation_call(nested(of("x"), depth, kind), "here").args[0],
                    "argument": lambda: operation_call(of("x", y=nested(3, depth, kind)), "here").kwargs["y"],
                    "args": lambda: operation_call(called(nested(tensor("x"), depth, kind)), "here").args[0],
                    "kwargs": lambda: operation_call(called(1, y=nested(3, depth, kind)), "here").kwargs["y"],
                    "ends": lambda: read_ends(nested(["x", 0, 0], depth, kind), "here"),
                    "layer of Keras 2": lambda: first_call(item("Add", "l", nested(of("x"), depth, kind)), OLD).args[0],
                    "argument in Keras 2": lambda: first_call(
                        item("Own", "l", [of("x", y=nested(3, depth, kind))]), OLD
                    ).kwargs["y"],
                    "layer of Keras 3": lambda: first_call(
                        item("Own", "l", called(nested(tensor("x"), depth, kind))), NEW
                    ).args[0],
                }
                return {place: errors_of(lambda make=make: flat(make())) for place, make in places.items()}

            yield f"nested: {kind} {depth}", calls


def errors_of(make: Callable[[], Any]) -> Any:
    try:
        return told(make)()
    except Exception as error:  # noqa: BLE001 - one outcome for each, so that all are compared
        return f"{type(error).__name__}: {error}"


def first_call(layer: Config, version: str) -> Call:
    inputs = old_inputs("x") if version == OLD else new_inputs("x")
    config = graph([*inputs, layer], [["x", 0, 0]], [["l", 0, 0]])
    spec = read_config(config, version, "tensorflow", partly=True).spec
    return spec.layers[-1].calls[0]  # type: ignore[union-attr]


# ---------------------------------------------------------------- masks


def expressions(masks: Masks) -> Callable[[Any], Any]:
    """The text of an expression of masks by its number."""
    numbered = {number: key for key, number in masks.numbers.items()}

    def text(number: Any) -> Any:
        if not isinstance(number, int):
            return part(number)
        name, options, arguments = numbered[number]
        return {name: [plain(options), [part(each) for each in arguments]]}

    def part(value: Any) -> Any:
        if isinstance(value, tuple) and len(value) == 2 and value[0] == "expression":
            return text(value[1])
        if isinstance(value, TensorRef):
            return f"{value.layer} {value.node} {value.tensor}"
        return [part(each) for each in value] if isinstance(value, (list, tuple)) else value

    return text


def mask_of(layer: LayerSpec, sources: list[str]) -> Any:
    """The masks behind a layer whose inputs have other masks each, or none."""
    made: Graph = {name: LayerSpec("InputLayer", name, {"batch_shape": (None, 7)}) for name in ("x", "y")}
    made["a"] = LayerSpec("Embedding", "a", {"mask_zero": True}, calls=(Call((TensorRef("x"),)),))
    made["b"] = LayerSpec("Masking", "b", {"mask_value": 2.0}, calls=(Call((TensorRef("y"),)),))
    made["c"] = LayerSpec("Embedding", "c", {}, calls=(Call((TensorRef("x"),)),))
    refs = [TensorRef(name) for name in sources]
    given: Any = refs[0] if len(refs) == 1 else refs
    kwargs: dict[str, Any] = {}
    if layer.meaning in ("MultiHeadAttention", "GroupQueryAttention"):
        given, kwargs = refs[0], dict(zip(("value", "key"), refs[1:], strict=False))
    made["l"] = LayerSpec(layer.class_name, "l", layer.config, calls=(Call((given,), kwargs),))
    masks = follow_masks(made, "here")
    text = expressions(masks)
    return {f"{ref.layer} {ref.tensor}": text(mask) for ref, mask in masks.expected.items()}


def masked() -> Iterator[tuple[str, Callable[[], Any]]]:
    inner = LayerSpec("LSTM", "i", {"return_sequences": True})
    last = LayerSpec("LSTM", "i", {})
    layers = [
        *(
            LayerSpec(name, "l", {})
            for name in ("Dense", "Flatten", "Dropout", "Own", "Conv1D", "Activation", "Attention")
        ),
        *(LayerSpec(name, "l", {}) for name in ("MultiHeadAttention", "GroupQueryAttention", "AdditiveAttention")),
        *(LayerSpec(name, "l", {"axis": 1}) for name in ("Concatenate", "Dot")),
        *(LayerSpec(name, "l", {}) for name in ("Add", "Multiply", "Maximum", "Concatenate", "Average", "Minimum")),
        *(
            LayerSpec(name, "l", {"return_sequences": keep})
            for name in ("LSTM", "GRU", "RNN")
            for keep in (True, False)
        ),
        *(
            LayerSpec("Bidirectional", "l", {"layer": each, "merge_mode": mode})
            for each in (inner, last)
            for mode in ("sum", None)
        ),
        LayerSpec("TimeDistributed", "l", {"layer": inner}),
        LayerSpec("Embedding", "l", {"mask_zero": True}),
        LayerSpec("Masking", "l", {}),
    ]
    for number, layer in enumerate(layers):
        for sources in (["a"], ["c"], ["a", "b"], ["a", "c"], ["c", "b"], ["c", "c"], ["a", "b", "a"], ["c", "a", "b"]):
            yield (
                f"mask behind {number} {layer.class_name} of {' '.join(sources)}",
                lambda layer=layer, sources=sources: mask_of(layer, sources),
            )


# ---------------------------------------------------------------- node_defs


def chunk(number: int, data: bytes) -> bytes:
    assert len(data) < 128
    return bytes([number << 3 | 2, len(data)]) + data


def attribute(value: bytes, name: bytes = b"a") -> bytes:
    return chunk(5, chunk(1, name) + chunk(2, value))


def node_defs() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every kind of attribute in both forms, empty ones, numbers of several bytes, and what is cut short."""
    start = chunk(1, b"name") + chunk(2, b"Op")
    values = {
        "text": chunk(2, b"SAME"),
        "no text": chunk(2, b""),
        "integer": bytes([3 << 3, 5]),
        "two bytes": bytes([3 << 3, 0x85, 0x01]),
        "negative": bytes([3 << 3, *[0xFF] * 9, 0x01]),
        "ten bytes and more": bytes([3 << 3, *[0xFF] * 10, 0x01]),
        "float": bytes([4 << 3 | 5]) + struct.pack("<f", -2.5),
        "double": bytes([4 << 3 | 1]) + struct.pack("<d", 1.0),
        "true": bytes([5 << 3, 1]),
        "false": bytes([5 << 3, 0]),
        "dtype": bytes([6 << 3, 3]),
        "unknown dtype": bytes([6 << 3, 77]),
        "shape": chunk(7, b""),
        "nothing": b"",
        "list": chunk(1, chunk(3, bytes([1, 0x80, 0x01]))),
        "list of one by one": chunk(1, bytes([3 << 3, 4, 3 << 3, 5])),
        "list of texts": chunk(1, chunk(2, b"a") + chunk(2, b"")),
        "empty list": chunk(1, b""),
        "wire 3": bytes([3 << 3 | 3, 1]),
    }
    for name, value in values.items():
        yield f"binary {name}", lambda value=value: read_node_def((start + attribute(value)).decode("latin-1"), "here")
        yield (
            f"bytes {name}",
            lambda value=value: read_node_def((start + attribute(value)).decode("utf-8", "replace"), "here"),
        )
    whole = start + chunk(3, b"x") + chunk(3, b"") + chunk(3, b"^z") + attribute(bytes([3 << 3, 5]))
    for size in range(len(whole) + 1):
        yield f"cut {size}", lambda size=size: read_node_def(whole[:size].decode(), "here")
    for number in range(8):
        yield f"field {number}", lambda number=number: read_node_def((start + chunk(number, b"Op")).decode(), "here")
    items: list[Any] = [
        *(
            {kind: value}
            for kind in ("i", "s", "b", "f", "type", "list", "shape")
            for value in ("5", "U0FNRQ==", 5, True, "DT_HALF", {}, None)
        ),
        *({"list": {kind: value}} for kind in ("i", "s", "type") for value in (["1", "2"], [], "1", ["U0E="])),
        *({}, {"i": "1", "s": ""}, [], None, 3),
    ]
    for value in items:
        yield f"json {value!r}", lambda value=value: read_node_def({"op": "Op", "attr": {"a": value}}, "here")
    for value in (
        {"op": "Op"},
        {"op": 3},
        {},
        {"op": "Op", "input": ["x", "^y", 3]},
        {"op": "Op", "input": "x"},
        {"op": "Op", "attr": []},
        [],
        "",
        None,
    ):
        yield f"json {value!r}", lambda value=value: read_node_def(value, "here")


# ---------------------------------------------------------------- shared layers


def shared() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Layers in several models and wrappers that are one object, with an id at each place, at some, or of another."""

    def dense(number: Any, name: str = "one", units: int = 4) -> Config:
        made = {"class_name": "Dense", "config": {"name": name, "units": units}, "module": "keras.layers"}
        return {**made, "registered_name": None, **({} if number is None else {"shared_object_id": number})}

    def of_one(inner: Config, name: str) -> Config:
        return {"class_name": "Sequential", "name": name, "config": {"name": name, "layers": [inner]}}

    def around(kind: str, inner: Config, name: str) -> Config:
        layer = {"class_name": "GRU", "config": {"name": name, "units": 4}, **{k: inner[k] for k in inner if "id" in k}}
        config: Any = {
            "TimeDistributed": {"layer": inner},
            "Bidirectional": {
                "layer": layer,
                "backward_layer": {**layer, "config": {**layer["config"], "go_backwards": True}},
            },
            "RNN": {"cell": {**layer, "class_name": "GRUCell"}},
            "StackedRNNCells": {
                "cell": {
                    "class_name": "StackedRNNCells",
                    "config": {"name": "s", "cells": [{**layer, "class_name": "GRUCell"}] * 2},
                }
            },
        }[kind]
        return {
            "class_name": "RNN" if kind == "StackedRNNCells" else kind,
            "config": {"name": f"{kind}_{name}".lower(), **config},
        }

    numbers: tuple[Any, ...] = (None, 1, 2, True, "1")
    for first in numbers:
        for second in numbers:
            for other in ("the same", "other units", "another name"):
                inner = [
                    dense(first),
                    dense(second, "two" if other == "another name" else "one", 5 if other == "other units" else 4),
                ]
                made = {
                    "models": [of_one(inner[0], "a"), of_one(inner[1], "b")],
                    "a model and the graph": [inner[0], of_one(inner[1], "b")],
                    "deeper": [of_one(of_one(inner[0], "c"), "a"), of_one(inner[1], "b")],
                    "three": [of_one(inner[0], "a"), of_one(inner[1], "b"), of_one(dense(1), "c")],
                    **{
                        kind: [around(kind, each, "abc"[at]) for at, each in enumerate(inner)]
                        for kind in ("TimeDistributed", "Bidirectional", "RNN", "StackedRNNCells")
                    },
                }
                for label, items in made.items():
                    model = {"class_name": "Sequential", "config": {"name": "m", "layers": items}}
                    yield (
                        f"shared {first} and {second}, {other}: {label}",
                        lambda model=model: read_config(model, NEW, None),
                    )


# ---------------------------------------------------------------- the cases


@cache
def in_calls() -> dict[str, Callable[[], Any]]:
    cases: dict[str, Callable[[], Any]] = {}
    for some in (deep, masked, node_defs, shared):
        cases.update(some())
    return {key: told(lambda case=case: plain(case())) for key, case in cases.items()}
