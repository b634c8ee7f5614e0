"""Arguments of layers that move a window over rows, images or volumes: kernel sizes, strides, padding, data formats."""

from __future__ import annotations

from typing import Any

from ..errors import ArgumentError
from . import check
from .weighted import repr_of

FARTHEST = 1 << 31  # a product of two, as of a kernel and the distance of what it sees, is safe in torch's arithmetic
_FORMATS = ("channels_last", "channels_first")
_AXES = {1: ("steps",), 2: ("rows", "columns"), 3: ("rows", "columns", "depth")}


def sizes(name: str, value: Any, rank: int, least: int = 1) -> tuple[int, ...]:
    """One number for each of `rank` axes; a single one stands for all."""
    found = check.integers(name, value if hasattr(value, "__iter__") else (value,) * rank, least, FARTHEST)
    if len(found) != rank:
        raise ArgumentError(f"{name}: expected an integer or {rank} of them, got {len(found)}: {found}.")
    return found


def padding_of(value: Any, allowed: tuple[str, ...] = ("valid", "same")) -> str:
    return check.one_of("padding", _lower(value), allowed)


def data_format_of(value: Any) -> str:
    """Where the channels stand: "channels_last", which None also means, or "channels_first"."""
    return check.one_of("data_format", _lower(value) or _FORMATS[0], _FORMATS)


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def refuse_strides_with_dilation(layer: Any) -> None:
    """Raise, as Keras does, where both are above 1."""
    if max(layer.strides) > 1 and max(layer.dilation_rate) > 1:
        raise ArgumentError(
            f"{repr_of(layer)}: strides above 1 and a dilation_rate above 1 exclude each other, got "
            f"strides={layer.strides} and dilation_rate={layer.dilation_rate}; set one of them to 1."
        )


def axes_named(rank: int, channels_first: bool) -> str:
    """The axes of one image for messages: "rows, columns, channels"."""
    image = ", ".join(_AXES[rank])
    return f"channels, {image}" if channels_first else f"{image}, channels"
