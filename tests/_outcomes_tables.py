"""What every row of the tables of operations makes of its arguments: a set of outcomes, see `_outcomes.py`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from kerastorch.compat.operations import TensorFlowCall, in_tensorflow, lower
from kerastorch.compat.operations._graph_operations import OPERATIONS as OF_GRAPHS
from kerastorch.compat.operations._tensorflow import FUNCTIONS
from kerastorch.operations import OPERATIONS, REQUIRED
from kerastorch.spec import Call, TensorRef

X, Y, Z = TensorRef("x"), TensorRef("y", 1), TensorRef("z", 0, 2)
# What an argument may be, of those that are no tensors; two values that differ from each other and from defaults.
VALUES: Mapping[str, tuple[Any, ...]] = {
    **dict.fromkeys(("axis", "dim", "axes", "reduction_indices", "dimension", "squeeze_dims"), (1, [2, 0], -1)),
    **dict.fromkeys(("keepdims", "keep_dims", "transpose_a", "transpose_b", "adjoint_a", "adjoint_b"), (True, False)),
    **dict.fromkeys(("a_is_sparse", "b_is_sparse", "exclusive", "reverse", "sorted", "adj_x", "adj_y"), (True, False)),
    **dict.fromkeys(("approximate",), (True, False)),
    **dict.fromkeys(("shape", "dims", "multiples", "begin", "end", "strides", "size", "sizes"), ([3, 2], [2, -1])),
    **dict.fromkeys(("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"), (1, 2)),
    **dict.fromkeys(("dtype", "out_type", "DstT", "output_type"), ("int64", "float16")),
    **dict.fromkeys(("k", "depth", "num", "repeats", "shift", "batch_dims", "num_split"), (1, 3)),
    **dict.fromkeys(("alpha", "beta", "rate", "epsilon", "keep_prob"), (0.25, 1.0, 0)),
    **dict.fromkeys(("clip_value_min", "clip_value_max", "on_value", "off_value"), (0.5, 2, 1)),
    **dict.fromkeys(("start", "limit", "delta", "maxlen", "constant_values", "fill_value", "value"), (2, 7)),
    "paddings": ([[1, 2], [0, 3]],),
    "perm": ([2, 0, 1],),
    "mode": ("CONSTANT", "REFLECT"),
    "data_format": ("NCHW", "NHWC"),
    "ord": ("euclidean", 1, 2),
    "num_or_size_splits": (3, [1, 2, 3], [2, -1, 1]),
    "slice_spec": ([{"start": 1, "stop": None, "step": 2}, 0], 3),
    "equation": ("ij,jk->ik",),
    "stddev": (2.0,),
}


def given(name: str) -> tuple[Any, ...]:
    return (Y, *VALUES.get(name, (Z,)))


@cache
def operations() -> dict[str, Callable[[], Any]]:
    """Every function and graph operation of TensorFlow with the fewest arguments, and with each of the others; and what
    stands for an operation of today in the files of tf.keras."""
    cases: dict[str, Callable[[], Any]] = {}
    for name, row in FUNCTIONS.items():
        first, *others = row.names
        config = {"function": name}
        for number, arguments in enumerate(combinations(row.make, row.names, others, row.fixed)):
            call = Call((X,) if first else (), arguments)
            cases[f"{name} {number}"] = lambda config=config, call=call: lower("TFOpLambda", "op", config, call, "m")
    for name, row in OF_GRAPHS.items():
        names = [each.removeprefix("*") for each in row.inputs]
        tensors = [X, Y, Z, X, Y][: len(names)]
        for places in [(), *((at,) for at in range(len(names))), tuple(range(1, len(names)))]:
            for number in range(3):
                inputs = [
                    given(each)[1 + number % (len(given(each)) - 1)] if at in places else tensors[at]
                    for at, each in enumerate(names)
                ]
                attributes = {each: given(each)[1 + number % (len(given(each)) - 1)] for each in row.attributes}
                if number == 2:
                    attributes = {}
                arguments = {**dict(zip(names, inputs, strict=True)), **attributes}
                cases[f"graph {name} {places} {number}"] = lambda row=row.row, arguments=arguments: row.lower(arguments)
    for name in OPERATIONS:
        for number, arguments in enumerate(of_today(name)):
            cases[f"today {name} {number}"] = lambda name=name, arguments=arguments: written(name, arguments)
    return cases


def combinations(
    make: Any, names: Mapping[str, str], others: list[str], fixed: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """The arguments that have no default; then one more for each other one, with each of its values."""
    if isinstance(make, str):
        signature = OPERATIONS[make]
        needed = {*signature.call} - signature.optional | {k for k, v in signature.config.items() if v is REQUIRED}
    else:
        parameters = inspect.signature(make).parameters.values()
        needed = {each.name for each in parameters if each.default is each.empty and each.kind is not each.VAR_KEYWORD}
    base: dict[str, Any] = {}
    filled = set(fixed)
    for name in others:
        target = names[name]
        if target in needed and target not in filled:
            base[name] = given(name)[1 if name in VALUES else 0]
            filled.add(target)
    yield base
    for name in others:
        for value in given(name):
            yield {**{key: each for key, each in base.items() if names[key] != names[name]}, name: value}


# Tensors of an operation in a file that is to be written: dtype and how many axes.
TENSORS = {X: ("float32", 3), Y: ("float32", 3), Z: ("int32", 3)}


def of_today(name: str) -> Iterator[dict[str, Any]]:
    """Arguments of an operation of today: tensors and defaults; then each other value of each argument."""
    signature = OPERATIONS[name]
    base: dict[str, Any] = dict.fromkeys(signature.optional)
    tensors = [X, Y, Z]
    for at, key in enumerate(each for each in signature.call if each not in signature.optional):
        base[key] = [X, Y] if key in signature.lists else Z if key == "indices" else tensors[at % 2]
    base |= {key: TODAY.get(key, (3,))[0] if value is REQUIRED else value for key, value in signature.config.items()}
    yield base
    for key in signature.names:
        values = [*TODAY.get(key, (3,)), Z] if key in signature.config else [2, -1.5, Z, [[1, 2], [3, 4]]]
        yield from ({**base, key: value} for value in values)


SLICE = {"class_name": "__slice__", "config": {"start": 1, "stop": None, "step": 2}}
TODAY: Mapping[str, tuple[Any, ...]] = {
    "axis": (1, [0, 2], -1, None, (0, 1)),
    "axes": ([2, 0, 1], 1, (0, 2, 1)),
    **dict.fromkeys(("axis1", "source"), (0, -1)),
    **dict.fromkeys(("axis2", "destination"), (2, 1)),
    **dict.fromkeys(("keepdims", "equal_nan", "sorted", "approximate"), (True, False)),
    **dict.fromkeys(("shape", "newshape"), ([3, 2], [-1], (2, 3))),
    "dtype": ("int32", "float32", None),
    "repeats": (2, [1, 2, 1], (1, 2, 1)),
    "indices_or_sections": (3, [1, 3], [1, -2], [-3, -1]),
    "pad_width": ([[0, 0], [1, 2], [0, 3]],),
    "mode": ("constant", "reflect"),
    "key": ([SLICE, {"class_name": "__ellipsis__", "config": {}}, 0], 1, [None, SLICE]),
    "subscripts": ("ij,jk->ik",),
}


def written(name: str, arguments: Mapping[str, Any]) -> TensorFlowCall:
    return in_tensorflow(name, arguments, TENSORS)
