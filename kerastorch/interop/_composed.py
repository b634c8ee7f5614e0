"""Functions of torch that are several of its others in one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..errors import UnsupportedError
from ..layers.core.operation import apply
from ._open import filled_like
from ._size import unknown
from ._value import Value

if TYPE_CHECKING:
    from ._protocol import Tracer

Function = Callable[..., Any]


def _do(tracer: Tracer, name: str, *args: Any, **kwargs: Any) -> Any:
    """Another function of torch; of constants alone torch itself."""
    if not any(isinstance(item, Value) or unknown(item) for item in args):
        return getattr(torch, name)(*args, **kwargs)
    return tracer.functions[name](tracer, *args, **kwargs)


def _scaled(tracer: Tracer, item: Any, factor: float) -> Any:
    return item if factor == 1 else _do(tracer, "mul", item, factor)


def _added(operation: str) -> Function:
    """`input + value * (one op other)`."""

    def function(tracer: Tracer, input: Any, tensor1: Any, tensor2: Any, *, value: float = 1) -> Any:
        return _do(tracer, "add", input, _scaled(tracer, _do(tracer, operation, tensor1, tensor2), value))

    return function


def _added_product(tracer: Tracer, input: Any, mat1: Any, mat2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    product = _scaled(tracer, _do(tracer, "matmul", mat1, mat2), alpha)
    return _do(tracer, "add", _scaled(tracer, input, beta), product)


def _lerp(tracer: Tracer, input: Any, end: Any, weight: Any) -> Any:
    return _do(tracer, "add", input, _do(tracer, "mul", _do(tracer, "sub", end, input), weight))


def _distance(tracer: Tracer, x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    difference = _do(tracer, "add", _do(tracer, "sub", x1, x2), eps)
    return _do(tracer, "norm", difference, p, -1, keepdim)


def _with_mean(name: str) -> Function:
    def function(tracer: Tracer, input: Value, dim: Any = None, *args: Any, **kwargs: Any) -> Any:
        keepdim = kwargs.get("keepdim", False)
        return _do(tracer, name, input, dim, *args, **kwargs), _do(tracer, "mean", input, dim, keepdim)

    return function


def _softmin(tracer: Tracer, input: Value, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    return _do(tracer, "softmax", _do(tracer, "neg", input), dim, dtype=dtype)


def _diff(tracer: Tracer, input: Value, n: int = 1, dim: int = -1) -> Any:
    for _ in range(n):
        before = [slice(None)] * input.dim(dim)
        input.axis(dim, "is subtracted")
        parts = [_do(tracer, "__getitem__", input, (*before, item)) for item in (slice(1, None), slice(None, -1))]
        input = _do(tracer, "sub", *parts)
    return input


def _hstack(tracer: Tracer, tensors: Any) -> Any:
    if any(not isinstance(item, Value) or item.rank < 2 for item in tensors):
        raise UnsupportedError("hstack of tensors of one axis, or of constants: use cat or stack")
    return tracer.functions["cat"](tracer, tensors, 1)


def _full_like(tracer: Tracer, input: Value, fill_value: float, *, dtype: Any = None, **options: Any) -> Value:
    return filled_like(tracer, input.shape(), fill_value, dtype or input.tensor.dtype)


def _nan_to_num(
    tracer: Tracer, input: Value, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Value:
    limits = torch.finfo(input.tensor.dtype)
    numbers = (nan or 0.0, limits.max if posinf is None else posinf, limits.min if neginf is None else neginf)
    return input.with_tensor(apply("NanToNum", input.tensor, *numbers))


def _prelu(tracer: Tracer, input: Value, weight: Any) -> Any:
    if weight.ndim if isinstance(weight, Tensor) else weight.rank:
        sizes = [1, -1, *[1] * (input.rank - 2)] if input.rank > 1 else [-1]
        weight = weight.view(sizes) if isinstance(weight, Tensor) else _do(tracer, "view", weight, *sizes)
    return _do(tracer, "where", _do(tracer, "ge", input, 0), input, _do(tracer, "mul", input, weight))


# ---------------------------------------------------------------- attention


def _attention(
    tracer: Tracer,
    query: Value,
    key: Value,
    value: Value,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Value:
    if dropout_p or enable_gqa:
        raise UnsupportedError(
            "scaled_dot_product_attention with dropout_p or enable_gqa: pass dropout_p=p if self.training else 0.0, or "
            "write it with matmul and nn.Dropout"
        )
    size = query.tensor.shape[query.axis(-1, "works")]
    scores = _do(tracer, "matmul", query, _do(tracer, "transpose", key, -1, -2))
    scores = scores.with_tensor(apply("Multiply", scores.tensor, size**-0.5 if scale is None else scale))
    if is_causal:
        before, now = (_do(tracer, "arange", item.size(-2)) for item in (key, query))
        attn_mask = _do(tracer, "ge", _do(tracer, "unsqueeze", now, 1), _do(tracer, "unsqueeze", before, 0))
    if attn_mask is None:
        return _do(tracer, "matmul", _do(tracer, "softmax", scores, -1), value)
    if (attn_mask.tensor if isinstance(attn_mask, Value) else attn_mask).dtype != torch.bool:
        return _do(tracer, "matmul", _do(tracer, "softmax", _do(tracer, "add", scores, attn_mask), -1), value)
    hidden = _do(tracer, "logical_not", attn_mask)
    weights = _do(tracer, "softmax", _do(tracer, "masked_fill", scores, hidden, float("-inf")), -1)
    # A row of which nothing is looked at is zero, as torch has it.
    return _do(tracer, "matmul", _do(tracer, "masked_fill", weights, hidden, 0.0), value)


def _cosine_similarity(tracer: Tracer, x1: Value, x2: Value, dim: int = 1, eps: float = 1e-8) -> Value:
    product = _do(tracer, "sum", _do(tracer, "mul", x1, x2), dim)
    norms = [_do(tracer, "clamp", _do(tracer, "norm", value, 2, dim), eps) for value in (x1, x2)]
    return _do(tracer, "div", product, _do(tracer, "mul", *norms))


FUNCTIONS: Mapping[str, Function] = {
    "addcmul": _added("mul"),
    "addcdiv": _added("div"),
    "addmm": _added_product,
    "baddbmm": lambda tracer, input, batch1, batch2, **factors: _added_product(
        tracer, input, batch1, batch2, **factors
    ),
    "lerp": _lerp,
    "pairwise_distance": _distance,
    "var_mean": _with_mean("var"),
    "std_mean": _with_mean("std"),
    "softmin": _softmin,
    "diff": _diff,
    **dict.fromkeys(("hstack", "column_stack"), _hstack),
    "clamp_min": lambda tracer, input, min: _do(tracer, "clamp", input, min),
    "clamp_max": lambda tracer, input, max: _do(tracer, "clamp", input, None, max),
    "nan_to_num": _nan_to_num,
    "full_like": _full_like,
    "prelu": _prelu,
    "scaled_dot_product_attention": _attention,
    "cosine_similarity": _cosine_similarity,
}
