"""BatchNormalization: features normalised over the batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ...base import check, to_torch
from ...base.input_checks import float_tensor, mask_tensor, one_shape, refuse, sizes_at
from ...base.input_spec import as_built
from ...base.layer import Example, Layer, register
from ...base.variable import VariableAttribute
from ...base.weighted import repr_of
from ...errors import ArgumentError, ShapeError, UnsupportedError, quote
from ...weights import Shape, Var

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions

_MASK_EPSILON = 1e-7  # Keras's backend.epsilon()
_FUSED_EPSILON = 1.001e-5  # the least epsilon of TensorFlow's fused kernel
_TORCH_BATCH_NORM = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
_REFUSED = {
    "synchronized": "statistics over several devices are not here; wrap the model with torch's own tools",
    "virtual_batch_size": "ghost batches are not here; pass batches of that size",
    "adjustment": "a function that changes the normalised values is not here",
}


@register("BatchNormalization")
class BatchNormalization(Layer):
    """Batch normalisation (Ioffe & Szegedy 2015), as `keras.layers.BatchNormalization`.

    Unlike `torch.nn.BatchNorm1d`, `momentum` is the weight of the OLD statistics, `epsilon` is 1e-3, the moving
    variance follows the biased variance of the batch, masked steps are left out of the statistics, and
    `trainable=False` means inference mode. 16-bit inputs are computed in float32.

    Args:
        axis: The axis that keeps its own statistics; a list of one is accepted.
        momentum: Weight of the old moving statistics in an update.
        epsilon: Added to the variance.
        center: Whether there is a beta.
        scale: Whether there is a gamma.
        beta_initializer: Of beta.
        gamma_initializer: Of gamma.
        moving_mean_initializer: Of the moving mean.
        moving_variance_initializer: Of the moving variance.
        beta_regularizer: Penalty on beta.
        gamma_regularizer: Penalty on gamma.
        beta_constraint: Of beta.
        gamma_constraint: Of gamma.
        renorm: Whether training corrects the batch's statistics towards moving ones (batch renormalisation,
            Ioffe 2017). Inference is the same.
        renorm_clipping: With `renorm`: a dict that may hold "rmin" and "rmax", the bounds of the factor r, and "dmax",
            the bound of the shift d.
        renorm_momentum: With `renorm`: weight of the old statistics that r and d are made from.
        synchronized: False; True is refused.
        fused: True computes what Keras 2 does where it uses TensorFlow's fused kernel (inputs of 4 or 5 axes, `axis` 1
            or the last): the moving variance follows the UNBIASED variance, masks do not count, and epsilon is at
            least 1.001e-5. None and False: Keras 3.
        virtual_batch_size: None; anything else is refused.
        adjustment: None; anything else is refused.
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        gamma: `(F,)` -> `weight`
        beta: `(F,)` -> `bias`
        moving_mean: `(F,)` -> `running_mean`, a buffer
        moving_variance: `(F,)` -> `running_var`, a buffer
        moving_stddev, renorm_mean, renorm_stddev: `(F,)`, with `renorm`: buffers of the same names

    Example:
        >>> BatchNormalization()(torch.zeros(2, 20, 3)).shape
        torch.Size([2, 20, 3])
    """

    _keras_spec = as_built(lambda layer: [layer.axis])
    supports_masking = True
    WEIGHTS = (
        Var("gamma", ("weight",), lambda l, s: (s[l.axis],), when=lambda l: l.scale),
        Var("beta", ("bias",), lambda l, s: (s[l.axis],), when=lambda l: l.center),
        Var("moving_mean", ("running_mean",), lambda l, s: (s[l.axis],), trainable=False),
        Var("moving_variance", ("running_var",), lambda l, s: (s[l.axis],), trainable=False),
        *(
            Var(name, (name,), lambda l, s: (s[l.axis],), when=lambda l: l.renorm, trainable=False, init=init)
            for name, init in (
                ("moving_stddev", lambda l: l._initial_deviation),
                ("renorm_mean", lambda l: l.moving_mean_initializer),
                ("renorm_stddev", lambda l: l._initial_deviation),
            )
        ),
    )
    CONFIG = (
        "axis",
        "momentum",
        "epsilon",
        "center",
        "scale",
        "beta_initializer",
        "gamma_initializer",
        "moving_mean_initializer",
        "moving_variance_initializer",
        "beta_regularizer",
        "gamma_regularizer",
        "beta_constraint",
        "gamma_constraint",
    )
    INERT = (
        "renorm",
        "renorm_clipping",
        "renorm_momentum",
        "synchronized",
        "fused",
        "virtual_batch_size",
        "adjustment",
    )
    EXAMPLES = (
        Example("default", dict(), (4, 3)),
        Example("steps", dict(momentum=0.9, epsilon=1e-5), (2, 7, 3)),
        Example("axis 1", dict(axis=1), (2, 3, 4, 5)),
        Example("no gamma, no beta", dict(scale=False, center=False), (4, 3)),
        Example("renorm", dict(renorm=True, renorm_clipping={"rmax": 1.5, "dmax": 0.5}), (4, 3)),
    )

    gamma: VariableAttribute
    beta: VariableAttribute
    moving_mean: VariableAttribute
    moving_variance: VariableAttribute
    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor
    moving_stddev: Tensor
    renorm_mean: Tensor
    renorm_stddev: Tensor

    def __init__(
        self,
        axis: Any = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        *,
        fused: bool | None = None,
        virtual_batch_size: int | None = None,
        adjustment: Any = None,
        **base: Unpack[BaseOptions],
    ) -> None:
        super().__init__(**base)
        self._configure(
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            moving_mean_initializer=moving_mean_initializer,
            moving_variance_initializer=moving_variance_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
        )
        axes = check.integers("axis", axis) if isinstance(axis, (list, tuple)) else (check.integer("axis", axis),)
        if len(axes) != 1:
            raise UnsupportedError(
                f"{repr_of(self)}: axis={quote(axes)} is not supported: expected one axis, got {len(axes)}."
            )
        self.axis = axes[0]
        self.momentum = check.number("momentum", momentum)
        self.epsilon = check.number("epsilon", epsilon)
        self.center = check.boolean("center", center)
        self.scale = check.boolean("scale", scale)
        self.fused = fused is not None and check.boolean("fused", fused)
        self.renorm = check.boolean("renorm", renorm)
        self.renorm_clipping = _clipping(renorm_clipping) if self.renorm else renorm_clipping
        self.renorm_momentum = check.number("renorm_momentum", renorm_momentum)
        if self.renorm and self.fused:
            raise ArgumentError(f"{repr_of(self)}: fused=True and renorm=True exclude each other; leave fused out.")
        refuse(
            self,
            _REFUSED,
            synchronized=synchronized,
            virtual_batch_size=virtual_batch_size,
            adjustment=adjustment,
        )

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if self.renorm:
            config |= {key: getattr(self, key) for key in ("renorm", "renorm_clipping", "renorm_momentum")}
        return {**config, "fused": True} if self.fused else config

    def _initial_deviation(self, shape: Any, **options: Any) -> Tensor:
        return check.initializer(self, "moving_variance_initializer", "renorm=True")(shape, **options).sqrt()

    def _check_input_shape(self, input_shape: Shape) -> None:
        one_shape(self, input_shape, least=1, meaning="(batch, ...)")
        (size,) = sizes_at(self, input_shape, (self.axis,))
        expected = self.running_mean.shape[0] if "running_mean" in self._buffers else size
        if size != expected:
            raise ShapeError(
                f"{repr_of(self)}: expected {expected} features at axis {self.axis}, got {size} "
                f"(input of shape {tuple(input_shape)})."
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_input_shape(input_shape)
        return tuple(input_shape)

    def _compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        return self.dtype

    def forward(self, x: Tensor, mask: Any = None, training: bool | None = None) -> Tensor:
        """Normalise x.

        Args:
            x: `(B, ..., F)`, of the layer's dtype.
            mask: bool, the shape of x without its last axis, or sizes of 1 in it; False leaves the place out of the
                statistics.
            training: Whether the batch's own statistics are used, and the moving ones updated; `self.training` if None.

        Raises:
            ShapeError: x or the mask has another shape than the layer needs.
        """
        x = float_tensor(self, x, self.running_mean.dtype)
        self._check_input_shape(tuple(x.shape))
        valid = self._check_mask(x, mask)
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        fused = self.fused and _fits_fused_kernel(wide, self.axis % x.ndim)
        if (self.training if training is None else training) and self.trainable:
            mean, variance = _moments(wide, self.axis, None if fused else valid)
            correction = self._correction(mean, variance) if self.renorm else None
            self._update(mean, variance, x.numel() // mean.numel() if fused else 0)
        else:
            mean, variance = self.running_mean.to(wide.dtype), self.running_var.to(wide.dtype)
            correction = None
        epsilon = max(self.epsilon, _FUSED_EPSILON) if fused else self.epsilon
        factor = torch.rsqrt(variance + epsilon)
        if correction is not None:
            factor = factor * correction[0]
        if self.scale:
            factor = factor * self.weight
        offset = -mean * factor
        if correction is not None:
            offset = offset + (correction[1] * self.weight if self.scale else correction[1])
        if self.center:
            offset = offset + self.bias
        shape = [1] * x.ndim
        shape[self.axis] = -1
        return torch.addcmul(offset.view(shape), wide, factor.view(shape)).to(x.dtype)

    @torch.no_grad()
    def _correction(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """r and d, from the batch's statistics to those that training has seen so far; no gradient flows there."""
        least = self.epsilon**0.5  # as long as training has seen little
        seen_mean, seen_deviation = self.renorm_mean.to(mean.dtype), self.renorm_stddev.to(mean.dtype).clamp(min=least)
        bounds = self.renorm_clipping
        factor = (variance + self.epsilon).sqrt() / seen_deviation
        shift = (mean - seen_mean) / seen_deviation
        if bounds.get("rmin") is not None or bounds.get("rmax") is not None:
            factor = factor.clamp(bounds.get("rmin"), bounds.get("rmax"))
        if bounds.get("dmax") is not None:
            shift = shift.clamp(-bounds["dmax"], bounds["dmax"])
        return factor, shift

    @torch.no_grad()
    def _update(self, mean: Tensor, variance: Tensor, unbiased_count: int) -> None:
        if self.renorm:
            deviation = (variance + self.epsilon).sqrt()
            kept = (
                (self.renorm_mean, mean, self.renorm_momentum),
                (self.renorm_stddev, deviation, self.renorm_momentum),
                (self.running_mean, mean, self.momentum),
                (self.moving_stddev, deviation, self.momentum),
            )
            for moving, new, momentum in kept:
                moving.copy_(moving.to(new.dtype) * momentum + new * (1.0 - momentum))
            # Inference knows the variance alone.
            self.running_var.copy_((self.moving_stddev.to(mean.dtype).square() - self.epsilon).clamp(min=0.0))
            return
        if unbiased_count:
            variance = variance * (unbiased_count / max(unbiased_count - 1, 1))
        for moving, new in ((self.running_mean, mean), (self.running_var, variance)):
            moving.copy_(moving.to(new.dtype) * self.momentum + new * (1.0 - self.momentum))

    def _check_mask(self, x: Tensor, mask: Any) -> Tensor | None:
        if mask is None:
            return None
        mask = mask_tensor(self, mask, x.device)
        sizes = tuple(x.shape[:-1])
        if mask.ndim == len(sizes) and all(
            size == own or size == 1 for size, own in zip(mask.shape, sizes, strict=True)
        ):
            mask = mask.expand(sizes)
        else:
            raise ShapeError(
                f"{repr_of(self)}: expected a mask of shape {tuple(x.shape[:-1])} for input of shape {tuple(x.shape)}, "
                f"got {tuple(mask.shape)}."
            )
        return mask if mask.dtype == torch.bool else mask != 0

    def _to_torch(self) -> nn.Module:
        rank = len(self._in_shape)
        reasons = []
        if rank not in _TORCH_BATCH_NORM or self.axis % rank != 1:
            reasons.append(
                "torch's takes inputs of 2 to 5 axes with the features at axis 1, "
                f"this one has them at axis {self.axis} of {rank}; put a Permute in front"
            )
        if not self.trainable:
            reasons.append("trainable=False keeps it in inference mode, torch's follows train(); make it trainable")
        if self.renorm:
            reasons.append("renorm=True: torch's has no batch renormalisation; in inference renorm=False is the same")
        if reasons:
            raise to_torch.no_module(self, reasons)
        fused = self.fused and _fits_fused_kernel(torch.empty([1] * rank, dtype=self.dtype, device="meta"), 1)
        return to_torch.plain(
            _TORCH_BATCH_NORM[rank],
            self,
            to_torch.with_constants(self, weight=1, bias=0, num_batches_tracked=0),
            num_features=len(self.running_mean),
            eps=max(self.epsilon, _FUSED_EPSILON) if fused else self.epsilon,
            momentum=1 - self.momentum,  # torch's is the weight of the new value
            affine=self.scale or self.center,
        )

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        state_dict.pop(f"{prefix}num_batches_tracked", None)  # torch's BatchNorm counts batches, Keras does not
        super()._load_from_state_dict(state_dict, prefix, *args)


def _clipping(bounds: Any) -> dict[str, float]:
    """The bounds of the correction of batch renormalisation."""
    known = ("rmax", "rmin", "dmax")
    if bounds is not None and not (isinstance(bounds, Mapping) and set(bounds) <= set(known)):
        raise ArgumentError(f"renorm_clipping: expected a dict with keys of {list(known)}, got {quote(bounds)}.")
    found = {
        key: None if value is None else check.number(f"renorm_clipping[{key!r}]", value)
        for key, value in (bounds or {}).items()
    }
    low, high = found.get("rmin"), found.get("rmax")
    if low is not None and high is not None and high < low:
        raise ArgumentError(f"renorm_clipping: rmax must not be below rmin, got rmax={high}, rmin={low}.")
    if (found.get("dmax") or 0.0) < 0:
        raise ArgumentError(f"renorm_clipping: dmax must not be negative, got {found['dmax']}.")
    return found  # type: ignore[return-value]


def _fits_fused_kernel(x: Tensor, axis: int) -> bool:
    """Whether TensorFlow's fused kernel takes such an input."""
    return x.ndim in (4, 5) and axis in (1, x.ndim - 1) and x.dtype == torch.float32


def least_epsilon(layer: BatchNormalization) -> float | None:
    """The epsilon that a layer with `fused=True` computes with; None where its input does not fit the fused kernel."""
    rank = len(layer._in_shape)
    fits = _fits_fused_kernel(torch.empty([1] * rank, dtype=layer.dtype, device="meta"), layer.axis % rank)
    return max(layer.epsilon, _FUSED_EPSILON) if fits else None


def _moments(x: Tensor, axis: int, valid: Tensor | None) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of x for each place of `axis`; with `valid` over the steps where it is True."""
    others = [index for index in range(x.ndim) if index != axis % x.ndim]
    if valid is None:
        variance, mean = torch.var_mean(x, others, correction=0)
        return mean, variance
    where = valid.unsqueeze(-1).expand_as(x)
    # The epsilon makes the statistics of no step at all zeros, as in Keras 3.
    count = where.sum(others, keepdim=True, dtype=x.dtype) + _MASK_EPSILON
    mean = x.where(where, 0).sum(others, keepdim=True) / count
    variance = (x - mean).where(where, 0).square().sum(others, keepdim=True) / count
    return mean.flatten(), variance.flatten()
