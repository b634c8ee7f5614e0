"""Every operation of Keras 3 that kerastorch has, on symbolic tensors."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

Case = Callable[..., Any]
MATRIX = np.linspace(-1.0, 1.0, 8).reshape(4, 2).astype("float32")
VECTOR = np.array([0.5, -1.5, 2.0, 0.25], "float32")


def each(names: str, find: Callable[[str], Any], use: Case, ending: str = "") -> dict[str, Case]:
    """One case for each name: what `use` makes of the function of that name."""
    return {name + ending: partial(use, find(name)) for name in names.split()}


def reduce(function: Any, axis: Any, keep: bool, k: Any, x: Any, y: Any, ids: Any) -> Any:
    return function(x, axis=axis, keepdims=keep)


def cases() -> dict[str, Case]:
    """Name -> function of (keras, x, y, ids): floats `(3, 5, 4)` twice, integers `(3, 5)`."""
    from keras import ops as o

    binary = "add subtract multiply divide true_divide maximum minimum arctan2 hypot logaddexp divide_no_nan mod fmod "
    binary += "floor_divide equal not_equal greater greater_equal less less_equal logical_and logical_or logical_xor"
    unary = "absolute ceil floor trunc round sign negative square exp expm1 sin cos tan sinh cosh tanh arcsinh arctan "
    unary += "exp2 deg2rad rad2deg isfinite isinf isnan logical_not erf relu relu6 selu sigmoid silu softplus softsign "
    unary += "sparse_plus sparse_sigmoid hard_sigmoid hard_silu hard_tanh log_sigmoid tanh_shrink elu celu gelu "
    unary += "leaky_relu soft_shrink hard_shrink squareplus softmax log_softmax sparsemax glu copy real conj ravel "
    unary += (
        "ones_like zeros_like stop_gradient sum mean max min any all prod std var argmax argmin ptp cumsum cumprod "
    )
    unary += "count_nonzero logsumexp normalize sort argsort nan_to_num transpose squeeze fliplr flipud"
    positive = "sqrt log log10 log1p log2 reciprocal rsqrt cbrt"
    small = "arcsin arccos arctanh"

    def find(name: str) -> Any:
        return getattr(o, name)

    cases: dict[str, Case] = {
        **each(binary, find, lambda f, k, x, y, ids: f(x, y)),
        **each(unary, find, lambda f, k, x, y, ids: f(x)),
        **each(positive, find, lambda f, k, x, y, ids: f(o.abs(x) + 0.2)),
        **each(small, find, lambda f, k, x, y, ids: f(x / 4)),
        **{
            f"{name}_{axis}_{keep}".replace(" ", ""): partial(reduce, find(name), axis, keep)
            for name in "sum mean max min any all prod std var logsumexp ptp".split()  # noqa: SIM905
            for axis, keep in ((1, False), (-1, True), ((0, 2), False), ((-1, 1), True), (None, True))
        },
        **each(
            "sum mean max min any prod std var exp sqrt absolute cumsum argmax ceil square round",
            find,
            lambda f, k, x, y, ids: f(ids),
            "_of_integers",
        ),
        **each(
            "argmax argmin cumsum cumprod softmax flip sort argsort normalize",
            find,
            lambda f, k, x, y, ids: [f(x, axis=1), f(x, axis=-1)],
            "_along",
        ),
    }
    return cases | {
        # python's operators and indices
        "plus": lambda k, x, y, ids: x + 1,
        "plus_from_the_left": lambda k, x, y, ids: 1 + x,
        "minus": lambda k, x, y, ids: x - y,
        "minus_from_the_left": lambda k, x, y, ids: 2 - x,
        "times": lambda k, x, y, ids: 2.5 * x,
        "over": lambda k, x, y, ids: x / 4,
        "over_from_the_left": lambda k, x, y, ids: 1 / (o.abs(x) + 1),
        "floor_over": lambda k, x, y, ids: x // 0.7,
        "modulo": lambda k, x, y, ids: x % 0.7,
        "power": lambda k, x, y, ids: x**2,
        "power_from_the_left": lambda k, x, y, ids: 2**x,
        "minus_itself": lambda k, x, y, ids: -x,
        "magnitude": lambda k, x, y, ids: abs(x),
        "at": lambda k, x, y, ids: x @ o.transpose(y, (0, 2, 1)),
        "at_array": lambda k, x, y, ids: x @ MATRIX,
        "comparisons": lambda k, x, y, ids: [x < y, x <= 0, x > y, x >= 0, ids != 2],
        "logic": lambda k, x, y, ids: [(x < 0) & (y < 0), (x < 0) | (y < 0), (x < 0) ^ (y < 0), ~(x < 0)],
        "integers_and_floats": lambda k, x, y, ids: [
            ids + 1,
            ids * 0.5,
            ids / 2,
            ids // 2,
            ids % 3,
            -ids,
            ids[..., None] * x,
        ],
        "integers_and_integers": lambda k, x, y, ids: [ids * ids, ids / (ids + 1), ids**2],
        "bool_and_numbers": lambda k, x, y, ids: [(ids > 2) + 1, (ids > 2) * 0.5, (x > 0) * x],
        "last_step": lambda k, x, y, ids: x[:, -1],
        "last_feature": lambda k, x, y, ids: x[..., -1],
        "slices": lambda k, x, y, ids: [x[:, 1:3], x[:, ::2], x[:, -3:], x[:, :-1, 1:], x[1], x[:, :100]],
        "new_axes": lambda k, x, y, ids: [x[:, None], x[..., None], x[:, None, 1:, None, 0]],
        "reversed_time": lambda k, x, y, ids: [x[:, ::-1], x[:, -2::-2], x[:, 3:0:-1], x[:, 1:3:-1]],
        # constants
        "array_plus": lambda k, x, y, ids: x + VECTOR,
        "tensor_times": lambda k, x, y, ids: o.convert_to_tensor(VECTOR) * x,
        "array_of_integers": lambda k, x, y, ids: ids * np.arange(5, dtype="int32"),
        # dtypes
        "cast_bool": lambda k, x, y, ids: o.cast(ids > 2, "float32"),
        "cast_int": lambda k, x, y, ids: [
            o.cast(ids, "float32"),
            o.cast(x, "int32"),
            o.cast(x, "bool"),
            o.cast(x, "float64"),
        ],
        "saturate": lambda k, x, y, ids: o.saturate_cast(x * 100, "uint8"),
        "converted": lambda k, x, y, ids: o.convert_to_tensor(x, dtype="float64"),
        # shapes
        "reshape": lambda k, x, y, ids: [o.reshape(x, (-1, 20)), o.reshape(x, (-1, 2, 2, 5))],
        "expand": lambda k, x, y, ids: [o.expand_dims(x, 1), o.expand_dims(x, -1), o.expand_dims(x, (0, 2))],
        "squeezed": lambda k, x, y, ids: [
            o.squeeze(x[:, :1], 1),
            o.squeeze(x[:, 1:2, :1], (1, 2)),
            o.squeeze(x[:, :1]),
        ],
        "transposed": lambda k, x, y, ids: [o.transpose(x, (0, 2, 1)), o.swapaxes(x, 1, -1), o.moveaxis(x, 2, 1)],
        "concatenated": lambda k, x, y, ids: [
            o.concatenate([x, y], -1),
            o.concatenate([x, y[:, :2]], 1),
            o.append(x, y, axis=1),
        ],
        "mixed_concatenated": lambda k, x, y, ids: o.concatenate([x, o.cast(y > 0, "int32")], axis=-1),
        "stacked": lambda k, x, y, ids: [
            o.stack([x, y], 1),
            o.stack([x, y, x], -1),
            o.hstack([x, y]),
            o.vstack([x, y]),
        ],
        "split_equal": lambda k, x, y, ids: o.split(x, 2, axis=-1),
        "split_at": lambda k, x, y, ids: o.split(x, [1, 4], axis=1),
        "unstacked": lambda k, x, y, ids: o.unstack(x, axis=1),
        "repeated": lambda k, x, y, ids: [o.repeat(x, 2, axis=1), o.repeat(x, [1, 0, 2, 1, 1], axis=1)],
        "tiled": lambda k, x, y, ids: [o.tile(x, (1, 2, 1)), o.tile(x, 2)],
        "padded": lambda k, x, y, ids: [
            o.pad(x, ((0, 0), (1, 2), (0, 0))),
            o.pad(x, ((0, 0), (2, 1), (1, 0)), "reflect"),
            o.pad(x, ((0, 0), (2, 1), (0, 2)), "symmetric"),
            o.pad(x, ((0, 0), (1, 0), (0, 0)), constant_values=7.0),
        ],
        "rolled": lambda k, x, y, ids: [o.roll(x, 1, axis=1), o.roll(x, -2, axis=-1), o.roll(x, 3)],
        "flipped": lambda k, x, y, ids: o.flip(x, axis=(1, 2)),
        "broadcast": lambda k, x, y, ids: o.broadcast_to(x[:, :1], (3, 5, 4)),
        "filled": lambda k, x, y, ids: [o.full_like(x, 3), o.ones_like(ids), o.zeros_like(x, dtype="int32")],
        "triangles": lambda k, x, y, ids: [
            o.tril(x),
            o.triu(x, k=1),
            o.diagonal(x, axis1=1, axis2=2),
            o.trace(x, axis1=1, axis2=2),
        ],
        "sizes": lambda k, x, y, ids: o.size(x) * ids,
        # places
        "taken": lambda k, x, y, ids: [
            o.take(x, [0, 2, -1], axis=1),
            o.take(x, 1, axis=1),
            o.take(x, ids[0] % 4, axis=2),
        ],
        "taken_along": lambda k, x, y, ids: o.take_along_axis(x, ids[..., None] % 4, axis=2),
        "one_hot": lambda k, x, y, ids: [
            o.one_hot(ids, 6),
            o.one_hot(ids - 2, 3),
            o.one_hot(ids, 6, axis=1, dtype="int32"),
        ],
        "top": lambda k, x, y, ids: o.top_k(x, 2),
        "where": lambda k, x, y, ids: [o.where(ids[..., None] > 2, x, 0.0), o.where(x > 0, x, y), o.where(x > 0, 1, 0)],
        "select": lambda k, x, y, ids: o.select([x > 1, x < -1], [x * 2, y], 0.5),
        "clipped": lambda k, x, y, ids: [o.clip(x, -0.5, 0.5), o.clip(ids, 1, 3)],
        # products
        "matmul": lambda k, x, y, ids: [
            o.matmul(x, o.transpose(y, (0, 2, 1))),
            o.matmul(x, VECTOR),
            o.matmul(ids, ids[0]),
        ],
        "dot": lambda k, x, y, ids: [o.dot(x, MATRIX), o.dot(x, VECTOR)],
        "tensordot": lambda k, x, y, ids: [o.tensordot(x, MATRIX, axes=1), o.tensordot(x, MATRIX, axes=[[2], [0]])],
        "einsum": lambda k, x, y, ids: [o.einsum("btf,bsf->bts", x, y), o.einsum("...f,fu->...u", x, MATRIX)],
        "outer_inner": lambda k, x, y, ids: [o.outer(x[0, 0], y[0, 0]), o.inner(x, y[0])],
        "attention": lambda k, x, y, ids: [
            o.dot_product_attention(x[:, :, None], y[:, :, None], x[:, :, None]),
            o.dot_product_attention(x[:, :, None], y[:, :, None], x[:, :, None], is_causal=True),
        ],
        "masked_attention": lambda k, x, y, ids: o.dot_product_attention(
            o.reshape(x, (-1, 5, 2, 2)),
            o.reshape(y, (-1, 5, 2, 2)),
            o.reshape(y, (-1, 5, 2, 2)),
            mask=(ids > 1)[:, None, None, :],
            scale=0.7,
        ),
        # others
        "averaged": lambda k, x, y, ids: [
            o.average(x, axis=1),
            o.average(x, axis=-1, weights=VECTOR),
            o.average(x, weights=abs(y)),
        ],
        "initial": lambda k, x, y, ids: [o.max(x, axis=1, initial=0.3), o.min(x, axis=1, initial=-0.3)],
        "moments": lambda k, x, y, ids: o.moments(x, axes=[1]),
        "norms": lambda k, x, y, ids: [
            o.norm(x, axis=-1),
            o.norm(x, ord=1, axis=1),
            o.norm(x, ord=3, axis=1, keepdims=True),
            o.norm(x, ord="fro", axis=(1, 2)),
        ],
        "normalized": lambda k, x, y, ids: [o.normalize(x, axis=1), o.normalize(x, axis=-1, order=1)],
        "differences": lambda k, x, y, ids: o.diff(x, axis=1),
        "rounded": lambda k, x, y, ids: [o.round(x * 10), o.round(x, 1), round(x * 2)],
        "close": lambda k, x, y, ids: o.isclose(x, x + 1e-7),
        "threshold": lambda k, x, y, ids: o.threshold(x, 0.3, -1.0),
        "relu_with_arguments": lambda k, x, y, ids: k.activations.relu(
            x, negative_slope=0.1, max_value=1.0, threshold=0.2
        ),
        "functions_of_activations": lambda k, x, y, ids: [
            k.activations.softmax(x, axis=1),
            k.activations.elu(x),
        ],
        "scaled_tanh": lambda k, x, y, ids: o.multiply(o.tanh(x), 3.0),
    }
