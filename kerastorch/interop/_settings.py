"""What a module is converted for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Format = Literal["channels_first", "channels_last"]


@dataclass(frozen=True)
class Settings:
    """What holds for the module at hand.

    Attributes:
        sum_biases: Whether two non-zero biases may become their sum.
        in_sequential: Whether it stands in an nn.Sequential that becomes a `Sequential`.
        return_sequences: Of a recurrent module.
        example_shape: Of the module's own input.
        data_format: Where a layer for images has its channels.
        axis: Where a normalization has its channels.
        rank: How many axes the module's input has; None if not known.
        trains_padding: Whether the row `padding_idx` of an nn.Embedding may become one that is trained.
        pads: Whether a layer that pads with zeros may stand before a convolution.
    """

    sum_biases: bool = False
    in_sequential: bool = False
    return_sequences: bool = True
    example_shape: tuple[int, ...] | None = None
    data_format: Format = "channels_first"
    axis: int = 1
    rank: int | None = None
    trains_padding: bool = False
    pads: bool = False
