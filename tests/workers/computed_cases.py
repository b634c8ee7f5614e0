"""Operations that only compute: the same calls in Keras and in kerastorch, name -> cases of `keras.ops.<name>`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_rng = np.random.default_rng(11)


def _floats(*shape: int) -> np.ndarray:
    return _rng.normal(size=shape).astype("float32")


X, Y, V, W = _floats(3, 4), _floats(3, 4), _floats(5), _floats(7)
CUBE = _floats(2, 3, 4)
N = np.array([[3, 0, 12], [7, 5, 3]], "int32")
M = np.array([[2, 4, 9], [1, 15, 3]], "int32")
HOLES = np.where(_rng.random((3, 4)) < 0.3, np.nan, X).astype("float32")
HOLES[1] = np.nan
HOLES[0, 0] = 1.5
ENDS = np.array([np.inf, -np.inf, 0.0, -0.0, 2.0], "float32")
SQUARE = _floats(2, 3, 3)
POSITIVE = SQUARE @ SQUARE.transpose(0, 2, 1) + np.eye(3, dtype="float32")
LOWER = np.tril(SQUARE) + 2 * np.eye(3, dtype="float32")
RIGHT = _floats(2, 3, 2)
IDS = np.array([0, 2, 0, 3, 2, -1], "int32")
ROWS = _floats(6, 3)
LOGITS = 2 * _floats(3, 7, 5)
LENGTHS = np.array([7, 4, 6], "int32")
LABELS = np.array([[1, 2, 2], [3, 1, 0], [4, 4, 1]], "int32")
PROBABILITIES = np.exp(X) / np.exp(X).sum(-1, keepdims=True)
ONE_HOT = np.eye(4, dtype="float32")[[1, 3, 0]]
FRACTIONS = _rng.random((3, 4)).astype("float32")

Case = Callable[[Any], Any]


def _calls(*args: tuple[Any, ...], **options: Any) -> Case:
    """Several calls of the function with these arguments."""
    return lambda f: [f(*one, **options) for one in args]


_ELEMENTWISE = "erfc hard_swish i0 imag isreal signbit sinc swish"
CASES: dict[str, Case] = {
    **dict.fromkeys(_ELEMENTWISE.split(), _calls((X,), (CUBE,))),
    **dict.fromkeys(("isneginf", "isposinf"), _calls((ENDS,))),
    **dict.fromkeys(("fmax", "fmin"), _calls((X, Y), (HOLES, Y))),
    **dict.fromkeys(("gcd", "lcm"), _calls((N, M))),
    **dict.fromkeys(("logaddexp2", "nextafter"), _calls((X, Y))),
    **dict.fromkeys(
        ("bitwise_left_shift", "bitwise_right_shift", "left_shift", "right_shift"), _calls((N, np.int32(2)), (N, N % 3))
    ),
    **dict.fromkeys(
        ("nanmax", "nanmin", "nansum", "nanprod", "nanmean", "nanstd", "nanvar", "nanmedian"),
        lambda f: [
            f(HOLES),
            f(HOLES, axis=0),
            f(HOLES[[0, 2]], axis=1),
            f(HOLES[[0, 2]], axis=-1, keepdims=True),
            f(CUBE, axis=(0, 2)),
        ],
    ),
    **dict.fromkeys(("nanargmax", "nanargmin"), lambda f: [f(HOLES[[0, 2]], axis=1), f(HOLES), f(X, axis=0)]),
    **dict.fromkeys(
        ("nancumsum", "nancumprod"), lambda f: [f(HOLES), f(HOLES, axis=1), f(HOLES, axis=0, dtype="float64")]
    ),
    **dict.fromkeys(
        ("quantile", "nanquantile"),
        lambda f: [
            f(X, 0.3),
            f(X, [0.1, 0.5, 0.9], axis=0),
            f(CUBE, 0.25, axis=(0, 2), keepdims=True),
            f(X, 0.3, method="lower"),
            f(X, 0.3, axis=1, method="higher"),
            f(X, 0.3, axis=1, method="nearest"),
            f(X, 0.3, axis=1, method="midpoint"),
        ],
    ),
    **dict.fromkeys(("percentile", "nanpercentile"), lambda f: [f(X, 30.0), f(X, [10.0, 50.0, 90.0], axis=0)]),
    **dict.fromkeys(
        ("segment_sum", "segment_max", "segment_min", "segment_prod"),
        lambda f: [
            f(ROWS, np.abs(IDS)),
            np.asarray(f(ROWS, IDS, 5))[[0, 2, 3]],
            f(V, np.array([0, 0, 1, 1, -1]), num_segments=2),
            f(N, np.array([1, 0])),
        ],
    ),
    **dict.fromkeys(("bartlett", "hamming", "hanning", "blackman"), _calls((7,))),
    **dict.fromkeys(("zeros", "ones"), _calls(((2, 3),), ((4,), "int32"), ((), "float64"))),
    "empty": lambda f: [f((2, 3)).shape, f((2,), "int32").dtype == f((2,), "int32").dtype],
    "empty_like": lambda f: [f(X).shape],
    "angle": _calls((X,)),
    "erfinv": _calls((np.tanh(X),)),
    "heaviside": _calls((ENDS, np.float32(0.5)), (N, 1)),
    "kron": _calls((X, Y), (V, W)),
    "vdot": _calls((X, Y), (V, V)),
    "ldexp": _calls((X, N[:, :1][0])),
    "polar": lambda f: [np.asarray(f(np.abs(X), Y)).real, np.asarray(f(np.abs(X), Y)).imag],
    "allclose": _calls((X, X + 1e-9), (X, Y)),
    "isin": lambda f: [f(N, [3, 5]), f(N, [3, 5], invert=True)],
    "cross": lambda f: [f(X[:, :3], Y[:, :3]), f(X[:, :2], Y[:, :2]), f(X[:3], Y[:3], axis=0)],
    "rot90": lambda f: [f(X), f(CUBE, 3, (1, 2))],
    "diagflat": lambda f: [f(V), f(V, 2), f(V, -1)],
    "vander": lambda f: [f(V), f(V, 3), f(V, 3, increasing=True)],
    "trapezoid": lambda f: [f(X), f(X, dx=0.5, axis=0), f(V, np.sort(V))],
    "argpartition": lambda f: [np.sort(f(V, 2)[:3]), f(np.array([[3.0, 1.0, 2.0]], "float32"), 0)[:, 0]],
    "searchsorted": lambda f: [f(np.sort(V), W), f(np.sort(N[0]), N[0], side="right")],
    "digitize": _calls((X, np.sort(V)), (N, np.array([1, 5, 9]))),
    "bincount": lambda f: [f(N[0]), f(N, minlength=20), f(N[0], weights=V[:3])],
    "histogram": lambda f: [*f(W, 5), *f(W, 4, (-1.0, 1.0))],
    "corrcoef": _calls((X,)),
    "correlate": lambda f: [f(W, V, mode) for mode in ("valid", "same", "full")],
    "median": lambda f: [f(X), f(X, axis=1), f(CUBE, axis=(0, 2), keepdims=True)],
    "in_top_k": lambda f: [f(np.array([0, 3, 1]), X, k) for k in (1, 2, 3)],
    "unique": lambda f: [
        f(N),
        *f(N, return_index=True, return_inverse=True, return_counts=True),
        f(N, size=8, fill_value=-1),
        f(N, size=2),
    ],
    "eye": lambda f: [f(3), f(2, 4), f(3, k=1), f(3, 4, -1, "int32")],
    "identity": lambda f: [f(3), f(2, "int32")],
    "tri": lambda f: [f(3), f(2, 4), f(3, k=1, dtype="int32")],
    "linspace": lambda f: [
        f(0, 1, 5),
        f(0.0, 2.0, 4, endpoint=False),
        *f(1.0, 3.0, 3, retstep=True),
        f(V, 2 * V, 3, axis=1),
        f(0, 10, 4, dtype="int32"),
        f(1.0, 3.0, 1),
    ],
    "logspace": lambda f: [f(0, 2, 5), f(0.0, 3.0, 4, base=2), f(0.0, 2.0, 4, endpoint=False)],
    "geomspace": lambda f: [f(1.0, 100.0, 5), f(1.0, 8.0, 3, endpoint=False)],
    "kaiser": _calls((7, 3.0)),
    "meshgrid": lambda f: [*f(V, W), *f(V, W, indexing="ij")],
    "slice": lambda f: [f(CUBE, (0, 1, 2), (2, 1, 2)), f(X, (1, 0), (2, 4))],
    "slice_update": lambda f: [f(X, (1, 1), Y[:2, :2])],
    "scatter": lambda f: [f([[0, 1], [2, 0], [0, 1]], V[:3], (3, 2)), f([[1], [3]], X[:2], (5, 4))],
    "scatter_update": lambda f: [
        f(X, [[0, 1], [2, 0]], V[:2]),
        f(X, [[1], [2]], Y[:2]),
        *(f(X, [[0, 1], [2, 0], [2, 0]], V[:3], reduction=way) for way in ("add", "max", "min", "mul")),
    ],
    "nonzero": lambda f: list(f(N)),
    "unravel_index": lambda f: list(f(np.array([0, 5, 11]), (3, 4))),
    "array_split": lambda f: [*f(W, 3), *f(X, 3, axis=1)],
    "dsplit": lambda f: list(f(CUBE, 2)),
    "vsplit": lambda f: list(f(X, [1])),
    "hsplit": lambda f: [*f(X, 2), *f(V, [2])],
    "dstack": lambda f: [f([X, Y]), f([V, V])],
    "extract_sequences": lambda f: [f(W, 3, 2), f(X, 2, 1)],
    "convert_to_numpy": lambda f: [f(X), f([1, 2])],
    "is_tensor": lambda f: [f(X), f(3)],
    "dtype": lambda f: [f(X), f(N)],
    "view_as_real": lambda f: [f((X + 1j * Y).astype("complex64"))],
    "view_as_complex": lambda f: [np.asarray(f(_PAIRS)).real, np.asarray(f(_PAIRS)).imag],
    "view": lambda f: [f(X, "int32")],
    "cholesky": lambda f: [f(POSITIVE), f(POSITIVE, upper=True)],
    "cholesky_inverse": lambda f: [f(np.linalg.cholesky(POSITIVE[0]).astype("float32"))],
    "det": _calls((SQUARE,)),
    "logdet": _calls((POSITIVE,)),
    "slogdet": lambda f: list(f(SQUARE)),
    "inv": _calls((POSITIVE,)),
    "pinv": _calls((RIGHT,)),
    "eig": lambda f: [np.sort(np.asarray(f(POSITIVE)[0]).real, -1)],
    "eigh": lambda f: [f(POSITIVE)[0], np.abs(np.asarray(f(POSITIVE)[1]))],
    "qr": lambda f: [np.abs(np.asarray(item)) for item in (*f(RIGHT), *f(X, "complete"))],
    "svd": lambda f: [f(RIGHT, compute_uv=False), f(X)[1], np.abs(np.asarray(f(RIGHT, full_matrices=False)[0]))],
    "lstsq": lambda f: [f(X, V[:3]), f(X.T, _floats_once)],
    "matrix_rank": lambda f: [f(X), f(POSITIVE), f(np.ones((3, 3), "float32"))],
    "solve": lambda f: [f(POSITIVE, RIGHT), f(POSITIVE[0], V[:3])],
    "solve_triangular": lambda f: [f(LOWER, RIGHT, lower=True), f(LOWER.transpose(0, 2, 1), RIGHT)],
    "cdist": _calls((X, Y), (CUBE, CUBE + 1)),
    "fft": lambda f: list(f((X, Y))),
    "fft2": lambda f: list(f((X, Y))),
    "ifft2": lambda f: list(f((X, Y))),
    "rfft": lambda f: [*f(X), *f(X, 6)],
    "irfft": lambda f: [f((X, Y)), f((X, Y), 5)],
    "binary_crossentropy": lambda f: [f(np.round(FRACTIONS), FRACTIONS), f(FRACTIONS, X, from_logits=True)],
    "categorical_crossentropy": lambda f: [
        f(ONE_HOT, PROBABILITIES),
        f(ONE_HOT, X, from_logits=True),
        f(ONE_HOT, FRACTIONS),
        f(X, PROBABILITIES, axis=0),
    ],
    "sparse_categorical_crossentropy": lambda f: [
        f(np.array([1, 3, 0]), PROBABILITIES),
        f(np.array([[1], [3], [0]]), X, from_logits=True),
        f(np.array([1, 3, 0]), FRACTIONS),
    ],
    "multi_hot": lambda f: [f(N, 8), f(N[0], num_classes=13), f(np.array([1, -1, 9]), 5, dtype="int32")],
    "batch_normalization": lambda f: [
        f(X, X.mean(0), X.var(0), -1),
        f(CUBE, CUBE[0, :, 0], np.abs(CUBE[1, :, 0]), 1, offset=V[:3], scale=W[:3], epsilon=0.1),
    ],
    "rms_normalization": lambda f: [f(X), f(X, scale=W[:4], axis=-1, epsilon=0.1)],
    "psnr": _calls((X, Y, 1.0)),
    "ctc_loss": lambda f: [
        f(LABELS, LOGITS, np.array([3, 2, 3], "int32"), LENGTHS),
        f(LABELS % 4, LOGITS, np.array([2, 2, 1]), LENGTHS, mask_index=4),
    ],
    "ctc_decode": lambda f: [
        *f(LOGITS, LENGTHS),
        *f(LOGITS, LENGTHS, merge_repeated=False, mask_index=2),
        *f(LOGITS, LENGTHS, mask_index=4),
        *f(LOGITS, LENGTHS, "beam_search", beam_width=200, top_paths=3),
        *f(LOGITS, LENGTHS, "beam_search", beam_width=200, top_paths=2, mask_index=2),
    ],
}
_PAIRS = np.stack([X, Y], -1)
_floats_once = _floats(4)


# What takes functions gets the framework, to compute with.
def _sums(k: Any) -> list[Any]:
    scan, total = k.ops.scan, k.ops.sum
    pair = (np.zeros(4, "float32"), np.ones(4, "float32"))
    return [
        *scan(lambda carry, x: (carry + x, carry * x), np.float32(0.5), V),
        *scan(lambda c, x: (c + x["a"], c - total(x["b"])), np.float32(0), {"a": V[:3], "b": X}, reverse=True),
        scan(lambda carry, _: (carry * 2, carry), np.float32(1.0), length=5)[0],
        *scan(lambda c, x: ((c[0] + x, c[1] * x), (c[1], x)), pair, X)[0],
    ]


def control(k: Any) -> dict[str, Any]:
    """What takes functions, as functions of nothing."""
    ops = k.ops
    tensor = ops.convert_to_tensor

    def compose(a: Any, b: Any) -> Any:
        return a[0] * b[0], a[1] * b[0] + b[1]

    return {
        "scan": lambda: _sums(k),
        "associative_scan": lambda: [
            ops.associative_scan(lambda a, b: a + b, V),
            ops.associative_scan(lambda a, b: a * b, X, axis=1, reverse=True),
            *ops.associative_scan(compose, (tensor(ROWS), tensor(2 * ROWS))),
            *(ops.associative_scan(lambda a, b: a + b, W[:size]) for size in (1, 2, 3, 4, 6)),
        ],
        "while_loop": lambda: [
            *ops.while_loop(lambda i, x: i < 5, lambda i, x: (i + 1, x * 2.0), (0, tensor(V))),
            ops.while_loop(lambda x: ops.sum(x) < 100, lambda x: x * 2.0, tensor(np.abs(V)), maximum_iterations=2),
        ],
        "fori_loop": lambda: [ops.fori_loop(0, 4, lambda i, x: x + ops.cast(i, "float32") * tensor(W[:5]), tensor(V))],
        "cond": lambda: [
            ops.cond(ops.sum(tensor(x)) > 0, lambda x=x: tensor(x) * 2.0, lambda x=x: tensor(x) - 1.0) for x in (V, -V)
        ],
        "switch": lambda: [
            ops.switch(i, [lambda x: x, lambda x: x + 1.0, lambda x: x * 2.0], tensor(V)) for i in (0, 2, 7, -3)
        ],
        "map": lambda: [ops.map(lambda x: ops.sum(x), X), ops.map(lambda t: t[0] + t[1], (tensor(X), tensor(Y)))],
        "vectorized_map": lambda: [
            ops.vectorized_map(lambda x: ops.sum(x * x), tensor(X)),
            ops.vectorized_map(lambda t: t[0] * t[1], (tensor(X), tensor(V[:3]))),
        ],
    }


def graphs(k: Any) -> dict[str, Any]:
    """Models with such operations on data, as functions of nothing."""
    x, n = k.Input((4,), name="x"), k.Input((3,), dtype="int32", name="n")
    made = {
        "one": k.ops.erfc(x),
        "two": k.ops.fmax(x, k.ops.sinc(x)),
        "list": k.ops.dstack([x, x * 2.0]),
        "sizes": k.ops.extract_sequences(x, 2, 1),
        "classes": k.ops.multi_hot(n, 16),
        "median": k.ops.median(x, axis=1, keepdims=True),
    }
    data = [k.ops.convert_to_tensor(X), k.ops.convert_to_tensor(np.concatenate([N, N[:1]])[:3])]

    def run(output: Any) -> list[Any]:
        return [list(output.shape), k.Model([x, n], output)(data)]

    return {f"graph {name}": lambda output=output: run(output) for name, output in made.items()}
