"""The operations of Keras 3, which stand in the graph of a model like layers: a closed table of names and arguments.

Data only. `layers/functions/` computes them; `compat/` turns the operations of every era into these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import ArgumentError, quote

REQUIRED = object()


@dataclass(frozen=True)
class Signature:
    """The arguments of one operation.

    Attributes:
        module: Where Keras 3 keeps the class; empty for what Keras 3 has no class for.
        call: What a call takes, in order: tensors, and what else stands there.
        config: What the constructor takes -> its default, or `REQUIRED`.
        optional: Arguments of the call that may be left out (None).
        lists: Arguments of the call that are lists of tensors.
        starred: Whether the call takes its one list as `*args`.
    """

    module: str
    call: tuple[str, ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    starred: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.call, *self.config)


def _op(call: str, /, **config: Any) -> Signature:
    """`"x weights?"`: an argument that may be left out; `"[xs]"`: a list of tensors; `"*xs"`: one after the other."""
    words = call.split()
    names = tuple(word.strip("?[]*") for word in words)
    return Signature(
        "",
        names,
        config,
        frozenset(name for name, word in zip(names, words, strict=True) if word.endswith("?")),
        frozenset(name for name, word in zip(names, words, strict=True) if word[0] in "[*"),
        words[0].startswith("*"),
    )


def _each(names: str, signature: Signature) -> dict[str, Signature]:
    return dict.fromkeys(names.split(), signature)


_ONE, _TWO = _op("x"), _op("x1 x2")
_REDUCING = _op("x", axis=None, keepdims=False)

_NUMPY: dict[str, Signature] = {
    **_each(
        "Absolute Abs Arccos Arccosh Arcsin Arcsinh Arctan Arctanh Cbrt Ceil Conj Conjugate Copy Cos Cosh Deg2rad "
        "Exp Exp2 Expm1 Fabs Fliplr Flipud Floor Isfinite Isinf Isnan Log Log10 Log1p Log2 LogicalNot Ndim Negative "
        "Rad2deg Ravel Real Reciprocal Sign Sin Sinh Size Sqrt Square Tan Tanh Trunc",
        _ONE,
    ),
    **_each(
        "Add Arctan2 Divide DivideNoNan Dot Equal FloorDivide Fmod Greater GreaterEqual Hypot Inner Less LessEqual "
        "Logaddexp LogicalAnd LogicalOr LogicalXor Matmul Maximum Minimum Mod Multiply NotEqual Outer Power Subtract "
        "TrueDivide",
        _TWO,
    ),
    **_each("All Any Argmax Argmin Mean Ptp Std Sum Var", _REDUCING),
    **_each("Max Min", _op("x", axis=None, keepdims=False, initial=None)),
    **_each("Amax Amin", _REDUCING),
    **_each("BitwiseAnd BitwiseOr BitwiseXor", _op("x y")),
    **_each("BitwiseNot BitwiseInvert", _ONE),
    **_each("Cumsum Cumprod", _op("x", axis=None, dtype=None)),
    **_each("OnesLike ZerosLike Array", _op("x", dtype=None)),
    **_each("Tril Triu Diag", _op("x", k=0)),
    **_each("Sort Argsort", _op("x", axis=-1)),
    **_each("Diagonal Trace", _op("x", offset=0, axis1=0, axis2=1)),
    **_each("Hstack Vstack", _op("[xs]")),
    "Append": _op("x1 x2", axis=None),
    "Arange": _op("start stop? step?", dtype=None),
    "Average": _op("x weights?", axis=None),
    "BroadcastTo": _op("x", shape=REQUIRED),
    "Clip": _op("x", x_min=REQUIRED, x_max=REQUIRED),
    "Concatenate": _op("[xs]", axis=0),
    "CountNonzero": _op("x", axis=None),
    "Diff": _op("a", n=1, axis=-1),
    "Einsum": _op("*operands", subscripts=REQUIRED),
    "ExpandDims": _op("x", axis=REQUIRED),
    "Flip": _op("x", axis=None),
    "Full": _op("fill_value", shape=REQUIRED, dtype=None),
    "FullLike": _op("x fill_value", dtype=None),
    "GetItem": _op("x key"),
    "Isclose": _op("x1 x2 rtol? atol?", equal_nan=False),
    "Moveaxis": _op("x", source=REQUIRED, destination=REQUIRED),
    "NanToNum": _op("x", nan=0.0, posinf=None, neginf=None),
    "Pad": _op("x constant_values?", pad_width=REQUIRED, mode="constant"),
    "Prod": _op("x", axis=None, keepdims=False, dtype=None),
    "Repeat": _op("x", repeats=REQUIRED, axis=None),
    "Reshape": _op("x", newshape=REQUIRED),
    "Roll": _op("x", shift=REQUIRED, axis=None),
    "Round": _op("x", decimals=0),
    "Select": _op("[condlist] [choicelist] default?"),
    "Split": _op("x", indices_or_sections=REQUIRED, axis=0),
    "Squeeze": _op("x", axis=None),
    "Stack": _op("[x]", axis=0),
    "Swapaxes": _op("x", axis1=REQUIRED, axis2=REQUIRED),
    "Take": _op("x indices", axis=None),
    "TakeAlongAxis": _op("x indices", axis=None),
    "Tensordot": _op("x1 x2", axes=2),
    "Tile": _op("x", repeats=REQUIRED),
    "Transpose": _op("x", axes=None),
    "Where": _op("condition x1? x2?"),
}
_NN: dict[str, Signature] = {
    **_each(
        "HardSigmoid HardSilu HardTanh LogSigmoid Relu Relu6 Selu Sigmoid Silu Softplus Softsign SparsePlus "
        "SparseSigmoid TanhShrink",
        _ONE,
    ),
    **_each("Softmax LogSoftmax Sparsemax Glu", _op("x", axis=-1)),
    **_each("Elu Celu", _op("x", alpha=1.0)),
    **_each("SoftShrink HardShrink", _op("x", threshold=0.5)),
    "DotProductAttention": _op(
        "query key value bias? mask? scale?", is_causal=False, flash_attention=None, attn_logits_soft_cap=None
    ),
    "Gelu": _op("x", approximate=True),
    "LeakyRelu": _op("x", negative_slope=0.2),
    "Moments": _op("x", axes=REQUIRED, keepdims=False, synchronized=False),
    "Normalize": _op("x", axis=-1, order=2, epsilon=None),
    "OneHot": _op("x", num_classes=REQUIRED, axis=-1, dtype=None, sparse=False),
    "Squareplus": _op("x", b=4),
    "Threshold": _op("x", threshold=REQUIRED, default_value=REQUIRED),
}
_CORE: dict[str, Signature] = {
    **_each("Cast SaturateCast", _op("x", dtype=REQUIRED)),
    "ConvertToTensor": _op("x", dtype=None, sparse=None, ragged=None),
    "StopGradient": _op("variable"),
    "Unstack": _op("x", num=None, axis=0),
}
_MATH: dict[str, Signature] = {
    **_each("Erf Rsqrt", _ONE),
    "Logsumexp": _REDUCING,
    "TopK": _op("x", k=REQUIRED, sorted=True),
}
_LINALG = {"Norm": _op("x", ord=None, axis=None, keepdims=False)}
# What graphs before Keras 3 hold and Keras 3 has no class for.
_OURS = {"Shape": _ONE, "BatchTake": _op("x indices", axis=REQUIRED, batch_dims=REQUIRED)}
_ACTIVATIONS = {"ReLU": _op("x", negative_slope=0.0, max_value=None, threshold=0.0)}

OPERATIONS: Mapping[str, Signature] = {
    name: Signature(module, sign.call, sign.config, sign.optional, sign.lists, sign.starred)
    for module, table in (
        ("keras.src.ops.numpy", _NUMPY),
        ("keras.src.ops.nn", _NN),
        ("keras.src.ops.core", _CORE),
        ("keras.src.ops.math", _MATH),
        ("keras.src.ops.linalg", _LINALG),
        ("keras.src.activations.activations", _ACTIVATIONS),
        ("", _OURS),
    )
    for name, sign in table.items()
}


def bind(
    function: str,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """All arguments of one use of an operation by their names, defaults included.

    Args:
        function: A name of `OPERATIONS`.
        args: Positional arguments of the call.
        kwargs: The others; an early Keras 3 gave some of the constructor's arguments here.
        config: Arguments of the constructor.

    Raises:
        ArgumentError: An argument is missing, unknown, or given twice.
    """
    sign = OPERATIONS[function]
    given: dict[str, Any] = {}
    if sign.starred and args:
        given[sign.call[0]], args = list(args), ()
    if len(args) > len(sign.names):
        raise ArgumentError(f"{function} takes {len(sign.names)} arguments, got {len(args)}.")
    for part in (dict(zip(sign.names, args, strict=False)), dict(kwargs or {}), dict(config or {})):
        twice = sorted(part.keys() & given.keys())
        if twice:
            raise ArgumentError(f"{function}: {', '.join(map(quote, twice))} is given twice.")
        given |= part
    unknown = sorted(str(name) for name in given.keys() - set(sign.names))
    if unknown:
        raise ArgumentError(
            f"{function} has no argument {', '.join(map(quote, unknown))}; it takes {', '.join(sign.names)}."
        )
    defaults = {**dict.fromkeys(sign.optional), **sign.config}
    for name, value in given.items():  # keepdims=1 is as good as True in every Keras
        if isinstance(defaults.get(name), bool) and isinstance(value, int) and value in (0, 1):
            given[name] = bool(value)
    bound = {name: given[name] if name in given else defaults.get(name, REQUIRED) for name in sign.names}
    missing = [name for name, value in bound.items() if value is REQUIRED]
    if missing:
        raise ArgumentError(f"{function} lacks {', '.join(missing)}.")
    return bound
