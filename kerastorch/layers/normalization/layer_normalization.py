"""LayerNormalization and RMSNormalization: each sample normalised by itself."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...base import check, to_torch
from ...base.input_checks import cut_off, float_tensor, one_shape, one_tensor, sizes_at
from ...base.layer import Example, Layer, register
from ...base.variable import VariableAttribute
from ...base.weighted import repr_of
from ...errors import ArgumentError, ShapeError, UnsupportedError, counted, quote
from ...weights import Shape, Var

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions


class _OverAxes(Layer):
    """What both share: the axes that are normalised together; abstract."""

    axis: int | list[int]
    gamma: VariableAttribute
    beta: VariableAttribute
    weight: Tensor
    bias: Tensor

    def _keep_axes(self, axis: Any) -> None:
        several = isinstance(axis, (list, tuple))
        axes = check.integers("axis", axis) if several else (check.integer("axis", axis),)
        if not axes or len(set(axes)) != len(axes) or min(axes) < 0 <= max(axes):
            # Keras sorts the numbers as they stand, which would mix up axes that are counted from both ends.
            raise ArgumentError(
                f"axis: expected an axis or a list of different axes, all >= 0 or all negative, got {quote(axis)}."
            )
        self.axis = sorted(axes) if several else axes[0]

    def _axes(self, rank: int) -> list[int]:
        axes = [self.axis] if isinstance(self.axis, int) else self.axis
        return [axis + rank if -rank <= axis < 0 else axis for axis in axes]

    def _check_input_shape(self, input_shape: Shape) -> None:
        one_shape(self, input_shape, least=1, meaning="(batch, ...)")
        sizes = sizes_at(self, input_shape, self._axes(len(input_shape)))
        made = self._parameters.get("weight", self._parameters.get("bias"))
        if made is not None and tuple(made.shape) != sizes:
            raise ShapeError(
                f"{repr_of(self)}: expected sizes {tuple(made.shape)} at axis {self.axis}, got {sizes} "
                f"(input of shape {tuple(input_shape)})."
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_input_shape(input_shape)
        return tuple(input_shape)


@register("LayerNormalization")
class LayerNormalization(_OverAxes):
    """Layer normalisation (Ba et al. 2016), as `keras.layers.LayerNormalization`.

    Args:
        axis: The axis, or several, that are normalised together.
        epsilon: Added to the variance; 1e-3, where torch has 1e-5.
        center: Whether there is a beta.
        scale: Whether there is a gamma.
        beta_initializer: Of beta.
        gamma_initializer: Of gamma.
        beta_regularizer: Penalty on beta.
        gamma_regularizer: Penalty on gamma.
        beta_constraint: Of beta.
        gamma_constraint: Of gamma.
        rms_scaling: True: the inputs are divided by their standard deviation and are not centred; there is a gamma and
            no beta, whatever `scale` and `center` say. Keras warns of it: it is no root of a mean square, which
            `RMSNormalization` has.
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        gamma: the sizes of `axis` -> `weight`
        beta: the sizes of `axis` -> `bias`

    Example:
        >>> LayerNormalization()(torch.zeros(2, 20, 3)).shape
        torch.Size([2, 20, 3])
    """

    supports_masking = True
    WEIGHTS = (
        Var("gamma", ("weight",), lambda l, s: sizes_at(l, s, l._axes(len(s))), when=lambda l: l._has_gamma),
        Var("beta", ("bias",), lambda l, s: sizes_at(l, s, l._axes(len(s))), when=lambda l: l._has_beta),
    )
    CONFIG = (
        "axis",
        "epsilon",
        "center",
        "scale",
        "beta_initializer",
        "gamma_initializer",
        "beta_regularizer",
        "gamma_regularizer",
        "beta_constraint",
        "gamma_constraint",
    )
    INERT = ("rms_scaling",)
    EXAMPLES = (
        Example("default", dict(), (2, 7, 3)),
        Example("two axes", dict(axis=[1, 2], epsilon=1e-5), (2, 7, 3)),
        Example("not the last axis", dict(axis=1), (2, 7, 3)),
        Example("no beta", dict(center=False), (2, 3)),
    )

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        *,
        rms_scaling: bool = False,
        **base: Unpack[BaseOptions],
    ) -> None:
        super().__init__(**base)
        self._configure(
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
        )
        self._keep_axes(axis)
        self.epsilon = check.number("epsilon", epsilon)
        self.center = check.boolean("center", center)
        self.scale = check.boolean("scale", scale)
        self.rms_scaling = check.boolean("rms_scaling", rms_scaling)
        if self.rms_scaling:
            warnings.warn(
                f"{repr_of(self)}: rms_scaling=True divides by the standard deviation; for the root of the mean square "
                "use RMSNormalization.",
                stacklevel=2,
            )

    @property
    def _has_gamma(self) -> bool:
        return self.scale or self.rms_scaling

    @property
    def _has_beta(self) -> bool:
        return self.center and not self.rms_scaling

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {**config, "rms_scaling": True} if self.rms_scaling else config

    def _compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        return self.dtype if self._has_gamma or self._has_beta or not input_dtype.is_floating_point else input_dtype

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x.

        Args:
            x: `(B, ...)`, of the layer's dtype; of any float dtype if there is neither gamma nor beta. Of integers
                the results are cut off to whole numbers, as in Keras.

        Raises:
            ShapeError: x has another shape than the layer needs.
        """
        given = one_tensor(self, x).dtype
        out = self._normalise(x)
        return cut_off(out, given).to(out.dtype)

    def _normalise(self, x: Tensor) -> Tensor:
        weight = self.weight if self._has_gamma else None
        bias = self.bias if self._has_beta else None
        made = weight if weight is not None else bias
        x = one_tensor(self, x)
        if made is not None or not x.is_floating_point():
            x = float_tensor(self, x, self.dtype)
        self._check_input_shape(tuple(x.shape))
        axes = self._axes(x.ndim)
        if self.rms_scaling:
            assert weight is not None
            wide = x.to(torch.promote_types(x.dtype, torch.float32))
            shape = [size if axis in axes else 1 for axis, size in enumerate(x.shape)]
            deviation = torch.rsqrt(wide.var(axes, correction=0, keepdim=True) + self.epsilon)
            return (wide * deviation * weight.view(shape)).to(x.dtype)
        last = list(range(x.ndim - len(axes), x.ndim))
        sizes = [x.shape[axis] for axis in axes]
        if axes == last:
            return F.layer_norm(x, sizes, weight, bias, self.epsilon)
        return F.layer_norm(x.movedim(axes, last), sizes, weight, bias, self.epsilon).movedim(last, axes)

    def _to_torch(self) -> nn.Module:
        shape = self._in_shape
        axes = self._axes(len(shape))
        if self.rms_scaling:
            raise to_torch.no_module(self, ["rms_scaling=True: torch's has no division without centring"])
        if axes != list(range(len(shape) - len(axes), len(shape))):
            raise to_torch.no_module(
                self,
                [
                    f"torch's normalises the last axes, this one axis {self.axis} of an input of "
                    f"{counted(len(shape), 'axis', 'axes')}"
                ],
            )
        return to_torch.plain(
            nn.LayerNorm,
            self,
            to_torch.with_constants(self, weight=1),
            normalized_shape=sizes_at(self, shape, axes),
            eps=self.epsilon,
            elementwise_affine=self.scale or self.center,
            bias=self.center,
        )


def _ones(shape: Any, **options: Any) -> Tensor:
    return torch.ones(shape, **options)


@register("RMSNormalization")
class RMSNormalization(_OverAxes):
    """Division by the root of the mean square (Zhang & Sennrich 2019), as `keras.layers.RMSNormalization`.

    Args:
        axis: The axis, or several, that are normalised together. They must be the last ones: for others Keras lays
            the scale along the last axes all the same, which fails or goes wrong.
        epsilon: Added to the mean square; 1e-6, where torch has the smallest step of the dtype.
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        scale: the sizes of `axis` -> `weight`

    Example:
        >>> RMSNormalization()(torch.tensor([[1.0, 7.0]])).detach()
        tensor([[0.2000, 1.4000]])
    """

    WEIGHTS = (Var("scale", ("weight",), lambda l, s: sizes_at(l, s, l._axes(len(s))), init=lambda l: _ones),)
    CONFIG = ("axis", "epsilon")
    EXAMPLES = (
        Example("default", dict(), (2, 7, 3)),
        Example("two axes", dict(axis=[1, 2], epsilon=1e-3), (2, 7, 3)),
    )

    scale: VariableAttribute

    def __init__(self, axis: Any = -1, epsilon: float = 1e-6, **base: Unpack[BaseOptions]) -> None:
        super().__init__(**base)
        self._keep_axes(axis)
        self.epsilon = check.number("epsilon", epsilon)

    def _check_input_shape(self, input_shape: Shape) -> None:
        super()._check_input_shape(input_shape)
        rank = len(input_shape)
        if self._axes(rank) != list(range(rank - len(self._axes(rank)), rank)):
            raise UnsupportedError(
                f"{repr_of(self)}: axis={self.axis} of an input of {counted(rank, 'axis', 'axes')} is not supported: "
                "Keras lays the scale "
                "along the last axes whatever axis says; put a Permute in front."
            )

    def _compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        return self.dtype if input_dtype.is_floating_point else input_dtype

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x.

        Args:
            x: `(B, ...)`, of the layer's dtype; integers give integers, cut off as in Keras.

        Raises:
            ShapeError: x has another shape than the layer needs.
        """
        given = one_tensor(self, x).dtype
        x = float_tensor(self, x, self.weight.dtype)
        self._check_input_shape(tuple(x.shape))
        out = F.rms_norm(x, self.weight.shape, self.weight, self.epsilon)
        return cut_off(out, given)

    def _to_torch(self) -> nn.Module:
        return to_torch.plain(nn.RMSNorm, self, normalized_shape=tuple(self.weight.shape), eps=self.epsilon)
