"""ReLU, LeakyReLU, PReLU, ELU and ThresholdedReLU, as Keras computes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ... import activations
from ...base import check, to_torch
from ...base.input_checks import float_tensor, one_shape, one_tensor, sizes_at
from ...base.input_spec import as_built
from ...base.layer import Example, Layer, register
from ...base.variable import VariableAttribute
from ...base.weighted import repr_of
from ...errors import ShapeError
from ...weights import Shape, Var
from .elementwise import Elementwise

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions


@register("ReLU")
class ReLU(Elementwise):
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
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **base: Unpack[BaseOptions],
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
class LeakyReLU(Elementwise):
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

    def __init__(self, negative_slope: float = 0.3, *, alpha: float | None = None, **base: Unpack[BaseOptions]) -> None:
        super().__init__(**base)
        self.negative_slope = check.least_zero("negative_slope", negative_slope if alpha is None else alpha)

    def _as_activation(self) -> activations.LeakyReLU:
        return activations.LeakyReLU(self.negative_slope)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the unit to x of any shape."""
        return activations.leaky_relu(one_tensor(self, x), self.negative_slope)

    def _compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        return input_dtype if input_dtype.is_floating_point else torch.get_default_dtype()

    def _to_torch(self) -> nn.Module:
        return to_torch.activation_module(self, self._as_activation())


@register("ELU")
class ELU(Elementwise):
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

    def __init__(self, alpha: float = 1.0, **base: Unpack[BaseOptions]) -> None:
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
class ThresholdedReLU(Elementwise):
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

    def __init__(self, theta: float = 1.0, **base: Unpack[BaseOptions]) -> None:
        super().__init__(**base)
        self.theta = check.least_zero("theta", theta)

    def _as_activation(self) -> activations.ReLU:
        return activations.ReLU(threshold=self.theta)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the unit to x of any shape."""
        return F.threshold(one_tensor(self, x), self.theta, 0.0)

    def _to_torch(self) -> nn.Module:
        return nn.Threshold(self.theta, 0.0)


def _own_axes(layer: Any) -> list[int]:
    """The axes along which a PReLU has slopes of its own, if it shares them along others."""
    shared = layer.shared_axes or ()
    return [axis for axis in range(1, len(layer._build_shape)) if axis not in shared] if shared else []


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

    _keras_spec = as_built(_own_axes)
    supports_masking = True
    WEIGHTS = (Var("alpha", ("weight",), lambda l, s: l._alpha_shape(s)),)
    CONFIG = ("alpha_initializer", "alpha_regularizer", "alpha_constraint", "shared_axes")
    EXAMPLES = (
        Example("default", dict(), (2, 3)),
        Example("every step alike", dict(shared_axes=[1]), (2, 7, 3)),
        Example("every place", dict(alpha_initializer="ones"), (2, 7, 3)),
    )

    alpha: VariableAttribute
    weight: Tensor

    def __init__(
        self,
        alpha_initializer: Any = "Zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: Any = None,
        **base: Unpack[BaseOptions],
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
