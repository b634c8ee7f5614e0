"""The one way in which the tests compare rounded numbers: with what rounding does to them, measured.

Two processors, two kernels and two batch sizes sum in different orders. How far that moves an array is a matter of its
largest value, and is measured: `floor` is the distance between a float32 run and a float64 run of the same thing,
divided by the largest value. `test_close.py` measures it for every layer at the level of vector units that it runs on.
Where one thing is worse off than that (sums that cancel, many steps), `exact` brings its own float64 run along.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kerastorch.errors import counted

# A float32 run against a float64 run of the same thing, over every example of every layer, three draws of weights and
# inputs, on an Intel Xeon without vector units, with AVX2 and with AVX-512:
OUTPUT = 5.5e-7  # the largest was 5.4e-7 (a ConvLSTM2D with AVX2), the median 7e-8
GRADIENT = 1.6e-6  # the largest was 1.5e-6 (the same without vector units), the median 8e-8; see `exact` and `scale`
# Keras and kerastorch have half each of what lay between them in 14,000 arrays of float32: 1.5e-6 at most in an LSTM
# whose states relu does not bound, and 3.9e-6 in its gradients.
KERAS = 8e-7
KERAS_GRADIENT = 2e-6
# Weights after a training of a few epochs, and what the model computes then, of the largest value. kerastorch lay up
# to 2.8e-6 from its own fit in float64, in all fits and scripts of the tests and at every level of the processor, and
# up to 5.0e-6, half of it here, from Keras, whose Adam rounds 1 - 0.999**t to float32: its first step is off by 3e-5.
TRAINED = 2.5e-6
FLOAT64 = 5e-15  # the same arithmetic with an epsilon smaller by 2**-29; what was seen lies up to 1.3e-15 apart
# Arithmetic of 8 and of 11 bits in front of float32 results: half a unit in the last place of 1, and a few operations.
BFLOAT16 = 6e-3  # torch.compile, which rounds less often, lies up to 8.9e-3 from eager mode
TF32 = 6e-4
# Two runs, each as far off as the floor, and cases that are no example of a layer: 1.6 floors were the most seen.
MARGIN = 3.0
# What stays between the product of an orthogonal array with itself and the identity: a QR of Keras of 54 columns.
ORTHOGONAL = 5e-7  # 1.4e-6 was seen


def apart(actual: Any, expected: Any, floor: float = OUTPUT, *, exact: Any = None, scale: float = 0.0) -> str | None:
    """What separates two arrays beyond rounding, as a sentence; None if they agree.

    Args:
        actual: Tensor, array or number.
        expected: The same shape, and the same dtype or float64.
        floor: The rounding floor, of the largest value of `expected`. 0: the values must be equal.
        exact: `expected` in float64. Its own rounding, measured here, counts where it is more than the floor.
        scale: Of the numbers that were summed, where it is more than the largest value: a sum that is zero by its
            formula is as large as the rounding of its terms.
    """
    mine, theirs = _array(actual), _array(expected)
    if mine.shape != theirs.shape:
        return f"expected shape {theirs.shape}, got {mine.shape}"
    kinds = mine.dtype, theirs.dtype
    if kinds[0] != kinds[1] and not (kinds[0].kind == "f" and kinds[1] == np.float64):
        return f"expected dtype {theirs.dtype}, got {mine.dtype}"
    if not mine.size:
        return None
    if floor == 0 or mine.dtype.kind not in "fc":
        return None if np.array_equal(mine, theirs) else f"{np.sum(mine != theirs)} of {mine.size} values differ"
    if not np.isfinite(theirs).all():
        return "the expected values are not finite: they prove nothing"
    if mine.dtype == np.float64:
        floor = min(floor, FLOAT64)
    elif isinstance(actual, Tensor):
        floor *= torch.finfo(actual.dtype).eps / torch.finfo(torch.float32).eps  # of bfloat16 and float16: their bits
    largest = max(float(np.abs(theirs).max()), scale)
    rounding = floor * largest
    if exact is not None:
        rounding = max(rounding, float(np.abs(theirs - _array(exact).astype("float64")).max()))
    distances = np.abs(mine.astype(_wide(mine)) - theirs)
    place = np.unravel_index(int(np.argmax(distances)), distances.shape)  # of the first nan, if there is one
    gap = float(distances[place])
    if gap <= MARGIN * rounding:
        return None
    return (
        f"not close: max |difference| {gap:.3g} at {tuple(map(int, place))}, allowed {MARGIN * rounding:.3g}: "
        f"{MARGIN:g} times the rounding floor {rounding:.3g} (largest value {largest:.3g})"
    )


def assert_close(actual: Any, expected: Any, floor: float = OUTPUT, *, exact: Any = None, scale: float = 0.0) -> None:
    """Fail unless all arrays agree but for rounding; lists, tuples and dicts of them count as one list."""
    ours, theirs = _leaves(actual), _leaves(expected)
    judges = [None] * len(theirs) if exact is None else _leaves(exact)
    assert len(ours) == len(theirs) == len(judges), f"expected {counted(len(theirs), 'array')}, got {len(ours)}"
    for index, (mine, their, judge) in enumerate(zip(ours, theirs, judges, strict=True)):
        found = apart(mine, their, floor, exact=judge, scale=scale)
        assert found is None, found if len(ours) == 1 else f"[{index}]: {found}"


def assert_each_close(actual: Any, expected: Any, floor: float = OUTPUT, *, terms: float = 1.0) -> None:
    """Fail unless a function of single values agrees at each of them; each is measured by itself, not by the largest.

    Args:
        terms: The size of what a small value is a sum of, as `1 + erf(x)` is of terms of the order of 1.
    """
    mine, theirs = _array(actual), _array(expected)
    assert mine.shape == theirs.shape, f"expected shape {theirs.shape}, got {mine.shape}"
    size = np.maximum(np.abs(theirs), np.asarray(terms, theirs.dtype))
    assert_close(mine / size.astype(mine.dtype), theirs / size, floor, scale=1.0)


def apart_numbers(actual: Any, expected: Any, floor: float = OUTPUT) -> str | None:
    """As `apart`, of Python's numbers that were computed in float32; each is measured by itself, as losses are."""
    ours, theirs = (np.ravel(given).astype("float32") for given in (actual, expected))
    if len(ours) != len(theirs):
        return f"expected {counted(len(theirs), 'number')}, got {len(ours)}"
    found = {at: apart(*pair, floor) for at, pair in enumerate(zip(ours, theirs, strict=True))}
    return next((gap if len(ours) == 1 else f"[{at}]: {gap}" for at, gap in found.items() if gap), None)


def assert_numbers(actual: Any, expected: Any, floor: float = OUTPUT) -> None:
    """Fail unless `apart_numbers` finds nothing."""
    found = apart_numbers(actual, expected, floor)
    assert found is None, found


def largest(arrays: Any) -> float:
    """The largest value of several arrays: the scale of gradients of which some are zero by their formula."""
    return max((float(np.abs(_array(part)).max(initial=0.0)) for part in _leaves(arrays)), default=0.0)


def scale_beside(expected: Any, beside: Any, floor: float = GRADIENT) -> float:
    """The `scale` of a gradient that is zero by its formula, as of the keys' bias in attention; 0 for any other.

    What is left of such a one is the rounding of the numbers that it is a sum of: no more than those `beside` it round.
    """
    most = largest(beside)
    return most if largest(expected) <= MARGIN * floor * most else 0.0


def _leaves(structure: Any) -> list[Any]:
    if isinstance(structure, Mapping):
        structure = [structure[key] for key in sorted(structure)]
    if not isinstance(structure, (list, tuple)) or (structure and {type(part) for part in structure} <= {int, float}):
        return [structure]
    return [leaf for part in structure for leaf in _leaves(part)]


def _array(value: Any) -> np.ndarray:
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        return (value.float() if value.dtype in (torch.bfloat16, torch.float16) else value).numpy()
    return np.asarray(value)


def _wide(array: np.ndarray) -> type:
    return np.complex128 if array.dtype.kind == "c" else np.float64
