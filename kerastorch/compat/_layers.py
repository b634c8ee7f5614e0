"""The config of one layer, of any era -> the arguments of today's constructor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..errors import CorruptFileError, UnsupportedFileError, quote
from ..spec import Call, LayerSpec, ModelSpec
from . import forms, tables
from ._objects import activation, dtype, small_object
from ._values import boolean, is_int, mapping, numbers, same, sequence, shape, switch, text, trainable
from ._writer import Context, forces_no_zeros, shows_first_states, states_were_reversed
from .forms import Form

Wrapped = LayerSpec | ModelSpec
_OF_KINDS = tuple(tables.KINDS)
_OVER_TIME = ("LSTM", "GRU", "SimpleRNN", "RNN")


def layer_spec(
    context: Context, item: Mapping[str, Any], name: str, wrapped: Mapping[str, Wrapped | tuple[Wrapped, ...]]
) -> LayerSpec:
    """Convert one layer that is no model.

    Args:
        context: The conversion.
        item: `{"class_name", "config", ...}`; the class is one of the table.
        name: The layer's name.
        wrapped: The layers that stand in its config, converted; a tuple where the config has a list.
    """
    class_name = forms.ALIASES.get(item["class_name"], item["class_name"])
    form = forms.LAYERS[class_name]
    given = dict(mapping(item.get("config") or {}, f"The config of layer {quote(name)}"))
    if class_name == "InputLayer":
        return _input_layer(context, given, name, form)
    for key in forms.SHAPE_KEYS | ({"input_dim", "input_length"} - form.keys):
        given.pop(key, None)
    trained = trainable(given, f"Layer {quote(name)}")
    given.pop("trainable", None)
    given.pop("name", None)
    config: dict[str, Any] = {}
    if given.get("dtype") is not None:
        config["dtype"] = dtype(given["dtype"], name)
        if class_name == "Embedding" and context.old and "int" in config["dtype"]:
            del config["dtype"]  # Keras 2.0 wrote the dtype of the input there
    for key, value in _known(context, given, name, class_name, form).items():
        config[key] = wrapped[key] if key in wrapped else argument(context, class_name, form, name, key, value)
    supply(context, class_name, name, config)
    _refuse_other_places(context, class_name, name, config)
    return LayerSpec(form.today or class_name, name, config, trained, era=context.writer.era)


def arguments_of(context: Context, form: Form) -> frozenset[str]:
    """The arguments of a class of the table in the Keras that wrote the config."""
    return form.keys_of_old if context.old else form.keys


def is_idle(context: Context, key: str, value: Any, name: str, class_name: str, form: Form) -> bool:
    """Whether an argument of a class of the table says nothing; one that says what is not supported is refused."""
    decided = form.unless_of_old if context.old else form.unless
    if key in forms.BOOLEANS:
        value = switch(value) if value is not None or key in forms.UNDECIDED else False
    if key in form.ignored or (key in forms.ELIDED and same(value, forms.ELIDED[key])):
        return True
    if key not in forms.UNLESS or not (key in decided or key in form.keys):
        return False
    if not same(value, forms.UNLESS[key].harmless):
        raise UnsupportedFileError(
            f"Layer {quote(name)} ({class_name}): {key} = {quote(value)}: {forms.UNLESS[key].reason}."
        )
    return True


def _known(context: Context, given: Mapping[str, Any], name: str, class_name: str, form: Form) -> dict[str, Any]:
    """The arguments among the keys; what is harmless is dropped, what is not known is noted."""
    kept: dict[str, Any] = {}
    unknown = []
    arguments = arguments_of(context, form)
    for key, value in given.items():
        if key in form.aliases and form.aliases[key] not in given:
            key = form.aliases[key]
        if key == "dtype" or is_idle(context, key, value, name, class_name, form):
            continue
        if key in arguments or key == "activity_regularizer" or context.own:
            kept[key] = value
        else:
            unknown.append(key)
    if unknown:
        context.unknown_keys.append(
            f"{class_name} {quote(name)}: {', '.join(quote(key) for key in sorted(map(str, unknown)))}"
        )
    stated = {form.aliases.get(key, key) for key in given}
    missing = [key for key in form.required if key not in stated]
    if missing:
        raise CorruptFileError(f"Layer {quote(name)} ({class_name}) lacks {', '.join(missing)} in its config.")
    return kept


def argument(context: Context, class_name: str, form: Form, name: str, key: str, value: Any) -> Any:
    if key.endswith(_OF_KINDS):
        return None if value is None else small_object(context, value, name, key)
    if key in tables.ACTIVATION_KEYS:
        return activation(context, value, name, key)
    where = f"Layer {quote(name)} ({class_name}), {key}"
    if key in form.numbers:
        return numbers(value, where)
    if key in forms.SIZES:
        if not is_int(value) or value < 1:
            raise CorruptFileError(f"{where}: expected a whole number of 1 or more, got {quote(value)}.")
        return value
    if key == "num_constants" and not (is_int(value) and value > 0):
        raise CorruptFileError(f"{where}: expected a whole number, got {quote(value)}.")
    if key in forms.BOOLEANS:
        return None if value is None and key in forms.UNDECIDED else boolean(value, where)
    if key in forms.TUPLES and not is_int(value):
        return tuple(sequence(value, where))
    if key in forms.SIDES and not isinstance(value, (str, int)):
        return tuple(side if is_int(side) else tuple(sequence(side, where)) for side in sequence(value, where))
    if key == "axis" and class_name in forms.SEVERAL_AXES:
        return _axes(class_name, value, where)
    if key == "mask_value" and isinstance(value, dict):
        raise UnsupportedFileError(f"{where}: a number is supported, got {quote(value)}.")
    return value


def _axes(class_name: str, value: Any, where: str) -> Any:
    """An axis or a list of them; a list of one is that axis, and Normalization's list of none is None."""
    if is_int(value) or (value is None and class_name == "Normalization"):
        return value
    axes = sequence(value, where)
    if not axes and class_name == "Normalization":
        return None
    if not all(map(is_int, axes)) or not axes:
        raise CorruptFileError(f"{where}: expected an axis or a list of axes, got {quote(value)}.")
    if len(axes) == 1:
        return axes[0]
    if class_name == "BatchNormalization":
        raise UnsupportedFileError(f"{where}: one axis is supported, got {quote(value)}.")
    return axes


def supply(context: Context, class_name: str, name: str, config: dict[str, Any]) -> None:
    """Write out what the file leaves out and its Keras took otherwise than Keras 3."""
    if class_name in forms.RECURRENT_ACTIVATION and "recurrent_activation" not in config:
        value = context.meant(forms.RECURRENT_ACTIVATION[class_name], name, "a missing recurrent_activation")
        config["recurrent_activation"] = activation(context, value, name, "recurrent_activation")
        if context.old:
            context.rule(name, f"recurrent_activation is not in the file: {value!r}, the default of {context.writer}")
    if class_name == "Bidirectional":
        _zeros_of_masked_steps(context, name, config)
    kept = class_name in _OVER_TIME and config.get("stateful") and not config.get("unroll")
    if kept and shows_first_states(context.writer):
        config["first_state_shows"] = True
    if class_name == "MultiHeadAttention" and context.is_tf_keras_before(2, 10):
        config["implicit_masks"] = False
        context.rule(name, "takes no masks from its inputs and hands none on, as tf.keras before 2.10")
    if class_name in ("GRU", "GRUCell") and "reset_after" not in config:
        config["reset_after"] = context.meant("reset_after", name, "a missing reset_after")
        if context.old:
            context.rule(
                name, f"reset_after is not in the file: {config['reset_after']}, the default of {context.writer}"
            )


def _zeros_of_masked_steps(context: Context, name: str, config: dict[str, Any]) -> None:
    """What both directions give at masked steps, where that is not what today's Keras gives."""
    inner = getattr(config.get("layer"), "config", {})
    sequences = bool(inner.get("return_sequences"))
    if forces_no_zeros(context.writer):
        config["forces_zeros"] = False
        if sequences:
            context.rule(name, f"masked steps repeat the output before, as in {context.writer}; Keras 3 gives zeros")
    elif context.writer.version == "2.2.4-tf" and inner.get("zero_output_for_mask") and not sequences:
        # Later ones write it only where somebody has asked for it, and then take no notice of it.
        config["forces_zeros"] = False
        context.rule(name, "the output is zero where the last step is masked, as in TensorFlow 1.13")


def _refuse_other_places(context: Context, class_name: str, name: str, config: Mapping[str, Any]) -> None:
    """Refuse what the Keras that wrote the file computed at other places of the image than every later one."""
    where = f"Layer {quote(name)} ({class_name})"
    if class_name in forms.POOLING and config.get("padding") == "same" and context.writer.backend == "theano":
        raise UnsupportedFileError(
            f'{where}: with padding "same" the windows of Theano, which wrote this file, begin elsewhere; that is not '
            "supported: rebuild that layer in PyTorch."
        )
    if class_name == "UpSampling2D" and config.get("interpolation") == "bilinear":
        middles = context.meant("bilinear_from_middles", name, "whether 'bilinear' goes from the middles of the places")
        if not middles:
            raise UnsupportedFileError(
                f"{where}: interpolation 'bilinear' of {context.writer} takes values at other places than "
                "TensorFlow 2, or depends on the TensorFlow below it; rebuild that layer in PyTorch."
            )


def _input_layer(context: Context, given: dict[str, Any], name: str, form: Form) -> LayerSpec:
    for key in ("name", "trainable"):
        given.pop(key, None)
    where = f"Input layer {quote(name)}"
    size = declared_shape(given, where, "InputLayer")
    kept = _known(
        context, {key: value for key, value in given.items() if key not in forms.SHAPE_KEYS}, name, "InputLayer", form
    )
    if size is None:
        raise CorruptFileError(f"{where} states no shape: expected batch_shape or batch_input_shape in its config.")
    kind = dtype(given["dtype"], name, texts=True) if given.get("dtype") is not None else "float32"
    kept.pop("batch_shape", None)
    made: dict[str, Any] = {"batch_shape": size, "dtype": kind}
    if boolean(given.get("ragged") or False, f"{where}, ragged"):
        made["ragged"] = True
        context.rule(name, "takes ragged tensors in Keras: pass a padded one, and mask= (batch, timesteps), here")
    if boolean(given.get("optional") or False, f"{where}, optional"):
        made["optional"] = True
    return LayerSpec("InputLayer", name, made, era=context.writer.era)


def declared_shape(config: Mapping[str, Any], where: str, class_name: str) -> tuple[int | None, ...] | None:
    """The shape, batch axis first, that a layer declares for its input in any of the spellings; None if it does not."""
    for key in ("batch_shape", "batch_input_shape"):
        if config.get(key) is not None:
            return shape(config[key], f"{where}, {key}")
    batch = config.get("batch_size")
    if batch is not None and not is_int(batch):
        raise CorruptFileError(f"{where}: expected a whole number as batch_size, got {quote(batch)}.")
    for key in ("input_shape", "shape"):
        if config.get(key) is not None:
            return (batch, *shape(config[key], f"{where}, {key}"))
    length = config.get("input_length")
    if class_name == "Embedding":  # Keras 2 takes the input for a row of words even if nothing is said
        sizes = [length] if length is None or is_int(length) else sequence(length, f"{where}, input_length")
        return (batch, *shape(sizes, f"{where}, input_length"))
    if config.get("input_dim") is None:
        return None
    sizes = [length, config["input_dim"]] if class_name in forms.RECURRENT else [config["input_dim"]]
    return (batch, *shape(sizes, f"{where}, input_dim"))


def implicit_input(context: Context, item: Mapping[str, Any], first: LayerSpec) -> LayerSpec | None:
    """The input layer that a Keras 2 Sequential makes for its first layer, if that declares a shape."""
    config = mapping(item.get("config") or {}, f"The config of layer {quote(first.name)}")
    where = f"Layer {quote(first.name)}"
    declares = any(config.get(key) is not None for key in ("batch_input_shape", "input_shape"))
    own = first.meaning == "Embedding"
    if not context.old and own and not declares:
        return None
    size = declared_shape(config, where, first.meaning)
    if size is None:
        return None
    stated = config.get("dtype")
    name = "float32" if stated is None else dtype(stated, first.name)
    kind = "float32" if name.startswith("mixed_") else name  # the dtype of the variables
    return LayerSpec("InputLayer", f"{first.name}_input", {"batch_shape": size, "dtype": kind}, era=context.writer.era)


def refuse_reversed_states(context: Context, layer: Wrapped, calls: tuple[Call, ...]) -> None:
    """Refuse a stack of cells whose states go in or out, of a Keras in which the order of the cells was reversed."""
    version = context.writer.version
    if not context.old or version is None or not states_were_reversed(version):
        return
    for part in _with_inner(layer):
        cell = part.config.get("cell")
        if not isinstance(cell, LayerSpec) or len(cell.config.get("cells", ())) < 2:
            continue
        if part.config.get("return_state") or any("initial_state" in call.kwargs for call in calls):
            raise UnsupportedFileError(
                f"Layer {quote(layer.name)}: until Keras 2.2.4 the states of StackedRNNCells stood in the reverse "
                f"order of the cells; the file, of {context.writer}, takes or returns states, which is not supported: "
                "in the Keras that wrote it, save the model without return_state and initial_state."
            )


def showing_first_states(context: Context, layer: Wrapped, calls: tuple[Call, ...]) -> Wrapped:
    """A layer that is called with states, where these show at masked steps before the first valid one."""
    given = any(call.kwargs.get("initial_state") is not None for call in calls)
    return _showing(layer) if given and shows_first_states(context.writer) else layer


def _showing(layer: Any) -> Any:
    if not isinstance(layer, LayerSpec):
        return layer
    if layer.meaning == "Bidirectional":
        inner = {key: _showing(layer.config[key]) for key in ("layer", "backward_layer") if key in layer.config}
        return replace(layer, config={**layer.config, **inner})
    shows = layer.meaning in _OVER_TIME and not layer.config.get("unroll")
    return replace(layer, config={**layer.config, "first_state_shows": True}) if shows else layer


def _with_inner(layer: Wrapped) -> list[LayerSpec]:
    """A layer and the layers in its config."""
    if isinstance(layer, ModelSpec):
        return []
    inner = [layer.config.get(key) for key in ("layer", "backward_layer")]
    return [layer, *(part for item in inner if isinstance(item, LayerSpec) for part in _with_inner(item))]


def name_of(item: Mapping[str, Any], what: str) -> str | None:
    """The name that a layer states, beside its config or in it; None if it states none."""
    config = item.get("config")
    inner = config.get("name") if isinstance(config, dict) else None
    outer = item.get("name")
    if item.get("class_name") == "TensorFlowOpLayer" and outer is not None:
        inner = outer  # its config states the name without a prefix
    if inner is not None and outer is not None and inner != outer:
        raise CorruptFileError(f"{what} has two names: {quote(outer)} and {quote(inner)}.")
    name = outer if outer is not None else inner
    return None if name is None else text(name, what)
