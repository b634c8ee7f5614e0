"""The formulas of Keras's activation functions on torch tensors.

Where torch's function of the same name has another gradient at a kink (`hard_tanh`, `selu`), the formula here is
Keras's. One difference is meant: at exactly 0 the derivative of `celu` is 1, as in calculus, in torch and in JAX, while
Keras on TensorFlow adds two one-sided derivatives up to 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..arrays import of_arrays_too
from ..clipping import clip
from ..errors import ShapeError

_SELU_SCALE = 1.0507009873554804934193349852946


@of_arrays_too
def linear(x: Tensor) -> Tensor:
    """x as it is."""
    return x


@of_arrays_too
def relu(x: Tensor, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Tensor:
    """max(x, 0); or `negative_slope * (x - threshold)` up to `threshold`, then x, and at most `max_value`."""
    if negative_slope == 0 and max_value is None and threshold == 0:
        return F.relu(x)
    if max_value is None and threshold == 0:
        return F.leaky_relu(x, negative_slope)
    y = F.threshold(x, threshold, 0.0) if threshold != 0 else F.relu(x)
    if max_value is not None:
        # Keras passes the gradient on at max_value itself, except at the 6 of relu6.
        y = F.relu6(x) if max_value == 6 and threshold == 0 else clip(y, 0.0, max_value)
    return y - negative_slope * F.relu(threshold - x) if negative_slope != 0 else y


@of_arrays_too
def leaky_relu(x: Tensor, negative_slope: float = 0.2) -> Tensor:
    """x where it is positive, else `negative_slope * x`; integers become floats."""
    return F.leaky_relu(x if x.is_floating_point() else x.to(torch.get_default_dtype()), negative_slope)


@of_arrays_too
def relu6(x: Tensor) -> Tensor:
    """min(max(x, 0), 6)."""
    return F.relu6(x)


@of_arrays_too
def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """x where it is positive, else alpha * (exp(x) - 1)."""
    return F.elu(x, alpha)


@of_arrays_too
def selu(x: Tensor) -> Tensor:
    """1.0507 * elu(x) with alpha 1.6733 (Klambauer et al. 2017)."""
    # torch takes the left derivative at 0, Keras the right one.
    return torch.where(x < 0, F.selu(x), _SELU_SCALE * x)


@of_arrays_too
def celu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """x where it is positive, else alpha * (exp(x / alpha) - 1)."""
    # The gradient of F.celu is 1e-8 off in float64 where alpha is not 1.
    return torch.where(x > 0, x, alpha * torch.expm1(clip(x, None, 0.0) / alpha))


@of_arrays_too
def gelu(x: Tensor, approximate: bool = False) -> Tensor:
    """x times the normal distribution at x; `approximate`: by tanh."""
    return F.gelu(x, approximate="tanh" if approximate else "none")


@of_arrays_too
def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x))."""
    return torch.sigmoid(x)


@of_arrays_too
def log_sigmoid(x: Tensor) -> Tensor:
    """The logarithm of sigmoid(x)."""
    return F.logsigmoid(x)


@of_arrays_too
def hard_sigmoid(x: Tensor) -> Tensor:
    """relu6(x + 3) / 6, Keras 3's meaning of the name."""
    return F.relu6(x + 3.0) / 6.0  # the gradient of F.hardsigmoid is 5e-9 off in float64


@of_arrays_too
def hard_sigmoid_keras2(x: Tensor) -> Tensor:
    """clip(0.2 x + 0.5, 0, 1): what `hard_sigmoid` means in every file of Keras 1 and 2. Keras 3 has no name for it."""
    return clip(0.2 * x + 0.5, 0.0, 1.0)


@of_arrays_too
def silu(x: Tensor) -> Tensor:
    """Swish: x * sigmoid(x)."""
    return F.silu(x)


@of_arrays_too
def hard_silu(x: Tensor) -> Tensor:
    """Hard swish: x * hard_sigmoid(x)."""
    return x * hard_sigmoid(x)


@of_arrays_too
def tanh(x: Tensor) -> Tensor:
    """Hyperbolic tangent."""
    return torch.tanh(x)


@of_arrays_too
def tanh_shrink(x: Tensor) -> Tensor:
    """x - tanh(x)."""
    return F.tanhshrink(x)


@of_arrays_too
def hard_tanh(x: Tensor) -> Tensor:
    """min(max(x, -1), 1)."""
    return clip(x, -1.0, 1.0)  # unlike F.hardtanh, the gradient is 1 at -1 and 1


@of_arrays_too
def hard_shrink(x: Tensor, threshold: float = 0.5) -> Tensor:
    """x where its size is above `threshold`, else 0."""
    return torch.where(x.abs() > threshold, x, 0.0)


@of_arrays_too
def soft_shrink(x: Tensor, threshold: float = 0.5) -> Tensor:
    """x brought nearer to 0 by `threshold`, 0 where it is smaller than that."""
    return torch.where(x > threshold, x - threshold, torch.where(x < -threshold, x + threshold, 0.0))


@of_arrays_too
def threshold(x: Tensor, threshold: float, default_value: float) -> Tensor:
    """x where it is above `threshold`, else `default_value`."""
    return torch.where(x > threshold, x, default_value)


@of_arrays_too
def squareplus(x: Tensor, b: float = 4) -> Tensor:
    """(x + sqrt(x * x + b)) / 2."""
    return (x + torch.sqrt(x * x + b)) / 2


@of_arrays_too
def softsign(x: Tensor) -> Tensor:
    """x / (1 + |x|)."""
    return F.softsign(x)


@of_arrays_too
def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x))."""
    return F.softplus(x, threshold=40.0)  # torch's own 20 is 2e-9 off, too much in float64


@of_arrays_too
def exponential(x: Tensor) -> Tensor:
    """exp(x)."""
    return torch.exp(x)


@of_arrays_too
def mish(x: Tensor) -> Tensor:
    """x * tanh(softplus(x))."""
    return F.mish(x)


@of_arrays_too
def glu(x: Tensor, axis: int = -1) -> Tensor:
    """Gated linear unit: a * sigmoid(b) for the two halves a, b of `axis`."""
    if x.shape[axis] % 2:
        raise ShapeError(
            f"glu halves axis {axis}, expected an even size there, got shape {tuple(x.shape)}; "
            "give the layer before it twice as many units as you want."
        )
    return F.glu(x, axis)


@of_arrays_too
def sparse_plus(x: Tensor) -> Tensor:
    """0 up to -1, (x + 1)^2 / 4 up to 1, then x."""
    return torch.where(x <= -1, 0.0, torch.where(x < 1, 0.25 * (x + 1) ** 2, x))


@of_arrays_too
def sparse_sigmoid(x: Tensor) -> Tensor:
    """0 up to -1, (x + 1) / 2 up to 1, then 1."""
    return 0.5 * (F.hardtanh(x) + 1.0)


@of_arrays_too
def softmax(x: Tensor, axis: int | Sequence[int] | None = -1) -> Tensor:
    """Softmax over `axis`; over the elements of several axes together, over all if it is None."""
    if axis is None:
        return F.softmax(x.flatten(), 0).view_as(x)
    return F.softmax(x, axis) if isinstance(axis, int) else softmax_over(x, axis)


def softmax_over(x: Tensor, axis: int | Sequence[int]) -> Tensor:
    """Softmax over one axis, or over several together."""
    if isinstance(axis, int) or len(axis) == 1:
        return F.softmax(x, axis if isinstance(axis, int) else axis[0])
    return torch.exp(x - torch.logsumexp(x, tuple(axis), keepdim=True))


@of_arrays_too
def log_softmax(x: Tensor, axis: int | Sequence[int] | None = -1) -> Tensor:
    """Log-softmax over `axis`; see `softmax`."""
    if axis is None:
        return F.log_softmax(x.flatten(), 0).view_as(x)
    return F.log_softmax(x, axis) if isinstance(axis, int) else x - torch.logsumexp(x, tuple(axis), keepdim=True)


@of_arrays_too
def sparsemax(x: Tensor, axis: int = -1) -> Tensor:
    """Keras's sparsemax, which is not the paper's: where two outputs or more are positive they sum to less than 1.

    Keras (every backend, up to 3.15) adds up all cumulative sums of the support where the paper takes the last one.
    A model was trained with those numbers, so they are the right ones here.
    """
    ordered = x.sort(dim=axis, descending=True).values
    sums = ordered.cumsum(axis)
    rank_shape = [1] * x.ndim
    rank_shape[axis] = -1
    rank = torch.arange(1, x.shape[axis] + 1, dtype=x.dtype, device=x.device).view(rank_shape)
    support = ordered - (sums - 1) / rank > 0
    tau = (torch.where(support, sums, 0.0).sum(axis, keepdim=True) - 1) / support.sum(axis, keepdim=True)
    return clip(x - tau, 0.0, None)
