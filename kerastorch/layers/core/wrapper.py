"""Wrapper: the base of a person's own layers around a layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...base.inner_layers import deserialize, serialize_layer
from ...base.layer import Layer
from ...errors import ArgumentError, quote

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions


class Wrapper(Layer):
    """The base of your own layers around a layer, as `keras.layers.Wrapper`; abstract: a subclass defines `call`.

    Args:
        layer: The layer inside.
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        The inner layer's.

    Example:
        >>> class Twice(Wrapper):
        ...     def call(self, x):
        ...         return self.layer(self.layer(x))
        >>> Twice(Dense(3))(torch.zeros(2, 3)).shape
        torch.Size([2, 3])
    """

    def __init__(self, layer: Layer, **base: Unpack[BaseOptions]) -> None:
        if not isinstance(layer, Layer):
            raise ArgumentError(
                f"{type(self).__name__}: layer: expected a kerastorch layer, got {quote(type(layer).__name__)}."
            )
        super().__init__(**base)
        self.layer = layer

    def build(self, input_shape: Any = None) -> None:
        """Build the layer inside, for the same input."""
        if not self.layer.built:
            self.layer.build(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "layer": serialize_layer(self.layer)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """Make one from `get_config()`'s result."""
        options = dict(config)
        return cls(deserialize(options.pop("layer"), custom_objects), **options)
