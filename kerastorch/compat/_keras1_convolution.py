"""Keras 1.x: the configs of convolutions in the spelling of Keras 2. Their kernels: `matching.convert`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import CorruptFileError, UnsupportedFileError, quote
from ._values import is_int, sequence

# Class of Keras 1 -> class of Keras 2.
CLASSES: Mapping[str, str] = {
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "Deconvolution2D": "Conv2DTranspose",
    "SeparableConvolution2D": "SeparableConv2D",
    "LocallyConnected1D": "LocallyConnected1D",
    "LocallyConnected2D": "LocallyConnected2D",
    "ConvLSTM2D": "ConvLSTM2D",
}
# What the values of two arguments are in Keras 2. Theano's border_mode "full" is nothing that a later Keras has.
# "default" does not occur in files: Keras 1 wrote which of the two it was.
VALUES: Mapping[str, Mapping[Any, Any]] = {
    "border_mode": {"valid": "valid", "same": "same"},
    "dim_ordering": {"tf": "channels_last", "th": "channels_first"},
}
_SIZES = (("filter_length",), ("nb_row", "nb_col"), ("kernel_dim1", "kernel_dim2", "kernel_dim3"))
_OVER_TIME = ("Conv1D", "LocallyConnected1D")


def renames(kernel: Mapping[str, str], recurrent: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Class of Keras 1 -> argument of Keras 1 -> argument of Keras 2.

    Args:
        kernel: The arguments that every layer with a kernel has.
        recurrent: The arguments of recurrent layers.
    """
    window = {
        "nb_filter": "filters",
        "border_mode": "padding",
        "dim_ordering": "data_format",
        "subsample": "strides",
        "subsample_length": "strides",
    }
    plain = {**kernel, **window, "bias": "use_bias", "atrous_rate": "dilation_rate"}
    return {**dict.fromkeys(CLASSES, plain), "ConvLSTM2D": {**recurrent, **window}}


def convolution(class_name: str, name: str, config: dict[str, Any], rule: Callable[[str, str], None]) -> dict[str, Any]:
    """The item of a convolution, its arguments renamed already, as Keras 2 would have written it."""
    new = CLASSES[class_name]
    if new != class_name:
        rule(name, f"{class_name} is read as {new}")
    for keys in _SIZES:
        if all(key in config for key in keys):
            config["kernel_size"] = [config.pop(key) for key in keys]
    if class_name == "Deconvolution2D":
        _state_output_size(name, config)
    if class_name == "SeparableConvolution2D" and "kernel_initializer" in config:
        initializer = config.pop("kernel_initializer")
        config |= {"depthwise_initializer": initializer, "pointwise_initializer": initializer}
    if class_name == "ConvLSTM2D" and "strides" not in config:
        rule(name, "strides are not in the file: 1, which is what Keras 1 itself reads")
    if new in _OVER_TIME:
        steps, features = config.pop("input_length", None), config.pop("input_dim", None)
        if features is not None and config.get("batch_input_shape") is None:
            config["batch_input_shape"] = [None, steps, features]
    return {"class_name": new, "config": config}


def _state_output_size(name: str, config: dict[str, Any]) -> None:
    """Keras 1 states the shape of the output; later versions compute it, or are told by output_padding."""
    where = f"Layer {quote(name)}, output_shape"
    stated = sequence(config.pop("output_shape", None), where)
    if len(stated) != 4:
        raise CorruptFileError(f"{where}: expected 4 sizes, got {quote(stated)}.")
    image = stated[2:] if config.get("data_format") == "channels_first" else stated[1:3]
    if not all(map(is_int, image)):
        raise UnsupportedFileError(f"{where} = {quote(stated)}: the size of the image must be known.")
    config["output_size"] = image
