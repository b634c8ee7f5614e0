"""From plain torch modules to layers and models with the same numbers; `layer.to_torch()` is the way back."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from .. import layers
from ..errors import ArgumentError, UnsupportedError, quote
from ._comparing import compare_layer
from ._convert import CONVERTERS, convert
from ._convolutions import CONVOLUTIONS, TRANSPOSED
from ._example import has_tensors, read_example
from ._images import CONVERTERS as _IMAGES
from ._plain_modules import AXES_BEHIND
from ._settings import Settings
from ._whole import whole_model

_log = logging.getLogger("kerastorch")

# They return states, take several tensors, or have the channels in the middle: with an example these become a graph.
_IN_A_GRAPH = (nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention)
_CHANNELS = (*CONVOLUTIONS, *TRANSPOSED, *_IMAGES, *AXES_BEHIND, nn.GroupNorm)


def from_torch(
    module: nn.Module,
    example: Any = None,
    *,
    sum_biases: bool | None = None,
    batch_axis: int | dict[str, int] = 0,
    dynamic_axes: Any = None,
    check: bool = True,
) -> layers.Layer:
    """Make a layer, or a model, that computes what a torch module computes, with copies of its weights.

    With an example, a tensor or several, any module becomes a model: its forward is run once on the example, and every
    module and function of torch in it becomes a layer (docs/from_torch.md says which). The model is compared with the
    module on the example, and on one with a row more, before it is returned. `kt.save_model` makes a Keras file of it.

    Without an example, or with a shape, only modules that are layers by themselves become layers, and an nn.Sequential
    of them a `Sequential`:

    nn.LSTM, GRU, RNN (of several layers, bidirectional), LSTMCell, GRUCell, RNNCell, Linear, Embedding, Conv1d to 3d,
    ConvTranspose1d to 3d, MaxPool and AvgPool, AdaptiveMaxPool and AdaptiveAvgPool to one place, Upsample, ZeroPad,
    BatchNorm1d to 3d, LayerNorm, GroupNorm, RMSNorm, MultiheadAttention, PReLU, Threshold, Dropout, Dropout2d,
    Dropout3d, Flatten, Identity, activations, and nn.Sequential of these. Device, dtype, mode (`train`, `eval`) and
    frozen parameters are as in the module. Where the two worlds differ:

    - A recurrent module becomes a layer with `return_sequences=True`: it returns the output of every step. For the
      final states set `return_state = True` on the layer (each is `(B, U)`); several layers become a `Sequential`.
      Inputs are always `(B, T, F)`: for a module with `batch_first=False` pass `x.transpose(0, 1)`, and transpose the
      output.
      In an nn.Sequential, `kerastorch.interop.AllSteps()` or `LastStep()` picks the output behind such a module.
    - nn.LSTM and nn.RNN add two biases, Keras has one, which takes half the step in training. See `sum_biases`.
    - nn.BatchNorm becomes `BatchNormalization(axis=1)` with `momentum = 1 - torch's`. Outputs are the same; the moving
      variance then follows the biased variance of the batches, torch's the unbiased one.
    - nn.Conv1d, nn.MaxPool1d and the like become layers with `data_format="channels_first"`: `(B, C, T)`, as torch has
      it.
    - nn.MultiheadAttention becomes a `MultiHeadAttention`: call it as `layer(query, value, key)`, with `(B, T, F)`. In
      its masks True says what is looked at, in torch's what is not. It returns weights if asked, one for each head.
    - `dropout` between the layers of a recurrent module becomes `Dropout` layers.
    - nn.LeakyReLU, ELU and Softmax with settings that no Keras name has become layers; other activations with such
      settings (`nn.Softplus(2.0)`) run, but have no Keras config.
    - nn.GroupNorm becomes `GroupNormalization(axis=1)`. nn.PReLU has to know the shape of its input: see `example`.

    Args:
        module: The module.
        example: What the module is called on: a tensor, a tuple or list of arguments, or a dict of them by name. Or the
            shape of the input, for a layer or a `Sequential` that shall know its shapes at once.
        sum_biases: Whether two non-zero biases of an nn.LSTM, nn.RNN or their cells may become one, their sum: the
            outputs stay, but the two cannot be told apart again. None: they may where tensors are the example.
        batch_axis: Where the tensors of the example have the batch: 1 for `(T, B, F)`; a dict states it by name. The
            model has the batch at axis 0 of every input and output.
        dynamic_axes: The axes of the example whose sizes the model shall not know, `[1]` for time in `(B, T, F)`; a
            dict states them by name, `()` means none. If None, time is left open where the module allows it.
        check: Whether the model is compared with the module.

    Returns:
        For one module that is a layer, that layer; a `Sequential` for an nn.Sequential of such; else a `Model`.

    Raises:
        UnsupportedError: Something in the module cannot be expressed, all such parts are listed; or the model does not
            compute what the module computes.
        ArgumentError: An argument is of another kind, or the example does not fit the module.

    Example:
        >>> module = nn.LSTM(1, 5, num_layers=2, batch_first=True)
        >>> from_torch(module, Tensor(2, 20, 1).zero_()).output_shape  # every output; h and c of both layers
        ((None, None, 5), ((None, 2, 5), (None, 2, 5)))
    """
    if not isinstance(module, nn.Module):
        hint = "; make an object of the class" if isinstance(module, type) else ""
        raise ArgumentError(f"from_torch: expected a torch module, got {quote(module)}{hint}.")
    if isinstance(module, layers.Layer):
        raise ArgumentError(f"from_torch: {type(module).__name__} {quote(module.name)} is a kerastorch layer already.")
    if has_tensors(example):
        return _with_tensors(module, example, sum_biases is not False, batch_axis, dynamic_axes, check)
    if (batch_axis, dynamic_axes) != (0, None):
        raise ArgumentError("from_torch: batch_axis and dynamic_axes need an example with tensors.")
    shape = None if example is None else tuple(example)
    refused: list[str] = []
    layer = _by_itself(module, Settings(bool(sum_biases), example_shape=shape), refused)
    if layer is None:
        raise UnsupportedError(
            "from_torch: these parts cannot be expressed by layers with the same numbers:\n"
            + "\n".join(f"  {line}" for line in refused)
        )
    return layer


def _by_itself(module: nn.Module, settings: Settings, refused: list[str]) -> layers.Layer | None:
    """The layer of a module that is one, or a `Sequential`; None, with the reasons in `refused`."""
    refused += _ties(module)
    layer = convert(module, "", settings, refused)
    if layer is None or refused:
        return None
    dtypes = {parameter.dtype for parameter in module.parameters() if parameter.is_floating_point()}
    if len(dtypes) == 1:
        layer.to(dtype=dtypes.pop())  # layers without weights too: the first one says what data is cast to
    if settings.example_shape is not None:
        layer.build((None, *settings.example_shape[1:]))
    return layer


def _with_tensors(
    module: nn.Module, example: Any, sum_biases: bool, batch_axis: Any, dynamic_axes: Any, check: bool
) -> layers.Layer:
    if isinstance(example, Tensor) and (batch_axis, dynamic_axes) == (0, None) and _is_plain(module):
        settings = Settings(sum_biases, example_shape=tuple(example.shape), trains_padding=True)
        layer = _by_itself(module, settings, [])
        if layer is not None:
            if check:
                compare_layer(module, layer, example)
            return layer
    given = read_example(module, example, batch_axis, dynamic_axes)
    model, notes = whole_model(module, given, dynamic_axes is not None, check, sum_biases)
    for note in notes:
        _log.info("from_torch: %s", note)
    return model


def _is_plain(module: nn.Module) -> bool:
    """Whether it is one layer, or a row of layers, in torch's layout."""
    if type(module) is not nn.Sequential:
        return type(module) in CONVERTERS and not isinstance(module, _IN_A_GRAPH)
    return not any(isinstance(part, _CHANNELS) for part in module.modules())


def _ties(module: nn.Module) -> Iterator[str]:
    """Parameters that stand in two places: a row of layers would part them."""
    first: dict[int, str] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        if first.setdefault(id(parameter), name) != name:
            yield (
                f"{name}: it is the same parameter as {first[id(parameter)]} (tied weights), and in a row each layer "
                "has its own: pass an example with tensors, then a graph is made, in which a layer may stand twice"
            )
