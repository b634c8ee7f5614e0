"""Activations that are layers: ReLU, LeakyReLU, PReLU, ELU, ThresholdedReLU, Softmax."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .. import activations
from ..base import check, to_torch
from ..base.input_checks import axis_in_bounds, float_tensor, one_shape, one_tensor, sizes_at, spreading_mask
from ..base.layer import Example, Layer, register
from ..base.weighted import repr_of
from ..errors import ArgumentError, ShapeError
from ..weights import Shape, Var

_HIDDEN = -1e9  # what Keras puts in the place of a masked value, or adds to it
_HIDDEN_HALF = {None: -3e4, True: -65504.0 / 2, False: -65504.0 / 2}  # likewise in float16, by `robust_masking`


class _Elementwise(Layer):
    """What the layers without weights share; abstract."""

    supports_masking = True

    def _check_input_shape(self, input_shape: Shape) -> None:
        one_shape(self, input_shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_input_shape(input_shape)
        return tuple(input_shape)


@register("ReLU")
class ReLU(_Elementwise):
    """Rectified linear unit, as `keras.layers.ReLU`.

    The output is x from `threshold` on, at most `max_value`; below it is `negative_slope * (x - threshold)`.

    Args:
        max_value: The largest output; None for no bound.
        negative_slope: Slope below the threshold.
        threshold: Where the unit sets in.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> ReLU(max_value=2.0, negative_slope=0.5)(torch.tensor([[-3.0, 1.0, 5.0]]))
        tensor([[-1.5000,  1.0000,  2.0000]])
    """

    CONFIG = ("max_value", "negative_slope", "threshold")
    EXAMPLES = (
        Example("default", dict(), (2, 3)),
        Example("every argument", dict(max_value=1.5, negative_slope=0.1, threshold=0.5), (2, 7, 3)),
    )

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **base: Any
    ) -> None:
        super().__init__(**base)
        self.max_value = None if max_value is None else check.least_zero("max_value", max_value)
        self.negative_slope = check.least_zero("negative_slope", negative_slope)
        self.threshold = check.least_zero("threshold", threshold)

    def _as_activation(self) -> activations.ReLU:
        return activations.ReLU(self.max_value, self.negative_slope, self.threshold)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the unit to x of any shape."""
        return activations.relu(one_tensor(self, x), self.negative_slope, self.max_value, self.threshold)

    def _to_torch(self) -> nn.Module:
        return to_torch.activation_module(self, self._as_activation())


@register("LeakyReLU")
class LeakyReLU(_Elementwise):
    """x, or `negative_slope * x` where it is negative, as `keras.layers.LeakyReLU`.

    Args:
        negative_slope: Slope below 0.
        alpha: Its name in Keras 2.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> LeakyReLU(0.5)(torch.tensor([[-3.0, 1.0]]))
        tensor([[-1.5000,  1.0000]])
    """

    CONFIG = ("negative_slope",)
    INERT = ("alpha",)  # not inert: another name
    EXAMPLES = (Example("default", dict(), (2, 3)), Example("slope", dict(negative_slope=0.1), (2, 7, 3)))

    def __init__(self, negative_slope: float = 0.3, *, alpha: float | None = None, **base: Any) -> None:
        super().__init__(**base)
        self.negative_slope = check.least_zero("negative_slope", negative_slope if alpha is None else alpha)

    def _as_activation(self) -> activations.LeakyReLU:
        return activations.LeakyReLU(self.negative_slope)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the unit to x of any shape."""
        return F.leaky_relu(one_tensor(self, x), self.negative_slope)

    def _to_torch(self) -> nn.Module:
        return to_torch.activation_module(self, self._as_activation())


@register("ELU")
class ELU(_Elementwise):
    """x, or `alpha * (exp(x) - 1)` where it is negative (Clevert et al. 2015), as `keras.layers.ELU`.

    Args:
        alpha: Scale of the negative part.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> ELU()(torch.tensor([[0.0, 2.0]]))
        tensor([[0., 2.]])
    """

    CONFIG = ("alpha",)
    EXAMPLES = (Example("default", dict(), (2, 3)), Example("alpha", dict(alpha=0.3), (2, 7, 3)))

    def __init__(self, alpha: float = 1.0, **base: Any) -> None:
        super().__init__(**base)
        self.alpha = check.number("alpha", alpha)

    def _as_activation(self) -> activations.ELU:
        return activations.ELU(self.alpha)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the unit to x of any shape."""
        return F.elu(one_tensor(self, x), self.alpha)

    def _to_torch(self) -> nn.Module:
        return to_torch.activation_module(self, self._as_activation())


@register("ThresholdedReLU")
class ThresholdedReLU(_Elementwise):
    """x where it is above `theta`, else 0, as Keras 2's `ThresholdedReLU`; Keras 3 writes `ReLU(threshold=theta)`.

    Args:
        theta: The threshold.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> ThresholdedReLU()(torch.tensor([[0.5, 1.0, 2.0]]))
        tensor([[0., 0., 2.]])
    """

    CONFIG = ("theta",)
    EXAMPLES = (Example("default", dict(), (2, 3)), Example("theta", dict(theta=0.3), (2, 7, 3)))

    def __init__(self, theta: float = 1.0, **base: Any) -> None:
        super().__init__(**base)
        self.theta = check.least_zero("theta", theta)

    def _as_activation(self) -> activations.ReLU:
        return activations.ReLU(threshold=self.theta)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the unit to x of any shape."""
        return F.threshold(one_tensor(self, x), self.theta, 0.0)

    def _to_torch(self) -> nn.Module:
        return nn.Threshold(self.theta, 0.0)


@register("Softmax")
class Softmax(_Elementwise):
    """Softmax over one axis or several, as `keras.layers.Softmax`.

    A mask hides values: it is not the mask of the steps, but has the shape of the input, or one that spreads to it. As
    in Keras, the mask that comes along with the input is used too, and does not fit where it counts steps of features.

    Args:
        axis: The axis, or several, that sum to 1 together.
        robust_masking: None: Keras 3, which sets masked outputs to 0. False and True: tf.keras, which adds a large
            negative number to masked inputs, or puts it in their place, and leaves the outputs as they come.
        keras2_masks: Whether masks are left out, as in Keras 2 outside of TensorFlow; it has no `robust_masking`.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> Softmax()(torch.zeros(1, 4), mask=torch.tensor([[True, True, False, False]]))
        tensor([[0.5000, 0.5000, 0.0000, 0.0000]])
    """

    CONFIG = ("axis",)
    INERT = ("robust_masking", "keras2_masks")
    EXAMPLES = (
        Example("default", dict(), (2, 3)),
        Example("axis 1", dict(axis=1), (2, 7, 3)),
        Example("two axes", dict(axis=[1, 2], robust_masking=True), (2, 7, 3)),
    )

    def __init__(
        self, axis: Any = -1, *, robust_masking: bool | None = None, keras2_masks: bool = False, **base: Any
    ) -> None:
        super().__init__(**base)
        several = isinstance(axis, (list, tuple))
        self.axis = list(check.integers("axis", axis)) if several else check.integer("axis", axis)
        if several and not self.axis:
            raise ArgumentError("axis: expected an axis or a list of axes, got an empty list.")
        self.robust_masking = None if robust_masking is None else check.boolean("robust_masking", robust_masking)
        self.keras2_masks = check.boolean("keras2_masks", keras2_masks)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if self.robust_masking is not None:
            config["robust_masking"] = self.robust_masking
        return {**config, "keras2_masks": True} if self.keras2_masks else config

    def _check_input_shape(self, input_shape: Shape) -> None:
        one_shape(self, input_shape)
        axis_in_bounds(self, input_shape, self.axis if isinstance(self.axis, list) else [self.axis])

    def _as_activation(self) -> activations.Softmax:
        return activations.Softmax(tuple(self.axis) if isinstance(self.axis, list) else self.axis)

    def forward(self, x: Tensor, mask: Any = None) -> Tensor:
        """Apply softmax.

        Args:
            x: Of any shape that has the axes.
            mask: Of the shape of x, or spreading to it from its last axis on; False (or at most 0.5) hides a value.

        Raises:
            ShapeError: x has not the axes, or the mask does not fit x.
        """
        x = one_tensor(self, x)
        self._check_input_shape(tuple(x.shape))
        if mask is None or (self.keras2_masks and self.robust_masking is None):
            return activations.softmax_over(x, self.axis)
        mask = spreading_mask(self, x, mask)
        hidden = _HIDDEN_HALF[self.robust_masking] if x.dtype == torch.float16 else _HIDDEN
        if self.robust_masking is False:
            return activations.softmax_over(x + (1.0 - mask.to(x.dtype)) * hidden, self.axis)
        mask = mask if mask.dtype == torch.bool else mask > 0.5
        out = activations.softmax_over(x.where(mask, hidden), self.axis)
        return out if self.robust_masking else out.where(mask, 0.0)

    def _to_torch(self) -> nn.Module:
        return to_torch.activation_module(self, self._as_activation())


@register("PReLU")
class PReLU(Layer):
    """x, or `alpha * x` where it is negative, with a learned alpha (He et al. 2015), as `keras.layers.PReLU`.

    Args:
        alpha_initializer: Of alpha.
        alpha_regularizer: Penalty on alpha.
        alpha_constraint: Of alpha.
        shared_axes: The axes, counted with the batch axis as 0, along which all places have one alpha.
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        alpha: the input's shape without the batch axis, 1 at the shared axes -> `weight`

    Example:
        >>> PReLU(shared_axes=[1])(torch.zeros(2, 20, 3)).shape
        torch.Size([2, 20, 3])
    """

    supports_masking = True
    WEIGHTS = (Var("alpha", ("weight",), lambda l, s: l._alpha_shape(s)),)
    CONFIG = ("alpha_initializer", "alpha_regularizer", "alpha_constraint", "shared_axes")
    EXAMPLES = (
        Example("default", dict(), (2, 3)),
        Example("every step alike", dict(shared_axes=[1]), (2, 7, 3)),
        Example("every place", dict(alpha_initializer="ones"), (2, 7, 3)),
    )

    weight: Tensor

    def __init__(
        self,
        alpha_initializer: Any = "Zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: Any = None,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self._configure(
            alpha_initializer=alpha_initializer,
            alpha_regularizer=alpha_regularizer,
            alpha_constraint=alpha_constraint,
        )
        if shared_axes is not None and not isinstance(shared_axes, (list, tuple)):
            shared_axes = [shared_axes]
        self.shared_axes = None if shared_axes is None else list(check.integers("shared_axes", shared_axes, 1))

    def _alpha_shape(self, input_shape: Shape) -> tuple[int, ...]:
        shared = self.shared_axes or ()
        if any(axis >= len(input_shape) for axis in shared):
            raise ShapeError(
                f"{repr_of(self)}: shared_axes={list(shared)} does not fit input of shape {tuple(input_shape)}; "
                f"the axes are 1 to {len(input_shape) - 1}."
            )
        own = [axis for axis in range(1, len(input_shape)) if axis not in shared]
        sizes = dict(zip(own, sizes_at(self, input_shape, own), strict=True))
        return tuple(sizes.get(axis, 1) for axis in range(1, len(input_shape)))

    def _check_input_shape(self, input_shape: Shape) -> None:
        one_shape(self, input_shape, least=2, meaning="(batch, ...)")
        shape = self._alpha_shape(input_shape)
        made = self._parameters.get("weight")
        if made is not None and tuple(made.shape) != shape:
            raise ShapeError(
                f"{repr_of(self)}: expected an input for alpha of shape {tuple(made.shape)}, got {tuple(input_shape)}; "
                "axes of another size must be in shared_axes."
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_input_shape(input_shape)
        return tuple(input_shape)

    def _compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        return self.dtype

    def forward(self, x: Tensor) -> Tensor:
        """Apply the unit.

        Args:
            x: `(B, ...)`, of the layer's dtype.

        Raises:
            ShapeError: x has another shape than the layer needs.
        """
        x = float_tensor(self, x, self.weight.dtype)
        self._check_input_shape(tuple(x.shape))
        return F.relu(x) - self.weight * F.relu(-x)  # at 0 the gradient is 0, where F.prelu's is alpha

    def _to_torch(self) -> nn.Module:
        shape = tuple(self.weight.shape)
        if max(shape[1:], default=1) > 1:
            raise to_torch.no_module(
                self, [f"torch's has one alpha for each place of axis 1 at most, this one has shape {shape}"]
            )
        return to_torch.plain(nn.PReLU, self, {"weight": self.weight.flatten()}, num_parameters=shape[0])
