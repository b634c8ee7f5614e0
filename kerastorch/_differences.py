"""What a model computes otherwise than the file that its weights come from: weights fit, and the numbers are others."""

from __future__ import annotations

import inspect
import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from . import compat, matching
from .activations.records import shown
from .base.layer import REGISTRY, Layer
from .errors import KerasTorchError, LoadError, quote
from .files import OF_TENSORFLOW, Archive, LegacyWeights
from .layers import Maximum, Minimum, Multiply, TimeDistributed
from .layers.merging.merge import Merge
from .models import Model
from .models.build import make_layer
from .models.mask_flow import Visit, follow_masks
from .spec import LayerSpec, ModelSpec, Rule, Writer

# Arguments that change no output of a trained model. Every other one does, or the shapes of the weights tell.
_ONLY_IN_TRAINING = frozenset(
    {
        *("dropout", "recurrent_dropout", "rate", "noise_shape", "stddev", "seed", "momentum", "unit_forget_bias"),
        *("l1", "l2", "unroll"),
    }
)
_OF_NEW_WEIGHTS = ("_initializer", "_regularizer", "_constraint")
_NAMES = frozenset({"name", "trainable", "dtype", "registered_name", "module", "build_config"})
_WHAT_IS_RETURNED = frozenset({"return_sequences", "return_state"})  # the shapes of the outputs tell
# Whose file a layer is from: what changes a dtype, which inputs are taken, or a number by less than 1e-5 of it.
_OF_THE_WRITER = frozenset({"keras2_dtypes", "many_batch_axes", "least_norm", "fused"})
_SILENT = _ONLY_IN_TRAINING | _NAMES | _WHAT_IS_RETURNED | _OF_THE_WRITER
# What a layer does with a mask, and nothing without one.
_OF_MASKS = frozenset(
    {
        *("keras2_masks", "implicit_masks", "forces_zeros", "robust_masking", "softmax_robust_masking"),
        "first_state_shows",
    }
)
# What these classes have built in, where others that take their weights have arguments.
_CUDNN = {"activation": "tanh", "recurrent_activation": "sigmoid", "use_bias": True}
_BUILT_IN: Mapping[str, Mapping[str, Any]] = {"CuDNNLSTM": _CUDNN, "CuDNNGRU": {**_CUDNN, "reset_after": True}}
_FAMILIES = {"CuDNNLSTM": "LSTM", "CuDNNGRU": "GRU"}
# Layers that a trained model computes the same without.
_NO_NUMBERS = frozenset(
    {
        *("InputLayer", "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianNoise"),
        *("GaussianDropout", "AlphaDropout", "ActivityRegularization", "Identity"),
    }
)
# Arguments whose defaults changed -> the classes that have them, and the field of a profile.
_CHANGED: Mapping[str, tuple[str, frozenset[str]]] = {
    "recurrent_activation": ("recurrent_activation", frozenset({"LSTM", "GRU", "LSTMCell", "GRUCell"})),
    "conv_recurrent_activation": ("recurrent_activation", frozenset({"ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"})),
    "reset_after": ("reset_after", frozenset({"GRU", "GRUCell"})),  # with a bias the shapes tell
}


def differences_from(
    model: Layer,
    archive: Archive,
    writer: Writer,
    settled: matching.Settled,
    from_cudnn: Sequence[Any],
    *,
    by_name: bool,
) -> list[Rule]:
    """What the model computes otherwise than the file's; where that has no config, what its Keras did by default.

    `from_cudnn` lists the modules whose arrays a layer of cuDNN wrote, which has its activations built in.
    """
    if archive.config is None:
        # No Keras of other defaults than today's writes a tree, and no TensorFlow 2 a container of its own.
        if not isinstance(archive.weights, LegacyWeights) or archive.format in OF_TENSORFLOW:
            return []
        stated = writer if archive.keras_version is not None else Writer("keras1", "1.0")  # it noted no version
        return of_old_defaults(model, compat.profiles_of(stated, {}), {id(module) for module in from_cudnn})
    try:
        spec = compat.read_config(archive.config, archive.keras_version, archive.backend, partly=True).spec
    except LoadError as error:
        return [Rule(model.name, f"the configs of the file and of the model could not be compared: {error}")]
    loaded = {id(pair.slot.variable.module) for pair in settled.pairs}
    return differences(spec, model, loaded, by_name=by_name, whole=not (settled.unset or settled.unused))


def differences(
    spec: ModelSpec | LayerSpec, model: Layer, loaded: Collection[int], *, by_name: bool, whole: bool
) -> list[Rule]:
    """The arguments that make a model compute otherwise than the model in a file.

    Layers are compared one to one: by their names, or each class in order.

    Args:
        spec: The model in the file.
        model: The model that gets the weights.
        loaded: The modules, by `id`, whose weights come from the file.
        by_name: Whether layers go by their names.
        whole: Whether every array has gone into the model: then layers without weights count, too.
    """
    theirs, ours = list(_listed(spec)), list(_layers_of(model))
    pairs, alone = _pairs(theirs, ours, by_name)
    masked = cache(_with_masks)  # where something hangs on it: the way of the masks takes its time
    found: list[Rule] = []
    for there, here in pairs:
        if not whole and not any(id(module) in loaded for module in here.modules()):
            continue
        try:
            stated, has = _stated(make_layer(there)), _stated(here)
        except KerasTorchError:  # one of somebody's class, whose arguments only that knows
            continue
        classes = there.class_name, here._class_name
        others = list(_differ(stated, has, classes, frozenset()))
        if not _OF_MASKS.isdisjoint(key.rpartition(".")[2] for key, _, _ in others):
            counts = masked(model)
            if counts is not None and id(here) not in counts:
                others = list(_differ(stated, has, classes, _OF_MASKS))
        found += [Rule(here.name, _text(*other)) for other in others]
    if whole and not by_name:
        found += [Rule(name, text) for name, text in alone]
    return found


def of_old_defaults(model: Layer, profiles: Sequence[compat.Profile], from_cudnn: Collection[int]) -> list[Rule]:
    """What a file of weights alone does not say, where the Keras that wrote it had other defaults than the model has.

    Args:
        model: The model that gets the weights.
        profiles: Every generation of Keras that may have written the file.
        from_cudnn: The modules, by `id`, whose arrays say that a layer of cuDNN wrote them.
    """
    found: dict[tuple[str, str], Rule] = {}
    for layer in model.modules():
        if not isinstance(layer, Layer):
            continue
        if id(layer) in from_cudnn:
            config = layer.get_config()
            other = [key for key, value in _CUDNN.items() if config.get(key, value) != value]
            found |= {(layer.name, key): Rule(layer.name, _text(key, _CUDNN[key], config[key])) for key in other}
            continue
        for field, (key, classes) in _CHANGED.items():
            if layer._class_name not in classes or (key == "reset_after" and getattr(layer, "use_bias", True)):
                continue
            has = layer.get_config()[key]
            for profile in profiles:
                meant = getattr(profile, field)
                meant = profile.hard_sigmoid if meant == "hard_sigmoid" else meant
                if meant != has:
                    text = (
                        f"the file does not say its {key}, and the default of {profile.title} is {_shown(meant)} (with "
                        f"implementation 1, which changes rounding alone); in the model it is {_shown(has)}: other "
                        "numbers, unless the author of the file had set it"
                    )
                    found.setdefault((layer.name, key), Rule(layer.name, text))
    return list(found.values())


def _listed(spec: ModelSpec | LayerSpec) -> Iterator[LayerSpec]:
    if isinstance(spec, LayerSpec):
        yield spec
        return
    for layer in spec.layers:
        yield from _listed(layer)


def _layers_of(layer: Layer) -> Iterator[Layer]:
    if not isinstance(layer, Model):
        yield layer
        return
    for inner in layer.layers:
        yield from _layers_of(inner)  # type: ignore[arg-type]


def _family(name: str) -> str:
    return _FAMILIES.get(name, name)


def _pairs(
    theirs: Sequence[LayerSpec], ours: Sequence[Layer], by_name: bool
) -> tuple[list[tuple[LayerSpec, Layer]], list[tuple[str, str]]]:
    """The layers of both sides that belong together, and those that only one side has, with words for it."""
    if by_name:
        named = {layer.name: layer for layer in ours}
        both = [(spec, named[spec.name]) for spec in theirs if spec.name in named]
        return [(spec, layer) for spec, layer in both if _family(spec.class_name) == _family(layer._class_name)], []
    there: dict[str, list[LayerSpec]] = defaultdict(list)
    here: dict[str, list[Layer]] = defaultdict(list)
    for spec in theirs:
        there[_family(spec.class_name)].append(spec)
    for layer in ours:
        here[_family(layer._class_name)].append(layer)
    pairs: list[tuple[LayerSpec, Layer]] = []
    alone: list[tuple[str, str]] = []
    for name in dict.fromkeys((*there, *here)):
        if len(there[name]) == len(here[name]):
            pairs += zip(there[name], here[name], strict=True)
        elif name not in _NO_NUMBERS:
            counts = f"the file has {len(there[name])} {name}, the model {len(here[name])}"
            alone += [(layer.name, counts) for layer in (*there[name], *here[name])]
    return pairs, alone


def _stated(layer: Any) -> dict[str, Any]:
    config = layer.get_config()
    return {**_BUILT_IN.get(getattr(layer, "_class_name", ""), {}), **config}


def _with_masks(model: Layer) -> set[int] | None:
    """The layers, by `id`, at which a mask counts; None where nobody can say it, so that it may be any."""
    if not (isinstance(model, Model) and model._built and model._graph is not None):
        return None
    return {id(visit.layer) for visit in follow_masks(model) if _mask_counts(visit)}


def _mask_counts(visit: Visit) -> bool:
    """Whether one Keras computes otherwise than another with the masks that arrive at a call."""
    layer, masks = visit.layer, {id(mask) for mask in visit.arriving if mask is not None}
    if isinstance(layer, TimeDistributed):  # one mask of all steps goes through it in every Keras
        return any(getattr(part, "_makes_mask", False) for part in layer.layer.modules())
    if isinstance(layer, Merge) and not isinstance(layer, (Multiply, Maximum, Minimum)):
        return bool(masks) and (len(masks) > 1 or None in visit.arriving)  # else they become that one mask
    return bool(masks)


Classes = tuple[str, str]  # of a layer in the file and of the one in the model


def _differ(
    there: Mapping[str, Any], here: Mapping[str, Any], classes: Classes, silent: frozenset[str], at: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """The arguments of two configs that differ and change numbers; of layers inside, `layer.activation`.

    Some arguments stand in a config only where they are not what they are by default.
    """
    for key in dict.fromkeys((*there, *here)):
        if key in _SILENT or key in silent or key.endswith(_OF_NEW_WEIGHTS):
            continue
        values = [
            _plain(config[key] if key in config else _default(name, key))
            for config, name in zip((there, here), classes, strict=True)
        ]
        if _UNKNOWN not in values:
            yield from _compare(f"{at}{key}", values[0], values[1], silent)


_UNKNOWN = "no such argument"


def _default(class_name: str, key: str) -> Any:
    """What an argument of a class is where a config leaves it out."""
    cls = REGISTRY.get(class_name)
    if cls is None or class_name in _BUILT_IN:
        return _UNKNOWN
    for base in cls.__mro__:
        known = inspect.signature(base.__init__).parameters.get(key)
        if known is not None:
            return _UNKNOWN if known.default is known.empty else known.default
    return _UNKNOWN


def _compare(key: str, there: Any, here: Any, silent: frozenset[str]) -> Iterator[tuple[str, Any, Any]]:
    if there == here:
        return
    if _is_form(there) and _is_form(here) and _family(there["class_name"]) == _family(here["class_name"]):
        stated = [{**_BUILT_IN.get(form["class_name"], {}), **form["config"]} for form in (there, here)]
        classes = there["class_name"], here["class_name"]
        yield from _differ(stated[0], stated[1], classes, silent, f"{key}.")
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here) and any(map(_is_form, there)):
        for number, (one, other) in enumerate(zip(there, here, strict=True)):
            yield from _compare(f"{key}[{number}]", one, other, silent)
    else:
        yield key, there, here


def _is_form(value: Any) -> bool:
    return isinstance(value, dict) and "class_name" in value and isinstance(value.get("config"), dict)


def _plain(value: Any) -> Any:
    """Tuples as lists, and what is no JSON as text: the same on both sides."""
    return json.loads(json.dumps(value, default=str))


def _shown(value: Any) -> str:
    if not isinstance(value, str):
        return str(value)
    return told if (told := shown(value)) != value else quote(value)


def _text(key: str, there: Any, here: Any) -> str:
    return f"{key} is {_shown(there)} in the file and {_shown(here)} in the model: it computes other numbers"
