"""From plain torch modules to layers with the same numbers; `layer.to_torch()` is the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from . import layers
from ._torch_activations import ACTIVATION_MODULES, activation_layer
from ._torch_convolutions import CONVOLUTIONS, TRANSPOSED, convolution_layer
from ._torch_filling import build_like, fill, filled
from ._torch_images import CONVERTERS as _OF_IMAGES
from .errors import ArgumentError, UnsupportedError, quote
from .layers._plain import AllSteps as AllSteps
from .layers._plain import ChannelsFirst as ChannelsFirst
from .layers._plain import ChannelsLast as ChannelsLast
from .layers._plain import LastStep as LastStep
from .models import Sequential

_RECURRENT: dict[type[nn.Module], Any] = {nn.LSTM: layers.LSTM, nn.GRU: layers.GRU, nn.RNN: layers.SimpleRNN}
_CELLS: dict[type[nn.Module], Any] = {
    nn.LSTMCell: layers.LSTMCell,
    nn.GRUCell: layers.GRUCell,
    nn.RNNCell: layers.SimpleRNNCell,
}
_TWO_BIASES = (
    "it has two non-zero biases that are added, Keras has one: pass sum_biases=True to get their sum "
    "(the same outputs, but the two cannot be told apart again)"
)


@dataclass(frozen=True)
class _Settings:
    """What holds for the module at hand."""

    sum_biases: bool
    in_sequential: bool = False
    return_sequences: bool = True
    example_shape: tuple[int, ...] | None = None  # of the module's own input


def from_torch(module: nn.Module, *, example: Any = None, sum_biases: bool = False) -> layers.Layer:
    """Make a layer, or a `Sequential`, that computes what a torch module computes, with copies of its weights.

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
        example: An input for the layer (batch first), or its shape: a `Sequential` then knows its shapes at once, else
            from its first call on.
        sum_biases: Whether two non-zero biases of an nn.LSTM, nn.RNN or their cells may become one, their sum: the
            outputs stay, but the two cannot be told apart again.

    Raises:
        UnsupportedError: Something in the module cannot be expressed; all such parts are listed.

    Example:
        >>> from_torch(nn.LSTM(1, 5, batch_first=True))(torch.zeros(2, 20, 1)).shape
        torch.Size([2, 20, 5])
    """
    if not isinstance(module, nn.Module):
        hint = "; make an object of the class" if isinstance(module, type) else ""
        raise ArgumentError(f"from_torch: expected a torch module, got {quote(module)}{hint}.")
    if isinstance(module, layers.Layer):
        raise ArgumentError(f"from_torch: {type(module).__name__} {quote(module.name)} is a kerastorch layer already.")
    refused = list(_ties(module))
    shape = None if example is None else tuple(example.shape) if isinstance(example, Tensor) else tuple(example)
    layer = _convert(module, "", _Settings(sum_biases, example_shape=shape), refused)
    if layer is None or refused:
        raise UnsupportedError(
            "from_torch: these parts cannot be expressed by layers with the same numbers:\n"
            + "\n".join(f"  {line}" for line in refused)
        )
    if shape is not None:
        layer.build((None, *shape[1:]))
    return layer


def _ties(module: nn.Module) -> Iterator[str]:
    """Parameters that stand in two places: copies would part them."""
    first: dict[int, str] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        if first.setdefault(id(parameter), name) != name:
            yield f"{name}: it is the same parameter as {first[id(parameter)]}, and a layer has its own weights"


def _convert(module: nn.Module, path: str, settings: _Settings, refused: list[str]) -> layers.Layer | None:
    """The layer for a module; None, with the reasons in `refused`, if there is none."""
    where = f"{path or 'module'} ({type(module).__name__})"
    hooks = (module._forward_pre_hooks, module._forward_hooks, module._backward_pre_hooks, module._backward_hooks)
    if any(hooks):
        refused.append(f"{where}: it has hooks, which would be lost; weight_norm and pruning work by them, remove them")
        return None
    if type(module) is nn.Sequential:
        return _sequential(module, path, settings, refused)
    make = _CONVERTERS.get(type(module))
    if make is None:
        refused.append(f"{where}: there is no layer for this class")
        return None
    try:
        return make(module, settings).train(module.training)
    except UnsupportedError as error:
        refused.append(f"{where}: {error}")
        return None


def _sequential(module: nn.Sequential, path: str, settings: _Settings, refused: list[str]) -> layers.Layer | None:
    children = list(module._modules.items())  # named_children() leaves out what stands there twice
    made: list[layers.Layer | None] = []
    before: nn.Module | None = None
    for (name, child), after in zip(children, [*list(module)[1:], None], strict=False):
        where = f"{path}.{name}" if path else name
        if child is None:
            continue
        if isinstance(child, (AllSteps, LastStep)):
            if not isinstance(before, nn.RNNBase):
                refused.append(f"{where} ({type(child).__name__}): it can only stand right behind nn.LSTM, GRU or RNN")
        else:
            if isinstance(child, nn.RNNBase) and after is not None and not isinstance(after, (AllSteps, LastStep)):
                refused.append(
                    f"{where} ({type(child).__name__}): it hands the next module a tuple of output and state; "
                    "put kerastorch.interop.AllSteps() or LastStep() in between"
                )
            own = replace(
                settings,
                in_sequential=True,
                return_sequences=not isinstance(after, LastStep),
                example_shape=settings.example_shape if before is None else None,
            )
            made.append(_convert(child, where, own, refused))
        before = child
    found = [layer for layer in made if layer is not None]
    if len(found) < len(made):
        return None
    result = Sequential(found)
    result.training = module.training  # without its layers: each has its own module's mode
    return result


# ------------------------------------------------------------------ recurrent modules


def _gate_tensors(module: Any, ending: str, own_ending: str, settings: _Settings) -> dict[str, Tensor]:
    """The weights of one layer and direction of a module ("_l1_reverse") under a layer's own names ("_l0")."""
    tensors = {kind: getattr(module, kind + ending) for kind in ("weight_ih", "weight_hh")}
    if module.bias:
        tensors["bias_ih"], tensors["bias_hh"] = (getattr(module, kind + ending) for kind in ("bias_ih", "bias_hh"))
        if not isinstance(module, (nn.GRU, nn.GRUCell)):
            tensors["bias_ih"] = _one_bias(tensors["bias_ih"], tensors.pop("bias_hh"), settings)
    return {kind + own_ending: tensor for kind, tensor in tensors.items()}


@torch.no_grad()
def _one_bias(first: Tensor, second: Tensor, settings: _Settings) -> Tensor:
    if not second.count_nonzero():
        return first
    if not first.count_nonzero():
        return second
    if not settings.sum_biases:
        raise UnsupportedError(_TWO_BIASES)
    return (first + second).requires_grad_(first.requires_grad or second.requires_grad)


def _recurrent(module: nn.RNNBase, settings: _Settings) -> layers.Layer:
    if module.proj_size:
        raise UnsupportedError(f"proj_size={module.proj_size}: Keras's LSTM has no projection")
    if settings.in_sequential and not module.batch_first:
        raise UnsupportedError(
            "batch_first=False: layers take (batch, time, features); make the module batch_first=True"
        )
    directions = ("", "_reverse") if module.bidirectional else ("",)
    made: list[layers.Layer] = []
    for index in range(module.num_layers):
        if index and module.dropout:
            made.append(layers.Dropout(module.dropout))
        inner = index < module.num_layers - 1
        options: dict[str, Any] = {"use_bias": module.bias, "return_sequences": inner or settings.return_sequences}
        if isinstance(module, nn.RNN):
            options["activation"] = module.nonlinearity
        layer = _RECURRENT[type(module)](module.hidden_size, **options)
        tensors = [_gate_tensors(module, f"_l{index}{direction}", "_l0", settings) for direction in directions]
        input_shape = (None, None, tensors[0]["weight_ih_l0"].shape[1])
        if module.bidirectional:
            layer = layers.Bidirectional(layer)
            build_like(layer, input_shape, tensors[0])
            for direction, its_tensors in zip((layer.forward_layer, layer.backward_layer), tensors, strict=True):
                fill(direction, its_tensors)
            made.append(layer)
        else:
            made.append(filled(layer, input_shape, tensors[0]))
    if len(made) == 1:
        return made[0]
    result = Sequential(made)
    result.build((None, None, module.input_size))
    return result


def _cell(module: Any, settings: _Settings) -> layers.Layer:
    if settings.in_sequential:
        raise UnsupportedError("a cell returns its states, so nothing can stand behind it; convert it by itself")
    options = {"activation": module.nonlinearity} if isinstance(module, nn.RNNCell) else {}
    layer = _CELLS[type(module)](module.hidden_size, use_bias=module.bias, **options)
    return filled(layer, (None, module.input_size), _gate_tensors(module, "", "", settings))


# ------------------------------------------------------------------ other modules


def _linear(module: nn.Linear, settings: _Settings) -> layers.Layer:
    layer = layers.Dense(module.out_features, use_bias=module.bias is not None)
    return filled(layer, (None, module.in_features), {"weight": module.weight, "bias": module.bias})


def _embedding(module: nn.Embedding, settings: _Settings) -> layers.Layer:
    if module.padding_idx is not None and module.weight.requires_grad:
        raise UnsupportedError(
            f"padding_idx={module.padding_idx}: torch never trains that row, Keras does; set module.padding_idx = None "
            "if the row may be trained (its values stay), or freeze the weight"
        )
    for option in ("max_norm", "scale_grad_by_freq", "sparse"):
        if getattr(module, option):
            raise UnsupportedError(f"{option}={getattr(module, option)}: Keras's Embedding has no such option")
    layer = layers.Embedding(module.num_embeddings, module.embedding_dim)
    return filled(layer, (None, None), {"weight": module.weight})


def _convolution(module: Any, settings: _Settings) -> layers.Layer:
    shape = (None, module.in_channels, *[None] * len(module.kernel_size))
    return filled(convolution_layer(module), shape, {"weight": module.weight, "bias": module.bias})


def _moved_channels(module: ChannelsFirst, settings: _Settings) -> layers.Layer:
    axes = list(range(1, module.rank + 2))
    return layers.Permute([*axes[1:], 1] if isinstance(module, ChannelsLast) else [axes[-1], *axes[:-1]])


def _batch_norm(module: Any, settings: _Settings) -> layers.Layer:
    if module.momentum is None:
        raise UnsupportedError("momentum=None: Keras has no average over all batches, only the exponential one")
    if module.running_mean is None or module.running_var is None:
        raise UnsupportedError("track_running_stats=False: Keras's BatchNormalization always has moving statistics")
    layer = layers.BatchNormalization(
        axis=1, momentum=1 - module.momentum, epsilon=module.eps, center=module.affine, scale=module.affine
    )
    tensors = {name: getattr(module, name) for name in ("weight", "bias", "running_mean", "running_var")}
    return filled(layer, (None, module.num_features, *_AXES_BEHIND[type(module)]), tensors)


def _layer_norm(module: nn.LayerNorm, settings: _Settings) -> layers.Layer:
    rank = len(module.normalized_shape)
    layer = layers.LayerNormalization(
        axis=-1 if rank == 1 else list(range(-rank, 0)),
        epsilon=module.eps,
        scale=module.elementwise_affine,
        center=module.bias is not None,
    )
    return filled(layer, (None, *module.normalized_shape), {"weight": module.weight, "bias": module.bias})


def _group_norm(module: nn.GroupNorm, settings: _Settings) -> layers.Layer:
    layer = layers.GroupNormalization(
        module.num_groups, axis=1, epsilon=module.eps, center=module.affine, scale=module.affine
    )
    return filled(layer, (None, module.num_channels), {"weight": module.weight, "bias": module.bias})


def _rms_norm(module: nn.RMSNorm, settings: _Settings) -> layers.Layer:
    if not module.elementwise_affine:
        raise UnsupportedError("elementwise_affine=False: Keras's RMSNormalization always has a scale")
    rank = len(module.normalized_shape)
    epsilon = torch.finfo(module.weight.dtype).eps if module.eps is None else module.eps
    layer = layers.RMSNormalization(axis=-1 if rank == 1 else list(range(-rank, 0)), epsilon=epsilon)
    return filled(layer, (None, *module.normalized_shape), {"weight": module.weight})


def _prelu(module: nn.PReLU, settings: _Settings) -> layers.Layer:
    if settings.example_shape is None:
        raise UnsupportedError(
            "alpha of a PReLU layer has the axes of its input, and those are not known here: convert this module by "
            "itself, with example=(a shape)"
        )
    rank = len(settings.example_shape)
    shared = list(range(1 if module.num_parameters == 1 else 2, rank))
    layer = layers.PReLU(shared_axes=shared or None)
    tensors = {"weight": module.weight}
    build_like(layer, (None, *settings.example_shape[1:]), tensors)
    fill(layer, {"weight": module.weight.view(layer.weight.shape)})
    return layer


@torch.no_grad()
def _multi_head_attention(module: nn.MultiheadAttention, settings: _Settings) -> layers.Layer:
    if settings.in_sequential:
        raise UnsupportedError("it takes query, key and value, and an nn.Sequential hands on one tensor")
    if module.bias_k is not None or module.bias_v is not None:
        raise UnsupportedError("add_bias_kv=True: Keras adds no step to keys and values")
    if module.add_zero_attn:
        raise UnsupportedError("add_zero_attn=True: Keras adds no step to keys and values")
    heads, size = module.num_heads, module.head_dim
    parts = ("query", "key", "value")
    if module.in_proj_weight is not None:
        weights = [(module.in_proj_weight, part) for part in module.in_proj_weight.chunk(3)]
    else:
        weights = [(weight, weight) for weight in (module.q_proj_weight, module.k_proj_weight, module.v_proj_weight)]
    tensors: dict[str, Tensor] = {}
    for name, (whole, part) in zip(parts, weights, strict=True):
        tensors[f"{name}_dense.weight"] = _like(whole, part.T.unflatten(1, (heads, size)))
    out, bias = module.out_proj, module.in_proj_bias
    tensors["output_dense.weight"] = _like(out.weight, out.weight.T.unflatten(0, (heads, size)))
    if bias is not None:
        for name, part in zip(parts, bias.chunk(3), strict=True):
            tensors[f"{name}_dense.bias"] = _like(bias, part.unflatten(0, (heads, size)))
        tensors["output_dense.bias"] = out.bias
    layer = layers.MultiHeadAttention(heads, size, dropout=module.dropout, use_bias=bias is not None)
    shapes: Any = [(None, None, features) for features in (module.embed_dim, module.vdim, module.kdim)]
    return filled(layer, shapes, tensors)


def _like(parameter: Tensor, values: Tensor) -> Tensor:
    """The values, frozen if the parameter is."""
    return values.detach().clone().requires_grad_(parameter.requires_grad)


def _flatten(module: nn.Flatten, settings: _Settings) -> layers.Layer:
    if (module.start_dim, module.end_dim) != (1, -1):
        raise UnsupportedError(
            f"start_dim={module.start_dim}, end_dim={module.end_dim}: Keras's Flatten keeps the batch axis only (1, -1)"
        )
    return layers.Flatten()


def _dropout(module: nn.Dropout, settings: _Settings) -> layers.Layer:
    return layers.Dropout(module.p)


def _activation(module: nn.Module, settings: _Settings) -> layers.Layer:
    return activation_layer(module)


_AXES_BEHIND: dict[type[nn.Module], tuple[None, ...]] = {
    nn.BatchNorm1d: (),
    nn.BatchNorm2d: (None, None),
    nn.BatchNorm3d: (None, None, None),
}
_CONVERTERS: dict[type[nn.Module], Callable[[Any, _Settings], layers.Layer]] = {
    **dict.fromkeys(_RECURRENT, _recurrent),
    **dict.fromkeys(_CELLS, _cell),
    nn.Linear: _linear,
    nn.Embedding: _embedding,
    **dict.fromkeys((*CONVOLUTIONS, *TRANSPOSED), _convolution),
    **dict.fromkeys((ChannelsFirst, ChannelsLast), _moved_channels),
    **dict.fromkeys(_AXES_BEHIND, _batch_norm),
    nn.LayerNorm: _layer_norm,
    nn.GroupNorm: _group_norm,
    nn.RMSNorm: _rms_norm,
    nn.PReLU: _prelu,
    nn.MultiheadAttention: _multi_head_attention,
    nn.Flatten: _flatten,
    nn.Dropout: _dropout,
    **dict.fromkeys(ACTIVATION_MODULES, _activation),
    **_OF_IMAGES,
}
