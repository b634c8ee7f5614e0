"""Which convolution of Keras is one of torch's modules; `_plain_modules` fills it."""

from __future__ import annotations

from typing import Any

from torch import nn

from .. import layers
from ..errors import UnsupportedError
from ._settings import Format

CONVOLUTIONS: dict[type[nn.Module], Any] = {
    nn.Conv1d: layers.Conv1D,
    nn.Conv2d: layers.Conv2D,
    nn.Conv3d: layers.Conv3D,
}
TRANSPOSED: dict[type[nn.Module], Any] = {
    nn.ConvTranspose1d: layers.Conv1DTranspose,
    nn.ConvTranspose2d: layers.Conv2DTranspose,
    nn.ConvTranspose3d: layers.Conv3DTranspose,
}


PADDINGS = {1: layers.ZeroPadding1D, 2: layers.ZeroPadding2D, 3: layers.ZeroPadding3D}


def convolution_layer(module: Any, data_format: Format, padded: bool = False) -> layers.Layer:
    """The layer for nn.Conv1d to 3d or nn.ConvTranspose1d to 3d, without weights.

    Args:
        module: The module.
        data_format: Where the layer has the channels.
        padded: Whether `padding_before` stands before it.

    Raises:
        UnsupportedError: Keras has no such convolution.
    """
    if module.padding_mode != "zeros":
        raise UnsupportedError(f"padding_mode={module.padding_mode!r}: Keras pads with zeros")
    if max(module.stride) > 1 and max(module.dilation) > 1:
        raise UnsupportedError(f"stride={module.stride} with dilation={module.dilation}: Keras has one of the two")
    options: dict[str, Any] = {
        "strides": module.stride,
        "dilation_rate": module.dilation,
        "data_format": data_format,
        "use_bias": module.bias is not None,
    }
    transposed = type(module) in TRANSPOSED
    options |= (
        _transposed(module)
        if transposed
        else {
            "padding": "valid" if padded else _padding(module),
            "groups": module.groups,
        }
    )
    make = TRANSPOSED[type(module)] if transposed else CONVOLUTIONS[type(module)]
    return make(module.out_channels, module.kernel_size, **options)


def padding_before(module: Any, data_format: Format) -> layers.Layer | None:
    """A layer of zeros around the input, where no padding of Keras is the module's own."""
    if type(module) not in CONVOLUTIONS or module.padding_mode != "zeros":
        return None
    try:
        _padding(module)
    except UnsupportedError:
        sides: Any = tuple((p, p) for p in module.padding)
        make: Any = PADDINGS[len(sides)]
        return make(sides if len(sides) > 1 else sides[0], data_format)
    return None


def _padding(module: Any) -> str:
    if isinstance(module.padding, str) or not any(module.padding):
        return module.padding if isinstance(module.padding, str) else "valid"
    # Keras's "same": with strides above 1 its amount depends on the size of the input.
    whole = [(k - 1) * d for k, d in zip(module.kernel_size, module.dilation, strict=True)]
    if max(module.stride) == 1 and all(2 * p == size for p, size in zip(module.padding, whole, strict=True)):
        return "same"
    raise UnsupportedError(
        f"padding={module.padding} with kernel_size={module.kernel_size} and stride={module.stride}: Keras pads so "
        "that ceil(size / strides) places come out, or not at all; pad the input before"
    )


def _transposed(module: Any) -> dict[str, Any]:
    if module.groups != 1:
        raise UnsupportedError(f"groups={module.groups}: Keras's transposed convolutions have no groups")
    extra = module.output_padding
    covered = [(k - 1) * d + 1 for k, d in zip(module.kernel_size, module.dilation, strict=True)]
    if any(module.padding):
        if any(extra):
            raise UnsupportedError(
                f"padding={module.padding} with output_padding={extra}: it cuts off more before than behind, Keras "
                "never does"
            )
        cut = [2 * p for p in module.padding]
        if cut == [size - stride for size, stride in zip(covered, module.stride, strict=True)]:
            return {"padding": "same"}
        extra = tuple(size - size % 2 - gone for size, gone in zip(covered, cut, strict=True))
    if any(not 0 <= more < stride for more, stride in zip(extra, module.stride, strict=True)):
        raise UnsupportedError(
            f"padding={module.padding} and output_padding={module.output_padding} with kernel_size="
            f"{module.kernel_size} and stride={module.stride}: Keras has no output of this size"
        )
    return {"padding": "same" if any(module.padding) else "valid", "output_padding": extra}
