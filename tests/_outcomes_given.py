"""What a file means where the caller gives layers and functions, and every old form of a whole model, damaged.

Models of Keras 1 with branches, layers that are replaced or given, Lambdas of named functions, masks that get lost on
the way, constants, objects that are shared: as they are, and with another value in each place. A set of outcomes, see
`_outcomes.py`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from typing import Any
from zlib import crc32

from _outcomes import plain
from _outcomes_examples import leaves_of, with_other
from _outcomes_graphs import CELL, Config, called, constant, graph, item, new_inputs, of, old_inputs, tensor
from _outcomes_layers import told

from kerastorch.compat import read_config
from kerastorch.spec import Offered

KEPT = 9  # of so many changes about one is kept


def first(kind: str, name: str, /, **config: Any) -> Config:
    return {"class_name": kind, "config": {"name": name, **config}}


def chain(*layers: Config) -> Config:
    return {"class_name": "Sequential", "config": list(layers)}


# ---------------------------------------------------------------- Keras 1


def of_keras1() -> dict[str, Config]:
    dense = first("Dense", "d", output_dim=4, batch_input_shape=[None, 3], input_dtype="float32", init="uniform")
    words = first("Embedding", "e", input_dim=9, output_dim=4, dropout=0.2, batch_input_shape=[None, 5])
    steps = first(
        "LSTM",
        "l",
        output_dim=4,
        consume_less="gpu",
        forget_bias_init="one",
        W_regularizer={"name": "L1L2Regularizer", "l1": 0.5},
        U_regularizer={"name": "WeightRegularizer", "l1": 0.0, "l2": 0.25},
        dropout_W=0.1,
    )
    model = graph([*old_inputs("x"), item("Dense", "m", [of("x")], output_dim=4)], [["x", 0, 0]], [["m", 0, 0]], "b")
    merge: dict[str, Any] = {"mode": "concat", "concat_axis": -1, "node_indices": [0, 0], "tensor_indices": [0, 0]}
    branches = [chain(dense, first("Dropout", "p", p=0.5)), chain(words, steps), {**model, "class_name": "Model"}]
    inner = first("Merge", "inner", mode="mul", layers=[chain(copy.deepcopy(dense)), chain(copy.deepcopy(words))])
    inner["config"]["layers"][0]["config"][0]["config"]["name"] = "d2"
    inner["config"]["layers"][1]["config"][0]["config"]["name"] = "e2"
    picture = first(
        "Convolution2D",
        "c",
        nb_filter=2,
        nb_row=3,
        nb_col=2,
        border_mode="same",
        dim_ordering="tf",
        subsample=[1, 2],
        bias=False,
        batch_input_shape=[None, 8, 8, 3],
        W_constraint={"name": "MaxNorm", "m": 2, "axis": 0},
    )
    return {
        "branches": chain(first("Merge", "merge", **merge, layers=branches), first("Dense", "out", output_dim=2)),
        "branches in branches": chain(
            first("Merge", "merge", mode="sum", layers=[chain(inner, first("Dense", "i", output_dim=3)), chain(dense)])
        ),
        "merge in a graph": graph(
            [
                *old_inputs("x", "y"),
                item("Merge", "merge", [of("x"), of("y")], mode="dot", dot_axes=[[1], [1]]),
                item("Merge", "cos", [of("x"), of("y")], mode="cos", dot_axes=-1, mode_type="raw", output_mask=None),
                item("TimeDistributedDense", "t", [of("x")], output_dim=4, input_dim=4, input_length=7),
            ],
            [["x", 0, 0], ["y", 0, 0]],
            [["merge", 0, 0], ["cos", 0, 0], ["t", 0, 0]],
            kind="Model",
        ),
        "a picture": chain(
            picture,
            first("ZeroPadding2D", "z", padding={"top_pad": 1, "left_pad": 2}, dim_ordering="tf"),
            first("MaxPooling2D", "p", pool_size=[2, 2], strides=None, border_mode="valid", dim_ordering="tf"),
            first("SeparableConvolution2D", "s", nb_filter=2, nb_row=1, nb_col=1, init="glorot_uniform"),
            first("BatchNormalization", "b", mode=0, epsilon=1e-3, beta_init="zero"),
            first("Deconvolution2D", "t", nb_filter=2, nb_row=2, nb_col=2, output_shape=[None, 6, 6, 2]),
        ),
        "rows": chain(
            first("Convolution1D", "c", nb_filter=2, filter_length=3, input_dim=4, input_length=7, border_mode="same"),
            first("MaxPooling1D", "p", pool_length=2, stride=2, border_mode="valid"),
            first("GRU", "g", output_dim=3, inner_activation="sigmoid", consume_less="cpu", return_sequences=True),
            first("TimeDistributed", "t", layer=first("Dense", "i", output_dim=2, bias=True)),
            first("SimpleRNN", "r", output_dim=3, forget_bias_init="zero", consume_less="mem"),
        ),
    }


# ---------------------------------------------------------------- layers and functions of the caller


def of_the_caller() -> dict[str, Config]:
    mine = {
        "name": "mine",
        "units": 3,
        "activation": "gelu2",
        "kernel_initializer": {"class_name": "Wave", "config": {"scale": {"class_name": "__tuple__", "items": [1]}}},
        "inner": first("Dense", "deep", units=2),
        "parts": [{"a": first("GRU", "g", units=2)}, {"class_name": "Own", "config": {"b": [1]}}],
        "dtype": "float32",
        "trainable": True,
        "helper": "gelu2",
        "batch_input_shape": [None, 4],
    }
    function = {"class_name": "function", "config": "gelu2", "registered_name": "mine>gelu2"}
    named = {"function": "gelu2", "function_type": "function", "arguments": {"k": 2}}
    layers = [
        *old_inputs("x"),
        {**item("Mine", "mine", [of("x")]), "config": mine},
        item("Lambda", "named", [of("mine")], **named, output_shape=[3], output_shape_type="raw", trainable=False),
        item(
            "Lambda", "shaped", [of("x")], **named, output_shape="gelu2", output_shape_type="function", dtype="float32"
        ),
        item("Lambda", "masked", [of("x")], function=function, mask=function, output_shape=None),
        item("Lambda", "code", [of("x")], function=["4wEA", None, None], function_type="lambda"),
        item("Dense", "dense", [of("x")], units=2, activation=function, kernel_regularizer="gelu2"),
        item("Bidirectional", "both", [of("x")], layer=first("Mine", "inside", units=2)),
        item("Add", "sum", [of("shaped"), of("masked")]),
    ]
    ends = [[name, 0, 0] for name in ("named", "code", "dense", "both", "sum")]
    dense = item("Dense", "dense", [of("z")], units=2)
    inner = graph([*old_inputs("z"), dense], [["z", 0, 0]], [["dense", 0, 0]], "part")
    around = graph(
        [*old_inputs("x"), {**inner, "inbound_nodes": [[of("x")]]}, item("Other", "o", [of("part")])],
        [["x", 0, 0]],
        [["o", 0, 0]],
    )
    own_model = {**graph(old_inputs("x"), [["x", 0, 0]], [["x", 0, 0]]), "class_name": "Mine"}
    return {
        "layers of mine": graph(layers, [["x", 0, 0]], ends),
        "models in models": around,
        "a model of mine": own_model,
        "a model without a graph": {**first("pkg>Mine", "own", units=3), "build_config": {"input_shape": [None, 3]}},
    }


OFFERED: dict[str, Offered | None] = {
    "nothing": None,
    "a class": Offered({"Mine": None}),
    "a class of Dense": Offered({"Mine": "Dense", "Wave": None, "gelu2": None}, frozenset({"gelu2"})),
    "a function": Offered({"gelu2": None}, frozenset({"gelu2"})),
    "by package": Offered({"mine>gelu2": None, "pkg>Mine": "LSTM", "Mine": "LSTM"}, frozenset({"mine>gelu2"})),
    "everything": Offered(
        {"Mine": "Dense", "Other": None, "Own": None, "Wave": None, "gelu2": None}, frozenset({"gelu2"})
    ),
}
REPLACED: tuple[dict[str, str | None], ...] = (
    *({"dense": None}, {"dense": "Dense"}, {"mine": None}, {"part/dense": None}, {"part": None}, {"o": "LSTM"}),
    *({"nobody": None}, {"x": None}, {"both": None}, {"both/inside": None}, {"both": None, "inside": None}),
    *({"part": None, "part/dense": None}, {"dense": None, "part/dense": None}, {"code": None, "mine": None}),
    *({"merge": None}, {"deep": None}, {"g": None}, {"own": None}),
)


# ---------------------------------------------------------------- masks, constants, shared objects


def of_keras3() -> dict[str, Config]:
    heads: dict[str, Any] = {"num_heads": 2, "key_dim": 2}
    layers = [
        *new_inputs("x", "y"),
        item("Masking", "m", called(tensor("x"))),
        item("Masking", "n", called(tensor("y"))),
        item("Dropout", "drop", called(tensor("m")), rate=0.1),
        item("MultiHeadAttention", "h", called(tensor("drop"), tensor("n"), query_mask=None), **heads),
        item("LSTM", "after", called(tensor("m")), units=4, return_sequences=True),
        item("Add", "sum", called([tensor("drop"), tensor("n")])),
        item("MultiHeadAttention", "k", called(tensor("h"), value=tensor("after"), key=tensor("n")), **heads),
        item("GRU", "last", called(tensor("k"), mask=None), units=4),
        item("Attention", "a", called([tensor("n"), tensor("sum")])),
    ]
    shared = first("Dense", "one", units=4)
    copies = [{**shared, "shared_object_id": 1}, {**shared, "shared_object_id": 1}]
    around = {"class_name": "TimeDistributed", "config": {"name": "t", "layer": copies[1]}}
    return {
        "heads": graph(layers, [["x", 0, 0], ["y", 0, 0]], [["last", 0, 0], ["a", 0, 0], ["sum", 0, 0]]),
        "shared": graph(
            [
                *new_inputs("x"),
                {**copies[0], "name": "one", "inbound_nodes": [called(tensor("x"))]},
                {**around, "name": "t", "inbound_nodes": [called(tensor("one"))]},
            ],
            [["x", 0, 0]],
            [["t", 0, 0]],
        ),
        "constants": graph(
            [
                *new_inputs("x"),
                item("RNN", "r", called(tensor("x"), None, [constant([[1.0] * 4])]), cell=CELL),
                item("Add", "sum", called([tensor("r"), constant([[1, 2, 3, 4]], "int32"), constant(3.0)])),
                item("GRU", "g", called(tensor("x"), initial_state=constant([[1.0] * 4], "bfloat16")), units=4),
            ],
            [["x", 0, 0]],
            [["sum", 0, 0], ["g", 0, 0]],
        ),
        "a model first": {
            "class_name": "Sequential",
            "config": {
                "name": "outer",
                "layers": [
                    graph(new_inputs("z"), [["z", 0, 0]], [["z", 0, 0]], "part"),
                    first("Dense", "d", units=2),
                ],
                "build_input_shape": [None, 7, 4],
            },
        },
        "built later": {
            "class_name": "Sequential",
            "config": {"name": "s", "layers": [first("GRU", "g", units=2)], "build_input_shape": [2, 7, 4]},
        },
    }


# ---------------------------------------------------------------- the cases

OTHERS: tuple[Any, ...] = (
    *(None, True, -1, 2, 2.5, "x", "dense", "gelu2", [], {}, [[1], [2, 3]], "deleted", "doubled"),
    {"class_name": "__tuple__", "items": [3]},
    {"class_name": "function", "config": "gelu2"},
    {"name": "L1L2", "l2": "x"},
)


def damaged(name: str, config: Config) -> Iterator[tuple[str, Config]]:
    yield name, config
    for path, other in product(leaves_of(config), OTHERS):
        key = f"{name}: {'/'.join(map(str, path))} = {other!r}"
        if crc32(key.encode()) % KEPT == 0:
            yield key, with_other(config, path, other)


@cache
def given() -> dict[str, Callable[[], Any]]:
    cases: dict[str, Callable[[], Any]] = {}

    def add(key: str, config: Config, version: Any, offered: Offered | None, backend: Any = "tensorflow") -> None:
        partly = bool(crc32(key.encode()) % 2)
        cases[key] = lambda: read_config(config, version, backend, offered, partly=partly)

    for name, made in of_keras1().items():
        for key, config in damaged(name, made):
            add(f"Keras 1, {key}", config, "1.2.2", None)
        for replaced in REPLACED:
            add(f"Keras 1, {name}, replaced {replaced}", made, "1.2.2", Offered({}, frozenset(), replaced))
        for version, backend in product(("1.0.8", "1", "0.3", 3, None), ("theano", 3, None)):
            add(f"Keras 1, {name} of {version!r}, {backend!r}", made, version, None, backend)
    for name, made in of_the_caller().items():
        for (label, offered), version in product(OFFERED.items(), ("2.2.4", "2.11.0", "3.15.1")):
            add(f"{name}, given {label}, {version}", made, version, offered)
            for replaced in REPLACED if version == "2.11.0" else ():
                own = Offered() if offered is None else offered
                add(
                    f"{name}, {label}, replaced {replaced}",
                    made,
                    version,
                    Offered(own.classes, own.functions, replaced),
                )
        for key, config in damaged(name, made):
            add(key, config, "2.11.0", OFFERED["everything"])
    for name, made in of_keras3().items():
        for version in ("3.0.5", "3.5.0", "3.7.0", "3.8.0", "3.9.2", "3.12.0", "3.15.1", "3.16.0"):
            add(f"{name}, {version}", made, version, None)
        for key, config in damaged(name, made):
            add(key, config, "3.9.2" if crc32(key.encode()) % 3 else "3.15.1", None)
    return {key: told(lambda case=case: plain(case())) for key, case in cases.items()}
