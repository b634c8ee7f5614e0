"""Modules of torch in the graph of a model: each is a layer, called on tensors whose axes stand as it needs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from .. import layers
from ..errors import UnsupportedError, counted
from ..layers.core.operation import apply
from ..torch_private import has_hooks
from . import _functional, _pointwise, _reducing, _shaping
from ._activations import ACTIVATION_MODULES
from ._convert import CONVERTERS, HOOKS
from ._convolutions import CONVOLUTIONS, TRANSPOSED, padding_before
from ._example import replaced
from ._images import CONVERTERS as _IMAGES
from ._open import in_rows
from ._plain_modules import AXES_BEHIND
from ._recurrent_calls import cell_call, recurrent_call
from ._settings import Settings
from ._transformer import Transformers
from ._value import Joined, Value

if TYPE_CHECKING:
    from ._protocol import Tracer

Leaf = Callable[..., Any]
_SETTINGS = Settings(data_format="channels_last", trains_padding=True, pads=True)


def _without_hooks(module: nn.Module) -> None:
    if has_hooks(module):
        raise UnsupportedError(HOOKS)


def made_layer(tracer: Tracer, module: nn.Module, **settings: Any) -> Any:
    """The layer of a module, made at its first call; a module that is called again is the same layer."""
    _without_hooks(module)
    form = tuple(sorted((key, repr(value)) for key, value in settings.items()))
    path = tracer.take(module)
    if (path, form) not in tracer.made:
        own = Settings(**{**vars(_SETTINGS), **settings})
        tracer.made[path, form] = tracer.named(CONVERTERS[type(module)](module, own), module)
    return tracer.made[path, form]


def _by_function(tracer: Tracer, module: Any) -> dict[str, Any] | None:
    """The parameters of a module as values, where one of them has other uses too."""
    parameters = dict(module.named_parameters())
    if not any(map(tracer.uses.tied, parameters.values())):
        return None
    _without_hooks(module)
    return {name: tracer.value(parameter) or parameter.detach() for name, parameter in parameters.items()}


def _linear(tracer: Tracer, module: nn.Linear, input: Value) -> Value:
    if (parameters := _by_function(tracer, module)) is not None:
        return _reducing.FUNCTIONS["linear"](tracer, input, **parameters)
    moved = input.last(-1)
    return moved.with_tensor(made_layer(tracer, module)(moved.tensor))


def _embedding(tracer: Tracer, module: nn.Embedding, input: Value) -> Value:
    if module.padding_idx is not None:
        tracer.notes.append(f"{tracer.paths[id(module)]}: Keras trains the row padding_idx={module.padding_idx} too")
    if (parameters := _by_function(tracer, module)) is not None:
        return _functional.FUNCTIONS["embedding"](tracer, input, **parameters)
    return Value((*input.order, input.rank), made_layer(tracer, module)(input.tensor), rows=input.rows)


def _image(tracer: Tracer, module: nn.Module, input: Value) -> Value:
    if input.batch != 0:
        raise UnsupportedError(f"its input must have the batch at axis 0, here it is at {input.batch}")
    if input.rank < 3:
        raise UnsupportedError("an input without the batch axis")
    axes = [*range(2, input.rank), 1]
    tensor = input.arranged(axes)
    if type(module) in CONVOLUTIONS and (pad := padding_before(module, "channels_last")) is not None:
        tensor = tracer.named(pad, module, "_pad")(tensor)
    return Value((0, *axes), made_layer(tracer, module, rank=input.rank)(tensor), rows=input.rows)


def _channels(tracer: Tracer, module: nn.Module, input: Value) -> Value:
    """Normalizations of torch's axis 1."""
    if input.batch != 0:
        raise UnsupportedError(f"its input must have the batch at axis 0, here it is at {input.batch}")
    if input.rank < 2 or (input.rank == 2 and not isinstance(module, nn.BatchNorm1d)):
        raise UnsupportedError(f"an input of {counted(input.rank, 'axis', 'axes')}")
    home = tracer.homes[id(module)]
    tracer.forms.setdefault(home, set()).add((input.axis(1, ""), input.rank))
    if tracer.before is None or len(tracer.before.forms[home]) == 1:
        return input.with_tensor(made_layer(tracer, module, axis=input.axis(1, ""), rank=input.rank)(input.tensor))
    # A layer has one rank and one axis: all its calls get the most axes, with the channels last.
    rank = max(rank for _, rank in tracer.before.forms[home])
    axes = [*range(2, input.rank), 1]
    layer = made_layer(tracer, module, axis=rank - 1, rank=rank)
    tensor, more = input.arranged(axes), list(range(1, 1 + rank - input.rank))
    for axis in more:
        tensor = apply("ExpandDims", tensor, axis)
    tensor = layer(tensor)
    return Value((0, *axes), apply("Squeeze", tensor, more) if more else tensor, rows=input.rows)


def _last_axes(tracer: Tracer, module: Any, input: Value) -> Value:
    if isinstance(module, nn.LayerNorm) and (parameters := _by_function(tracer, module)) is not None:
        return _functional.FUNCTIONS["layer_norm"](tracer, input, module.normalized_shape, **parameters, eps=module.eps)
    axes = list(range(input.rank - len(module.normalized_shape), input.rank))
    for axis in axes:
        input.axis(axis, "is normalized")
    axes = [*(axis for axis in input.axes if axis not in axes), *axes]
    tensor = made_layer(tracer, module)(input.arranged(axes))
    return Value((input.order[0], *axes), tensor, rows=input.rows)


def _activation(tracer: Tracer, module: Any, input: Value) -> Value:
    if isinstance(module, (nn.Softmax, nn.LogSoftmax, nn.GLU)):
        name = {nn.Softmax: "softmax", nn.LogSoftmax: "log_softmax", nn.GLU: "glu"}[type(module)]
        return _pointwise.FUNCTIONS[name](tracer, input, module.dim)
    if isinstance(module, nn.Hardtanh) and (module.min_val, module.max_val) != (-1.0, 1.0):
        return _pointwise.FUNCTIONS["clamp"](tracer, input, module.min_val, module.max_val)
    if isinstance(module, (nn.Hardshrink, nn.Softshrink)):
        return _pointwise.FUNCTIONS[type(module).__name__.lower()](tracer, input, module.lambd)
    if isinstance(module, nn.Threshold):
        return _pointwise.FUNCTIONS["threshold"](tracer, input, module.threshold, module.value)
    if isinstance(module, nn.GELU):
        return _pointwise.FUNCTIONS["gelu"](tracer, input, module.approximate)
    layer = made_layer(tracer, module)
    if isinstance(getattr(layer, "activation", None), nn.Module):
        raise UnsupportedError(f"{module!r}: Keras has no activation with these settings")
    return input.with_tensor(layer(input.tensor))


def _prelu(tracer: Tracer, module: nn.PReLU, input: Value) -> Value:
    if input.batch != 0:
        raise UnsupportedError(f"its input must have the batch at axis 0, here it is at {input.batch}")
    layer = made_layer(tracer, module, example_shape=input.sizes)
    return Value((0, *sorted(input.axes)), layer(input.natural()), rows=input.rows)


def _dropout(tracer: Tracer, module: nn.Dropout, input: Value) -> Value:
    return input.with_tensor(made_layer(tracer, module)(input.tensor))


def _flatten(tracer: Tracer, module: nn.Flatten, input: Value) -> Value:
    return _shaping.FUNCTIONS["flatten"](tracer, input, module.start_dim, module.end_dim)


def _attention(
    tracer: Tracer,
    module: nn.MultiheadAttention,
    query: Value,
    key: Value,
    value: Value,
    key_padding_mask: Value | None = None,
    need_weights: bool = True,
    attn_mask: Any = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,  # torch takes it as a hint about attn_mask
) -> Any:
    axes = (0, 1, 2) if module.batch_first else (1, 0, 2)
    for item in (query, key, value):
        if item.rank != 3 or item.batch != axes[0]:
            raise UnsupportedError(f"batch_first={module.batch_first} takes the batch at axis {axes[0]}, of 3 axes")
    tensors = [item.arranged(axes[1:]) for item in (query, value, key)]
    options: dict[str, Any] = {}
    if key_padding_mask is not None:
        if str(key_padding_mask.tensor.dtype) != "torch.bool" or key_padding_mask.batch != 0:
            raise UnsupportedError("key_padding_mask must be boolean, with the batch at axis 0")
        kept = apply("LogicalNot", key_padding_mask.tensor)
        options["attention_mask"] = apply("ExpandDims", kept, 1)
    if attn_mask is not None:
        kept = _looked_at(tracer, attn_mask)
        before = options.get("attention_mask")
        options["attention_mask"] = kept if before is None else apply("LogicalAnd", before, kept)
    layer = made_layer(tracer, module)
    output = layer(*tensors, **options, return_attention_scores=need_weights)
    if not need_weights:
        return Value(axes, output), None
    result, scores = output
    if average_attn_weights:
        return Value(axes, result), Value((0, 1, 2), lambda: apply("Mean", scores, axis=1))
    return Value(axes, result), Value((0, 1, 2, 3), scores)


def _looked_at(tracer: Tracer, mask: Any) -> Any:
    """What an attn_mask `(T, S)` leaves, `(B, T, S)`: in torch True is what is not looked at, or a number is added."""
    value = in_rows(tracer, mask) if isinstance(mask, Tensor) else mask
    if not isinstance(value, Value) or value.batch is not None or value.rank != 2:
        raise UnsupportedError("attn_mask must be (T, S), the same for every row and head")
    tensor = value.natural()
    if str(tensor.dtype) == "torch.bool":
        return apply("LogicalNot", tensor)
    return apply("Greater", tensor, -1e30)  # zero, or minus infinity; the comparison sees others


def _own(tracer: Tracer, layer: layers.Layer, *inputs: Any, **options: Any) -> Any:
    """A layer of kerastorch inside a module of torch: it has the batch first."""

    def natural(value: Any) -> Any:
        if isinstance(value, (Tensor, Joined)) or (isinstance(value, Value) and value.batch != 0):
            raise UnsupportedError("a layer of kerastorch takes tensors with the batch at axis 0")
        return value.natural() if isinstance(value, Value) else value

    if "training" in options:
        raise UnsupportedError("a layer of kerastorch with training=: the mode of the model decides; leave it out")
    tracer.take(layer)
    made = layer(*replaced(inputs, natural), **replaced(options, natural))
    if isinstance(made, (list, tuple)):
        return [Value(range(item.ndim), item) for item in made]
    return Value(range(made.ndim), made)


def _refused(tracer: Tracer, module: nn.Module, *args: Any, **kwargs: Any) -> Any:
    raise UnsupportedError("there is no layer for this class")


def _parametrized(tracer: Tracer, module: Any, *args: Any, **kwargs: Any) -> Any:
    names = ", ".join(module.parametrizations)
    raise UnsupportedError(
        f"its {names} is computed by a parametrization (weight_norm, spectral_norm, ...), and in Keras it is one "
        "weight: torch.nn.utils.parametrize.remove_parametrizations(module, name) leaves the same numbers as a weight"
    )


_LEAVES: Mapping[type[nn.Module], Leaf] = {
    nn.Linear: _linear,
    nn.Embedding: _embedding,
    **dict.fromkeys((*CONVOLUTIONS, *TRANSPOSED, *_IMAGES), _image),
    **dict.fromkeys((*AXES_BEHIND, nn.GroupNorm), _channels),
    **dict.fromkeys((nn.LayerNorm, nn.RMSNorm), _last_axes),
    **dict.fromkeys(ACTIVATION_MODULES, _activation),
    nn.PReLU: _prelu,
    nn.Dropout: _dropout,
    nn.Flatten: _flatten,
    nn.MultiheadAttention: _attention,
    **dict.fromkeys((nn.LSTM, nn.GRU, nn.RNN), recurrent_call),
    **dict.fromkeys((nn.LSTMCell, nn.GRUCell, nn.RNNCell), cell_call),
}
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)
# Their forward is a line of functions, which are translated.
_READ_THROUGH = (nn.Unflatten, nn.Softmax2d, nn.CosineSimilarity)


def leaf_of(module: nn.Module) -> Leaf | None:
    """What translates a module as a whole; None: its forward is followed."""
    if isinstance(module, layers.Layer):
        return _own
    if type(module) in _LEAVES:
        return _LEAVES[type(module)]
    if type(module) in _TRANSFORMERS:
        return _TRANSFORMERS[type(module)]
    if is_parametrized(module) and type(module).__bases__[0] in _LEAVES:
        return _parametrized
    of_torch = type(module).__module__.startswith("torch.nn.modules.")
    return _refused if of_torch and not isinstance(module, (*_CONTAINERS, *_READ_THROUGH)) else None


_TRANSFORMERS = Transformers(leaf_of).leaves
