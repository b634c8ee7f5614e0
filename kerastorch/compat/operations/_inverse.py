"""Operations of today -> functions of TensorFlow, for writing: the table of the reading direction, turned round.

Nothing is taken on trust: what is found is read again by that table, and must be the operation that it was made for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ...operations import OPERATIONS
from ...spec import TensorRef, refs_of
from ..forms.form import keys
from ._expression import NotSupported, bound
from ._rows import Row
from ._tensorflow import FUNCTIONS


@dataclass(frozen=True)
class TensorFlowCall:
    """The call of a function of TensorFlow.

    Attributes:
        symbol: Its name, as TFOpLambda writes it.
        first: Its first argument.
        options: The others by name.
    """

    symbol: str
    first: Any
    options: Mapping[str, Any]


# Other names of one operation.
_SAME = {
    **{"Abs": "Absolute", "Fabs": "Absolute", "Conj": "Conjugate", "Divide": "TrueDivide", "Amax": "Max"},
    **{"Amin": "Min"},
}
# Operations whose row puts them together by a function -> the name of that row.
_COMPOSED = {
    **{name: f"math.reduce_{name.lower()}" for name in ("Sum", "Mean", "Max", "Min", "Prod", "Any", "All", "Std")},
    **{"Var": "math.reduce_variance", "Logsumexp": "math.reduce_logsumexp", "Norm": "norm", "Moments": "nn.moments"},
    **{"Silu": "nn.silu", "LeakyRelu": "nn.leaky_relu", "Clip": "clip_by_value", "Where": "where", "Copy": "identity"},
    **{"ZerosLike": "zeros_like", "OnesLike": "ones_like", "Shape": "shape", "Arange": "range", "Pad": "pad"},
    **{"Cumsum": "math.cumsum", "Cumprod": "math.cumprod", "Matmul": "linalg.matmul", "OneHot": "one_hot"},
    **{"Squeeze": "squeeze", "Concatenate": "concat", "Stack": "stack", "Split": "split", "Take": "gather"},
    **{"BatchTake": "gather", "GetItem": "__operators__.getitem"},
}
# Arguments of these operations whose name is neither that of the row's function nor its target there.
_RENAMED: Mapping[str, Mapping[str, str]] = {
    "Concatenate": {"xs": "values"},
    "Stack": {"x": "values"},
    "Matmul": {"x1": "a", "x2": "b"},
    "Clip": {"x": "t", "x_min": "clip_value_min", "x_max": "clip_value_max"},
    "LeakyRelu": {"x": "features", "negative_slope": "alpha"},
    "Silu": {"x": "features"},
    "Norm": {"x": "tensor"},
    "Squeeze": {"x": "input"},
    "Shape": {"x": "input"},
    "Where": {"x1": "x", "x2": "y"},
    "Split": {"x": "value", "indices_or_sections": "num_or_size_splits"},
    "Take": {"x": "params"},
    "BatchTake": {"x": "params"},
    "OneHot": {"x": "indices", "num_classes": "depth"},
    "Pad": {"x": "tensor", "pad_width": "paddings"},
    "GetItem": {"x": "tensor", "key": "slice_spec"},
    "Arange": {"stop": "limit", "step": "delta"},
}
# TensorFlow's functions take one dtype; these take integers and booleans as Keras's do.
_ANY_DTYPE = keys(
    "Absolute Negative Square Sign Add Subtract Multiply Maximum Minimum Mod FloorDivide Equal NotEqual Greater "
    "GreaterEqual Less LessEqual LogicalNot LogicalAnd LogicalOr LogicalXor Any All Max Min Cast GetItem Take "
    "BatchTake OneHot Where Reshape ExpandDims Squeeze Transpose Concatenate Stack Unstack Split Tile Repeat Flip Roll "
    "Pad BroadcastTo ConvertToTensor Copy ZerosLike OnesLike StopGradient Shape Size Arange Full TopK"
)
# Arguments that are not of the dtype of the others.
_OWN_DTYPE = frozenset({"indices", "condition", "key"})


def in_tensorflow(
    function: str, arguments: Mapping[str, Any], tensors: Mapping[TensorRef, tuple[str, int]]
) -> TensorFlowCall:
    """The function of TensorFlow that an operation is.

    Args:
        function: The operation.
        arguments: All its arguments; tensors are `TensorRef`s.
        tensors: Their dtypes and how many axes they have.

    Raises:
        NotSupported: TensorFlow has no single function for it, or not with these arguments.
    """
    function, given = _rewritten(_SAME.get(function, function), constants(dict(arguments)), tensors)
    given = _of_one_dtype(function, given, {ref: dtype for ref, (dtype, _) in tensors.items()})
    for symbol in _candidates(function):
        row = FUNCTIONS[symbol]
        options = _options(function, row, given)
        first = next(iter(row.names))
        if first not in options:
            continue
        try:
            found = row.lower(options)
        except NotSupported:
            continue
        start = options[first]
        if isinstance(start, list) and not all(isinstance(item, TensorRef) for item in start):
            raise NotSupported("tf-keras cannot read constants in the place of its first argument")
        if found.function == function and _plain(found.arguments) == _plain(bound(function, (), given, {}).arguments):
            return TensorFlowCall(symbol, _written(options.pop(first)), _written(options))
    raise NotSupported("TensorFlow has no single function that computes it")


_SYMMETRIC = keys("Add Multiply Maximum Minimum Equal NotEqual LogicalAnd LogicalOr LogicalXor")

_REVERSED = {"Less": "Greater", "Greater": "Less", "LessEqual": "GreaterEqual", "GreaterEqual": "LessEqual"}


def constants(value: Any) -> Any:
    """Arrays as the lists of numbers that they hold."""
    if isinstance(value, dict):
        if value.get("class_name") in ("__numpy__", "__tensor__"):
            return value["config"]["value"]
        return {key: constants(item) for key, item in value.items()}
    return [constants(item) for item in value] if isinstance(value, (list, tuple)) else value


def _rewritten(
    function: str, given: dict[str, Any], tensors: Mapping[TensorRef, tuple[str, int]]
) -> tuple[str, dict[str, Any]]:
    """The same in words that TensorFlow has: axes in a list, all of them where they are permuted."""
    rank = tensors[given["x"]][1] if isinstance(given.get("x"), TensorRef) else 0
    if function == "Swapaxes" and rank:
        axes = list(range(rank))
        first, second = given["axis1"], given["axis2"]
        axes[first], axes[second] = axes[second], axes[first]
        return "Transpose", {"x": given["x"], "axes": axes}
    if function in ("Fliplr", "Flipud"):
        return "Flip", {"x": given["x"], "axis": [int(function == "Fliplr")]}
    if function == "Ravel":
        return "Reshape", {"x": given["x"], "newshape": [-1]}
    if function == "Pad" and given["mode"] == "constant" and given["constant_values"] is None:
        given["constant_values"] = 0
    if function in ("Flip", "Norm", "Squeeze") and given["axis"] is not None:
        axes = given["axis"] if isinstance(given["axis"], list) else [given["axis"]]
        given["axis"] = axes[0] if function == "Norm" and len(axes) == 1 else axes
    if function == "Tile" and isinstance(given["repeats"], int) and rank:
        given["repeats"] = [1] * (rank - 1) + [given["repeats"]]
    if function == "GetItem" and rank:
        given["key"] = _without_ellipsis(given["key"] if isinstance(given["key"], list) else [given["key"]], rank)
    if function == "ConvertToTensor" and given["dtype"] not in (None, tensors.get(given["x"], ("", 0))[0]):
        function, given = "Cast", {"x": given["x"], "dtype": given["dtype"]}
    if function == "ExpandDims" and isinstance(given["axis"], list):
        raise NotSupported("it adds several axes at once")
    if function in ("Take", "BatchTake") and _has_negative(given["indices"]):
        raise NotSupported("its indices count from the end")
    if function == "Roll" and given["axis"] is None:
        raise NotSupported("it rolls the values of all axes in one row")
    if function in _REVERSED and not refs_of(given["x1"]):
        return _REVERSED[function], {"x1": given["x2"], "x2": given["x1"]}
    if function in _SYMMETRIC and not refs_of(given["x1"]):
        given["x1"], given["x2"] = given["x2"], given["x1"]
    return function, given


def _has_negative(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_has_negative, value))
    return isinstance(value, (int, float)) and value < 0


def _without_ellipsis(key: list[Any], rank: int) -> list[Any]:
    """Whole axes in its place: tf-keras does not read it from every file."""
    whole = {"class_name": "__slice__", "config": {"start": None, "stop": None, "step": None}}
    places = [at for at, part in enumerate(key) if isinstance(part, dict) and part["class_name"] == "__ellipsis__"]
    if len(places) != 1:
        return key
    taken = sum(part is not None for part in key) - 1
    return [*key[: places[0]], *[whole] * (rank - taken), *key[places[0] + 1 :]]


def _candidates(function: str) -> list[str]:
    """The rows that may be the operation, best first."""
    found = [symbol for symbol, row in FUNCTIONS.items() if row.make == function]
    return found if function not in _COMPOSED else [_COMPOSED[function], *found]


def _options(function: str, row: Row, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of the row's function."""
    names = {
        **{target: old for old, target in reversed(list(row.names.items())) if target},
        **_RENAMED.get(function, {}),
    }
    defaults = OPERATIONS[function].config
    options: dict[str, Any] = {}
    for name, value in given.items():
        says_nothing = value is None or (name in defaults and defaults[name] == value and name not in row.fixed)
        if name in names and not (says_nothing and names[name] not in _KEPT):
            options[names[name]] = value
    if function == "Split":
        options["num_or_size_splits"] = _sizes(given["indices_or_sections"])
    return options


_KEPT = frozenset({"axis"})  # TensorFlow's own defaults are others


def _sizes(sections: Any) -> Any:
    """Where Keras splits -> how long the parts are, the last one as long as it comes."""
    if not isinstance(sections, (list, tuple)):
        return sections
    if not all(isinstance(at, int) for at in sections):
        raise NotSupported("it splits at places that are computed")
    ahead, behind = [at for at in sections if at >= 0], [at for at in sections if at < 0]
    parts = [after - before for before, after in pairwise([0, *ahead])]
    return [*parts, -1, *(after - before for before, after in pairwise([*behind, 0]))]


def _of_one_dtype(function: str, arguments: Mapping[str, Any], dtypes: Mapping[TensorRef, str]) -> dict[str, Any]:
    """The arguments with whole numbers as floats where the tensors are floats; refused where dtypes are mixed."""
    sign = OPERATIONS[function]
    operands = [name for name in sign.call if name not in _OWN_DTYPE]
    kinds = {dtypes[ref] for name in operands for ref in refs_of(arguments[name])}
    if len(kinds) > 1:
        raise NotSupported(f"its inputs are of {' and '.join(sorted(kinds))}, which TensorFlow does not mix")
    kind = next(iter(kinds), "float32")
    if (function in ("Any", "All") or function.startswith("Logical")) and kind != "bool":
        raise NotSupported(f"its input is of {kind}, and TensorFlow takes bool")
    floats = kind.startswith(("float", "bfloat"))
    if not floats and function not in _ANY_DTYPE:
        raise NotSupported(f"its input is of {kind}, of which TensorFlow computes something else")

    def operand(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [operand(item) for item in value]
        if isinstance(value, float) and not floats:
            raise NotSupported(f"it mixes {kind} with the number {value}")
        return float(value) if floats and isinstance(value, int) and not isinstance(value, bool) else value

    return {name: operand(value) if name in operands else value for name, value in arguments.items()}


def _plain(value: Any) -> Any:
    """A value in which lists and tuples are the same, and numbers by their value."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return {key: _plain(item) for key, item in value.items()} if isinstance(value, Mapping) else value


def _written(value: Any) -> Any:
    """The form of TensorFlow's Keras: slices are dicts of their bounds."""
    if isinstance(value, (list, tuple)):
        return [_written(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    if value.get("class_name") == "__slice__":
        return _written(value["config"])
    if value.get("class_name") == "__ellipsis__":
        return {"class_name": "__ellipsis__"}
    return {key: _written(item) for key, item in value.items()}
