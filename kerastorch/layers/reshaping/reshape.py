"""RepeatVector, Flatten, Reshape, Permute, as Keras computes them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ...base import check, to_torch
from ...base.input_checks import one_shape, one_tensor
from ...base.input_spec import InputSpec, with_axes
from ...base.layer import Example, Layer, register
from ...base.weighted import repr_of
from ...errors import ArgumentError, ShapeError, counted, quote
from ...weights import Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions


@register("RepeatVector")
class RepeatVector(Layer):
    """Repeats a vector over `n` time steps, as `keras.layers.RepeatVector`.

    Args:
        n: Number of steps.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> RepeatVector(50)(torch.zeros(2, 100)).shape
        torch.Size([2, 50, 100])
    """

    _keras_spec = with_axes(2)
    CONFIG = ("n",)
    EXAMPLES = (Example("default", dict(n=4), (2, 3)), Example("once", dict(n=1), (2, 3)))

    def __init__(self, n: int, **base: Unpack[BaseOptions]) -> None:
        super().__init__(**base)
        self.n = check.positive("n", n)

    def _check_input_shape(self, input_shape: Shape) -> None:
        one_shape(self, input_shape, rank=2, meaning="(batch, features)")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_input_shape(input_shape)
        return (input_shape[0], self.n, input_shape[1])

    def forward(self, x: Tensor) -> Tensor:
        """Repeat x `(B, F)`.

        Returns:
            `(B, n, F)`.

        Raises:
            ShapeError: x has not two axes.
        """
        x = one_tensor(self, x)
        self._check_input_shape(tuple(x.shape))
        return x.unsqueeze(1).repeat(1, self.n, 1)


@register("Flatten")
class Flatten(Layer):
    """Makes one axis of all but the batch axis, as `keras.layers.Flatten`.

    Args:
        data_format: "channels_first" moves axis 1 to the end first; "channels_last" and None do not.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> Flatten()(torch.zeros(2, 10, 64)).shape
        torch.Size([2, 640])
    """

    CONFIG = ("data_format",)
    EXAMPLES = (
        Example("default", dict(), (2, 7, 3)),
        Example("channels first", dict(data_format="channels_first"), (2, 3, 4, 5)),
        Example("one axis", dict(), (2,)),
    )

    def __init__(self, data_format: str | None = None, **base: Unpack[BaseOptions]) -> None:
        super().__init__(**base)
        allowed = ("channels_last", "channels_first")
        self.data_format = check.one_of("data_format", data_format or "channels_last", allowed)

    def _keras_spec(self) -> Any:
        return InputSpec(min_ndim=1)

    def _check_input_shape(self, input_shape: Shape) -> None:
        one_shape(self, input_shape, least=1, meaning="(batch, ...)")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_input_shape(input_shape)
        sizes = input_shape[1:]
        return (input_shape[0], None if None in sizes else math.prod(sizes))

    def forward(self, x: Tensor) -> Tensor:
        """Flatten x `(B, ...)`.

        Returns:
            `(B, N)`.
        """
        x = one_tensor(self, x)
        self._check_input_shape(tuple(x.shape))
        if x.ndim == 1:
            return x.unsqueeze(1)
        return (x.movedim(1, -1) if self.data_format == "channels_first" else x).flatten(1)

    def _to_torch(self) -> nn.Module:
        if self.data_format == "channels_first":
            raise to_torch.no_module(self, ['data_format="channels_first": torch\'s Flatten moves no axis'])
        return nn.Flatten()


@register("Reshape")
class Reshape(Layer):
    """Gives each sample another shape, as `keras.layers.Reshape`.

    Args:
        target_shape: Without the batch axis; one size can be -1 (or None) and follows from the others.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> Reshape((-1, 2, 2))(torch.zeros(5, 12)).shape
        torch.Size([5, 3, 2, 2])
    """

    CONFIG = ("target_shape",)
    EXAMPLES = (
        Example("default", dict(target_shape=(3, 4)), (2, 12)),
        Example("one size open", dict(target_shape=(-1, 2)), (2, 4, 3)),
        Example("flat", dict(target_shape=(12,)), (2, 4, 3)),
    )

    def __init__(self, target_shape: Any, **base: Unpack[BaseOptions]) -> None:
        super().__init__(**base)
        if isinstance(target_shape, (list, tuple)):
            target_shape = tuple(-1 if size is None else size for size in target_shape)
        self.target_shape = check.integers("target_shape", target_shape, -1)
        if self.target_shape.count(-1) > 1:
            raise ArgumentError(
                f"target_shape: expected at most one size of -1 or None, got {quote(target_shape)}; give the others."
            )

    def _check_input_shape(self, input_shape: Shape) -> None:
        one_shape(self, input_shape, least=1, meaning="(batch, ...)")
        self._resolved(input_shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_input_shape(input_shape)
        return (input_shape[0], *self._resolved(input_shape))

    def _resolved(self, input_shape: Shape) -> Shape:
        sizes = input_shape[1:]
        if None in sizes:
            return tuple(None if size == -1 else size for size in self.target_shape)
        count = math.prod(sizes)
        known = math.prod([size for size in self.target_shape if size != -1])
        fits = known == count if -1 not in self.target_shape else known != 0 and count % known == 0
        if not fits:
            raise ShapeError(
                f"{repr_of(self)}: {tuple(sizes)} holds {counted(count, 'value')} for each sample and cannot become "
                f"{self.target_shape}, which needs {'a multiple of ' if -1 in self.target_shape else ''}{known}."
            )
        return tuple(count // known if size == -1 else size for size in self.target_shape)

    def forward(self, x: Tensor) -> Tensor:
        """Reshape x `(B, ...)`.

        Returns:
            `(B, *target_shape)`.

        Raises:
            ShapeError: The number of values does not fit.
        """
        x = one_tensor(self, x)
        self._check_input_shape(tuple(x.shape))
        return x.reshape(x.shape[0], *self._resolved(tuple(x.shape)))


@register("Permute")
class Permute(Layer):
    """Reorders the axes behind the batch axis, as `keras.layers.Permute`.

    Args:
        dims: The new order; the first axis behind the batch axis is 1.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> Permute((2, 1))(torch.zeros(5, 10, 64)).shape
        torch.Size([5, 64, 10])
    """

    CONFIG = ("dims",)
    EXAMPLES = (
        Example("two axes", dict(dims=(2, 1)), (2, 7, 3)),
        Example("three axes", dict(dims=(2, 3, 1)), (2, 7, 3, 4)),
    )

    def __init__(self, dims: Any, **base: Unpack[BaseOptions]) -> None:
        super().__init__(**base)
        self.dims = check.integers("dims", dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ArgumentError(
                f"dims: expected each of 1 to {len(self.dims)} once (without the batch axis), got {quote(self.dims)}."
            )

    def _keras_spec(self) -> Any:
        return InputSpec(ndim=len(self.dims) + 1)

    def _check_input_shape(self, input_shape: Shape) -> None:
        one_shape(self, input_shape, rank=len(self.dims) + 1, meaning="(batch, ...)")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_input_shape(input_shape)
        return (input_shape[0], *(input_shape[dim] for dim in self.dims))

    def forward(self, x: Tensor) -> Tensor:
        """Permute x `(B, ...)`, which has one axis more than `dims`.

        Raises:
            ShapeError: x has another number of axes.
        """
        x = one_tensor(self, x)
        self._check_input_shape(tuple(x.shape))
        return x.permute(0, *self.dims)
