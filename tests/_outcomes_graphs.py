"""What graphs in files mean, as each Keras writes them, and every damage to them.

A part of the outcomes, see `_outcomes.py`. The graphs are small, and have one of everything that a node may hold.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from zlib import crc32

from _outcomes import plain
from _outcomes_examples import leaves_of, with_other
from _outcomes_layers import told

from kerastorch.compat import read_config

Config = dict[str, Any]
OLD, NEW = "2.11.0", "3.15.1"


def item(class_name: str, name: str, /, *nodes: Any, **config: Any) -> Config:
    return {
        "class_name": class_name,
        "name": name,
        "config": {"name": name, **config},
        "inbound_nodes": list(nodes),
    }


def of(name: str, node: int = 0, tensor: int = 0, /, **arguments: Any) -> list[Any]:
    """A tensor as Keras 2 refers to it."""
    return [name, node, tensor, arguments]


def tensor(name: str, node: int = 0, tensor: int = 0) -> Config:
    """A tensor as Keras 3 refers to it."""
    config = {"shape": [None, 7, 4], "dtype": "float32", "keras_history": [name, node, tensor]}
    return {"class_name": "__keras_tensor__", "config": config}


def called(*args: Any, **kwargs: Any) -> Config:
    return {"args": list(args), "kwargs": kwargs}


def graph(layers: list[Config], inputs: Any, outputs: Any, name: str = "m", kind: str = "Functional") -> Config:
    config = {"name": name, "layers": layers, "input_layers": inputs, "output_layers": outputs}
    return {"class_name": kind, "name": name, "config": config}


def constant(value: Any, dtype: str = "float32", kind: str = "__numpy__") -> Config:
    return {"class_name": kind, "config": {"value": value, "dtype": dtype}}


CELL = {"class_name": "SimpleRNNCell", "config": {"name": "cell", "units": 4}}
LSTM_INSIDE = {"class_name": "LSTM", "config": {"name": "inner", "units": 4, "return_sequences": True}}


def stack(count: int) -> Config:
    cells = [
        {"class_name": "LSTMCell", "config": {"name": f"c{at}", "units": 4, "recurrent_activation": "sigmoid"}}
        for at in range(count)
    ]
    return {"class_name": "StackedRNNCells", "config": {"name": "stack", "cells": cells}}


def old_inputs(*names: str) -> list[Config]:
    return [item("InputLayer", name, batch_input_shape=[None, 7, 4], dtype="float32") for name in names]


def new_inputs(*names: str, **options: Any) -> list[Config]:
    return [item("InputLayer", name, batch_shape=[None, 7, 4], dtype="float32", **options) for name in names]


# ---------------------------------------------------------------- the graphs


def bases() -> dict[str, tuple[Config, str]]:
    """Name -> the config of a graph, and which Keras wrote it."""
    inner_old = graph(
        [*old_inputs("z"), item("Dense", "deep", [of("z")], units=4)], [["z", 0, 0]], [["deep", 0, 0]], "part"
    )
    inner_new = graph(
        [*new_inputs("z"), item("Dense", "deep", called(tensor("z")), units=4)], ["z", 0, 0], ["deep", 0, 0], "part"
    )
    chain = {"class_name": "Dense", "config": {"name": "first", "units": 4, "batch_input_shape": [None, 7, 4]}}
    sequential = {"class_name": "Sequential", "name": "chain", "config": {"name": "chain", "layers": [chain]}}
    ones = [[1.0, 2.0, 3.0, 4.0]]
    lambdas = [
        item("TFOpLambda", "added", of("x", y=["y", 0, 0], name=None), function="__operators__.add"),
        item("TFOpLambda", "joined", [of("x", axis=-1), of("added", axis=-1)], function="concat"),
        item("TFOpLambda", "scaled", ["_CONSTANT_VALUE", -1, 2.0, {"y": ["joined", 0, 0]}], function="math.multiply"),
        item(
            "SlicingOpLambda",
            "taken",
            of("scaled", slice_spec=({"start": None, "stop": None, "step": None}, 0)),
            function="__operators__.getitem",
        ),
    ]
    multiplied = {"op": "Mul", "input": ["x", "c"], "attr": {"T": {"type": "DT_FLOAT"}}}
    layer = item("TensorFlowOpLayer", "tf_op_layer_mul", [of("x")], node_def=multiplied, constants={"1": 2.5})
    layer["config"]["name"] = "mul"
    return {
        "states of Keras 2": (
            graph(
                [
                    *old_inputs("x"),
                    item("LSTM", "e", [of("x")], units=4, return_state=True, return_sequences=True),
                    item("LSTM", "d", [of("x"), of("e", 0, 1), of("e", 0, 2)], units=4),
                    item("LSTM", "f", [of("x", initial_state=[["e", 0, 1], ["e", 0, 2]], training=True)], units=4),
                    item("LSTM", "g", [of("e", initial_state=[ones, ones], mask=[[True] * 7])], units=4),
                    item("Add", "out", [of("d"), of("f"), of("g")]),
                ],
                [["x", 0, 0]],
                [["out", 0, 0], ["e", 0, 0]],
            ),
            OLD,
        ),
        "constants of Keras 2": (
            graph(
                [
                    *old_inputs("x", "a"),
                    item("RNN", "r", [of("x"), of("a"), of("x"), of("a")], cell=CELL, num_constants=2),
                    item("RNN", "q", [of("x", constants=[["a", 0, 0]], initial_state=[["a", 0, 0]])], cell=CELL),
                ],
                [["x", 0, 0], ["a", 0, 0]],
                {"left": ["r", 0, 0], "right": ["q", 0, 0]},
            ),
            OLD,
        ),
        "models of Keras 2": (
            graph(
                [
                    *old_inputs("x", "y"),
                    {**inner_old, "inbound_nodes": [[of("x")], [of("part", 1)]]},
                    {**copy.deepcopy(sequential), "inbound_nodes": [[of("y")]]},
                    item("Dense", "twice", [of("x")], [of("chain", 1)], units=4),
                    item("Bidirectional", "both", [of("twice", 1)], layer=LSTM_INSIDE, merge_mode="sum"),
                    item("Concatenate", "all", [of("part", 2), of("both"), of("twice", 0)], axis=-1),
                ],
                [["x", 0, 0], ["y", 0, 0]],
                [["all", 0, 0]],
                kind="Model",
            ),
            "2.3.1",
        ),
        "operations of Keras 2": (
            graph([*old_inputs("x", "y"), *lambdas], [["x", 0, 0], ["y", 0, 0]], ["taken", 0, 0]),
            OLD,
        ),
        "operations of TensorFlow 2.3": (
            graph([*old_inputs("x"), layer], ["x", 0, 0], ["tf_op_layer_mul", 0, 0]),
            "2.4.0",
        ),
        "attention of Keras 2": (
            graph(
                [
                    *old_inputs("x", "y"),
                    item("Masking", "m", [of("x")], mask_value=0.0),
                    item("Attention", "a", [of("m"), of("y")], use_scale=False),
                    item(
                        "MultiHeadAttention", "h", [of("m", value=["y", 0, 0], key=["x", 0, 0])], num_heads=2, key_dim=2
                    ),
                ],
                [["x", 0, 0], ["y", 0, 0]],
                [["a", 0, 0], ["h", 0, 0]],
            ),
            OLD,
        ),
        "states of Keras 3": (
            graph(
                [
                    *new_inputs("x"),
                    item("LSTM", "e", called(tensor("x")), units=4, return_state=True, return_sequences=True),
                    item("LSTM", "d", called(tensor("x"), [tensor("e", 0, 1), tensor("e", 0, 2)], None), units=4),
                    item("LSTM", "f", called(sequences=tensor("x"), training=True, mask=None), units=4),
                    item(
                        "LSTM",
                        "g",
                        called(tensor("e"), initial_state=[constant(ones), constant(ones, kind="__tensor__")]),
                        units=4,
                    ),
                    item("Add", "out", called([tensor("d"), tensor("f"), tensor("g")])),
                ],
                [["x", 0, 0]],
                [["out", 0, 0], ["e", 0, 0]],
            ),
            NEW,
        ),
        "models of Keras 3": (
            graph(
                [
                    *new_inputs("x", "y"),
                    {**inner_new, "inbound_nodes": [called(tensor("x")), called(tensor("part"))]},
                    {**copy.deepcopy(sequential), "inbound_nodes": [called(tensor("y"))]},
                    item("Dense", "twice", called(tensor("x")), called(tensor("chain")), units=4),
                    item("Bidirectional", "both", called(tensor("twice", 1)), layer=LSTM_INSIDE, merge_mode="sum"),
                    item("Concatenate", "all", called([tensor("part", 1), tensor("both"), tensor("twice")]), axis=-1),
                ],
                [["x", 0, 0], ["y", 0, 0]],
                {"one": ["all", 0, 0], "two": [["part", 2, 0]]},
            ),
            NEW,
        ),
        "operations of Keras 3": (
            graph(
                [
                    *new_inputs("x", "y"),
                    {**item("Add", "added", called(tensor("x"), tensor("y"))), "module": "keras.src.ops.numpy"},
                    {**item("Multiply", "scaled", called(2.0, tensor("added"))), "module": "keras.src.ops.numpy"},
                    {
                        **item(
                            "GetItem",
                            "taken",
                            called(
                                tensor("scaled"),
                                {
                                    "class_name": "__tuple__",
                                    "items": [
                                        {
                                            "class_name": "__slice__",
                                            "config": {"start": None, "stop": None, "step": None},
                                        },
                                        -1,
                                    ],
                                },
                            ),
                        ),
                        "module": "keras.src.ops.numpy",
                    },
                ],
                [["x", 0, 0], ["y", 0, 0]],
                ["taken", 0, 0],
            ),
            NEW,
        ),
        "attention of Keras 3": (
            graph(
                [
                    *new_inputs("x", "y"),
                    item("Masking", "m", called(tensor("x")), mask_value=0.0),
                    item("Attention", "a", called([tensor("m"), tensor("y")], mask=[None, None])),
                    item(
                        "MultiHeadAttention",
                        "h",
                        called(query=tensor("m"), value=tensor("y"), use_causal_mask=1, return_attention_scores=False),
                        num_heads=2,
                        key_dim=2,
                    ),
                ],
                [["x", 0, 0], ["y", 0, 0]],
                [["a", 0, 0], ["h", 0, 0]],
            ),
            NEW,
        ),
    }


# ---------------------------------------------------------------- damage

OTHERS: tuple[Any, ...] = (
    *(
        None,
        True,
        -1,
        0,
        1,
        2,
        "x",
        "e",
        "nobody",
        [],
        {},
        [["x", 0, 0]],
        [["x", 0, 0], ["x", 0, 0]],
        "deleted",
        "doubled",
    ),
    {"class_name": "__tuple__", "items": [["x", 0, 0]]},
    {"class_name": "__numpy__", "config": {"value": [1, 2], "dtype": "float32"}},
)
OF_NODES = ("inbound_nodes", "input_layers", "output_layers", "name", "class_name")
KEPT = 12  # of so many changes about one is kept


def damaged() -> Iterator[tuple[str, Config, str]]:
    for name, (config, version) in bases().items():
        yield name, config, version
        for path in leaves_of(config):
            if not any(part in OF_NODES for part in path):
                continue
            for other in OTHERS:
                key = f"{name}: {'/'.join(map(str, path))} = {other!r}"
                if crc32(key.encode()) % KEPT == 0:
                    yield key, with_other(config, path, other), version
        layers = config["config"]["layers"]
        for at in range(len(layers)):
            for label, order in (
                ("without", [*layers[:at], *layers[at + 1 :]]),
                ("twice", [*layers, layers[at]]),
                ("last", [*layers[:at], *layers[at + 1 :], layers[at]]),
            ):
                yield f"{name}: {at} {label}", {**config, "config": {**config["config"], "layers": order}}, version


# ---------------------------------------------------------------- versions


def versions() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Which Keras wrote it, as versions and the form of the config say, and what is not read of it."""
    made = {name: config for name, (config, _) in bases().items()}
    made["of Keras 1"] = {
        "class_name": "Sequential",
        "config": [{"class_name": "Dense", "config": {"name": "d", "output_dim": 2, "batch_input_shape": [None, 3]}}],
    }
    old_inside = {"class_name": "Dense", "config": {"name": "d", "output_dim": 2}}
    for label, inner in {
        "an old layer": old_inside,
        "CuDNN's": {"class_name": "CuDNNGRU", "config": {"name": "g", "units": 3}},
        "one of Keras 3": {"class_name": "GroupQueryAttention", "config": {"name": "g", "head_dim": 3}},
        "nothing": None,
        "both": [old_inside, {"class_name": "RMSNormalization", "config": {"name": "r"}}],
    }.items():
        for own in ("Mine", "Wrapper>Mine", "Dense"):
            for key in ("layer", "parts", "batch_shape"):
                kept = {"name": "own", "units": 3, key: {"deep": [inner]} if key == "parts" else inner}
                made[f"{own} around {label} in {key}"] = {
                    "class_name": "Sequential",
                    "config": {"name": "s", "layers": [{"class_name": own, "config": kept}]},
                }
    for name in [name for name in made if " around " in name]:
        for version in (None, "2.2.4", "3.5.0"):
            yield (
                f"{name}, of {version}",
                lambda name=name, version=version: read_config(made[name], version, None, partly=True),
            )
    for name in ("states of Keras 2", "states of Keras 3", "of Keras 1"):
        for version in (
            "0.3.3",
            "1",
            "1.0.0",
            "1.2.2",
            "2.0.0",
            "2.2.5",
            "2.3.0-tf",
            "2.21",
            "3.0.0",
            "3.16.1",
            "10.0",
            "x",
            "",
            None,
        ):
            for backend in ("tensorflow", "theano", None):
                yield (
                    f"{name} of {version}, {backend}",
                    lambda name=name, version=version, backend=backend: read_config(
                        made[name], version, backend, partly=True
                    ),
                )
    for version in ("2.1.6", "2.2.4", "2.2.5", "2.3.1", None):
        for count in (1, 2, 3):
            for returns in (False, True):
                for states in (0, 2 * count):
                    for around in ("alone", "TimeDistributed", "Bidirectional"):
                        rnn: Config = {"cell": stack(count), "return_state": returns}
                        nodes = [of("x"), *(of("h") for _ in range(states))]
                        layer = item("RNN", "l", nodes, **rnn)
                        if around != "alone":
                            layer = item(
                                around, "l", nodes, layer={"class_name": "RNN", "config": {"name": "i", **rnn}}
                            )
                        config = graph([*old_inputs("x", "h"), layer], [["x", 0, 0], ["h", 0, 0]], [["l", 0, 0]])
                        yield (
                            f"stack {version} {count} {returns} {states} {around}",
                            lambda config=config, version=version: (
                                read_config(config, version, "tensorflow").spec.layers[-1].calls  # type: ignore[union-attr]
                            ),
                        )


# ---------------------------------------------------------------- the cases


@cache
def graphs() -> dict[str, Callable[[], Any]]:
    cases: dict[str, Callable[[], Any]] = {}
    for key, config, version in damaged():
        cases[key] = lambda config=config, version=version: read_config(config, version, "tensorflow", partly=True)
    cases.update(versions())
    return {key: told(lambda case=case: plain(case())) for key, case in cases.items()}
