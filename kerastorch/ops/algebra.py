"""Matrices and spectra."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import ArgumentError, quote
from .computed import computed, floats, tensor, together
from .recorded import recorded


@computed
def cholesky(x: Any, upper: bool = False) -> Tensor:
    """The triangular matrix whose product with its transpose is x: `keras.ops.cholesky`."""
    return torch.linalg.cholesky(floats(x), upper=upper)


@computed
def cholesky_inverse(x: Any, upper: bool = False) -> Tensor:
    """The inverse of a matrix from its `cholesky`: `keras.ops.cholesky_inverse`."""
    return torch.cholesky_inverse(floats(x), upper=upper)


@computed
def det(x: Any) -> Tensor:
    """The determinant: `keras.ops.det`."""
    return torch.linalg.det(floats(x))


@computed
def logdet(x: Any) -> Tensor:
    """The logarithm of the determinant: `keras.ops.logdet`."""
    return torch.logdet(floats(x))


@computed
def slogdet(x: Any) -> tuple[Tensor, Tensor]:
    """The sign of the determinant and the logarithm of its size: `keras.ops.slogdet`."""
    sign, log = torch.linalg.slogdet(floats(x))
    return sign, log


@computed
def inv(x: Any) -> Tensor:
    """The inverse: `keras.ops.inv`."""
    return torch.linalg.inv(floats(x))


@computed
def pinv(x: Any, rcond: Any = None) -> Tensor:
    """The pseudoinverse: `keras.ops.pinv`."""
    return torch.linalg.pinv(floats(x), rtol=rcond)


@computed
def eig(x: Any) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors, complex: `keras.ops.eig`."""
    values, vectors = torch.linalg.eig(floats(x))
    return values, vectors


@computed
def eigh(x: Any) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors of a symmetric matrix: `keras.ops.eigh`."""
    values, vectors = torch.linalg.eigh(floats(x))
    return values, vectors


@computed
def qr(x: Any, mode: str = "reduced") -> tuple[Tensor, Tensor]:
    """An orthogonal and a triangular matrix whose product is x: `keras.ops.qr`."""
    if mode not in ("reduced", "complete"):
        raise ArgumentError(f"qr: mode: expected 'reduced' or 'complete', got {quote(mode)}.")
    left, right = torch.linalg.qr(floats(x), mode=mode)
    return left, right


@computed
def svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """Singular values, with their vectors on both sides: `keras.ops.svd`."""
    if not compute_uv:
        return torch.linalg.svdvals(floats(x))
    return tuple(torch.linalg.svd(floats(x), full_matrices=full_matrices))


@computed
def lstsq(a: Any, b: Any, rcond: Any = None) -> Tensor:
    """The x for which a x lies nearest to b: `keras.ops.lstsq`."""
    first, second = together(a, b, floating=True)
    vector = second.ndim == 1
    found = torch.linalg.lstsq(first, second.unsqueeze(-1) if vector else second, rcond=rcond, driver="gelsd").solution
    return found.squeeze(-1) if vector else found


@computed
def matrix_rank(x: Any, tol: Any = None) -> Tensor:
    """How many rows go different ways: `keras.ops.matrix_rank`."""
    return (torch.linalg.matrix_rank(floats(x)) if tol is None else torch.linalg.matrix_rank(floats(x), tol=tol)).to(
        torch.int32
    )


@computed
def solve(a: Any, b: Any) -> Tensor:
    """The x for which a x is b: `keras.ops.solve`."""
    first, second = together(a, b, floating=True)
    if second.ndim == first.ndim - 1:
        return torch.linalg.solve(first, second.unsqueeze(-1)).squeeze(-1)
    return torch.linalg.solve(first, second)


@computed
def solve_triangular(a: Any, b: Any, lower: bool = False) -> Tensor:
    """`solve` for a triangular matrix: `keras.ops.solve_triangular`."""
    first, second = together(a, b, floating=True)
    vector = second.ndim == first.ndim - 1
    found = torch.linalg.solve_triangular(first, second.unsqueeze(-1) if vector else second, upper=not lower)
    return found.squeeze(-1) if vector else found


@computed
def cdist(x: Any, y: Any) -> Tensor:
    """Distances between all rows of x and of y: `keras.ops.cdist`."""
    first, second = together(x, y, floating=True)
    return torch.cdist(first, second)


# ---------------------------------------------------------------- spectra: pairs of real and imaginary parts


def _pair(x: Any) -> Tensor:
    real, imaginary = x
    return torch.complex(*together(real, imaginary, floating=True))


def _parts(x: Tensor) -> tuple[Tensor, Tensor]:
    return x.real, x.imag


@computed
def fft(x: Any) -> tuple[Tensor, Tensor]:
    """The spectrum along the last axis: `keras.ops.fft`; real and imaginary parts, in and out."""
    return _parts(torch.fft.fft(_pair(x)))


@computed
def fft2(x: Any) -> tuple[Tensor, Tensor]:
    """The spectrum along the last two axes: `keras.ops.fft2`."""
    return _parts(torch.fft.fft2(_pair(x)))


@computed
def ifft2(x: Any) -> tuple[Tensor, Tensor]:
    """The way back from `fft2`: `keras.ops.ifft2`."""
    return _parts(torch.fft.ifft2(_pair(x)))


@computed
def rfft(x: Any, fft_length: int | None = None) -> tuple[Tensor, Tensor]:
    """The spectrum of real numbers along the last axis: `keras.ops.rfft`."""
    return _parts(torch.fft.rfft(floats(x), n=fft_length))


@computed
def irfft(x: Any, fft_length: int | None = None) -> Tensor:
    """The way back from `rfft`: `keras.ops.irfft`."""
    return torch.fft.irfft(_pair(x), n=fft_length)


# ---------------------------------------------------------------- what networks are trained and normalised with

_EPSILON = 1e-7


@computed
def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Tensor:
    """The loss of each value, without a mean: `keras.ops.binary_crossentropy`.

    Args:
        target: From 0 to 1.
        output: Probabilities, or logits.
        from_logits: Whether they are logits.
    """
    wanted, found = together(target, output, floating=True)
    if from_logits:
        return F.binary_cross_entropy_with_logits(found, wanted, reduction="none")
    found = found.clamp(_EPSILON, 1 - _EPSILON)
    return -(wanted * found.log() + (1 - wanted) * (1 - found).log())


@computed
def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Tensor:
    """The loss of each row: `keras.ops.categorical_crossentropy`.

    Args:
        target: Probabilities, mostly a single 1.
        output: Probabilities, or logits.
        from_logits: Whether they are logits.
        axis: That of the classes.
    """
    wanted, found = together(target, output, floating=True)
    if wanted.shape != found.shape:
        raise ArgumentError(
            f"categorical_crossentropy: target and output must have one shape, got {tuple(wanted.shape)} and "
            f"{tuple(found.shape)}."
        )
    return -(wanted * _logs(found, from_logits, axis)).sum(axis)


def _logs(found: Tensor, from_logits: bool, axis: int) -> Tensor:
    if from_logits:
        return found.log_softmax(axis)
    return (found / found.sum(axis, keepdim=True)).clamp(_EPSILON, 1 - _EPSILON).log()


@computed
def sparse_categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Tensor:
    """The loss of each row, for class numbers: `keras.ops.sparse_categorical_crossentropy`.

    Args:
        target: Class numbers, in the shape of `output` without its classes, or with one in their place.
        output: Probabilities, or logits.
        from_logits: Whether they are logits.
        axis: That of the classes; the last one.
    """
    numbers, found = tensor(target).long(), floats(output)
    if numbers.ndim == found.ndim and numbers.shape[-1] == 1:
        numbers = numbers.squeeze(-1)
    logs = _logs(found, from_logits, axis).movedim(axis, -1)
    if tuple(numbers.shape) != tuple(logs.shape[:-1]):
        raise ArgumentError(
            f"sparse_categorical_crossentropy: expected target of shape {tuple(logs.shape[:-1])}, got "
            f"{tuple(numbers.shape)}."
        )
    return -logs.gather(-1, numbers.unsqueeze(-1)).squeeze(-1)


@computed
def multi_hot(inputs: Any, num_classes: int | None = None, axis: int = -1, dtype: Any = None, sparse: bool = False,
              **kwargs: Any) -> Tensor:  # fmt: skip
    """Ones at all class numbers of a row: `keras.ops.multi_hot`.

    Args:
        inputs: `(B, T)` or `(T,)`, class numbers; others than 0 to num_classes - 1 count nowhere.
        num_classes: How many there are; `num_tokens` in its place, as of old.
        axis: That of the classes.
        dtype: Of the result; `floatx` if None.
        sparse: False: there are no sparse tensors here.
        **kwargs: `num_tokens`.
    """
    count = kwargs.pop("num_tokens", num_classes)
    if kwargs or count is None or sparse:
        raise ArgumentError("multi_hot: give num_classes; sparse=True is not supported.")
    numbers = tensor(inputs)
    rows = 1 if numbers.ndim > 1 else 0
    ones = recorded("one_hot")(numbers, count, axis=axis, dtype=dtype)
    return recorded("max")(ones, axis=rows)


@computed
def batch_normalization(
    x: Any, mean: Any, variance: Any, axis: int, offset: Any = None, scale: Any = None, epsilon: float = 0.001
) -> Tensor:
    """x less its mean, over its deviation: `keras.ops.batch_normalization`.

    Args:
        x: A tensor.
        mean: For each place of `axis`.
        variance: As `mean`.
        axis: The axis of the features.
        offset: What is added in the end, as `mean`.
        scale: What is multiplied in the end, as `mean`.
        epsilon: Added to the variance.
    """
    values = floats(x)
    shape = [1] * values.ndim
    shape[axis] = values.shape[axis]
    mean, variance = (floats(item).reshape(shape) for item in (mean, variance))
    factor = (variance + epsilon).rsqrt()
    if scale is not None:
        factor = factor * floats(scale).reshape(shape)
    found = (values - mean) * factor
    return found if offset is None else found + floats(offset).reshape(shape)


@computed
def rms_normalization(x: Any, scale: Any = None, axis: Any = -1, epsilon: float | None = None) -> Tensor:
    """x over its root mean square: `keras.ops.rms_normalization`."""
    values = floats(x)
    square = values.square().mean(axis, keepdim=True)
    found = values * (square + (_EPSILON if epsilon is None else epsilon)).rsqrt()
    return found if scale is None else found * floats(scale)


@computed
def psnr(x1: Any, x2: Any, max_val: float) -> Tensor:
    """How near two signals are, in decibels: `keras.ops.psnr`."""
    first, second = together(x1, x2, floating=True)
    error = (first - second).square().mean()
    peak = torch.tensor(float(max_val), dtype=first.dtype, device=first.device)
    return 20 * peak.log10() - 10 * error.log10()
