"""Keras layers that are functions with fixed arguments, where they stand as the `activation` of another layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from .._serial import Configured, read_value
from .formulas import elu, leaky_relu, relu, softmax_over


class LayerFunction(Configured):
    """What a Keras layer without weights computes, where it stands as the `activation` of another layer."""

    module: ClassVar[str] = "keras.layers"
    ignored = frozenset({"name", "trainable", "dtype"})  # of the layer's config

    def __call__(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def _numbers(self, *names: str) -> None:
        for name in names:
            if isinstance(getattr(self, name), Mapping):  # an array of no axes, as some Keras wrote it
                self._set(name, read_value(getattr(self, name)))
            self._number(name, least=0)


@dataclass(frozen=True)
class ReLU(LayerFunction):
    """`relu` with these arguments, as the layer ReLU has them."""

    max_value: float | None = None
    negative_slope: float = 0.0
    threshold: float = 0.0

    def __post_init__(self) -> None:
        self._numbers(*(("max_value",) if self.max_value is not None else ()), "negative_slope", "threshold")

    def __call__(self, x: Tensor) -> Tensor:
        return relu(x, self.negative_slope, self.max_value, self.threshold)


@dataclass(frozen=True)
class LeakyReLU(LayerFunction):
    """`leaky_relu` with the slope of the layer LeakyReLU; `alpha` is its name in Keras 2."""

    negative_slope: float = 0.3

    def __post_init__(self) -> None:
        self._numbers("negative_slope")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> LeakyReLU:
        return super().from_config({"negative_slope" if key == "alpha" else key: config[key] for key in config})

    def __call__(self, x: Tensor) -> Tensor:
        return leaky_relu(x, self.negative_slope)


@dataclass(frozen=True)
class ELU(LayerFunction):
    """`elu` with the factor of the layer ELU."""

    alpha: float = 1.0

    def __post_init__(self) -> None:
        self._numbers("alpha")

    def __call__(self, x: Tensor) -> Tensor:
        return elu(x, self.alpha)


@dataclass(frozen=True)
class Softmax(LayerFunction):
    """`softmax` over the axis, or the axes, of the layer Softmax."""

    axis: int | tuple[int, ...] = -1

    def __post_init__(self) -> None:
        self._axes("axis")

    def __call__(self, x: Tensor) -> Tensor:
        return softmax_over(x, self.axis)
