"""save_model and save_weights: a model into a file that Keras opens."""

from __future__ import annotations

import json
import logging
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

from .. import compat
from ..base import check
from ..base.inner_layers import written_as
from ..base.layer import Layer
from ..base.variables import weights_on
from ..errors import ArgumentError, SaveError, UnsupportedError, counted, quote
from ..files import Archive, Array, Format
from ..files.tensorflow import write_checkpoint
from ..files.write import in_memory, write_archive
from ..making import warn
from ..models import Model, build_model
from ..models.graph_config import is_functional, lists_layers
from ..models.mask_flow import Visit, follow_masks
from ..models.provided import provided
from ..paths import AnyPath, is_sink, text_of
from ..spec import Rule
from . import _keras2, _keras3
from ._checkpoint import checkpoint
from ._forms import Dialect, Entry, Forms
from ._masks import arriving_masks, makers_of_used_masks
from ._places import check_place, model_format, name_of_place, stream_format, weights_format
from ._training import optimizer_state, state_beside_weights, training_config
from ._weights import legacy_weights, tree_weights, watched

_log = logging.getLogger("kerastorch")

DialectName = Literal["keras3", "keras2"]
_DIALECTS: Mapping[str, Dialect] = {dialect.name: dialect for dialect in (_keras3.DIALECT, _keras2.DIALECT)}


@dataclass(frozen=True)
class SaveReport:
    """What a save did.

    Attributes:
        path: The file.
        format: What kind of file it is.
        dialect: Which Keras opens it.
        rules: What was changed so that this Keras computes the model's numbers, and where it trains otherwise.
        arrays: How many arrays were written.
        values: How many values.
    """

    path: str
    format: str
    dialect: str
    rules: tuple[Rule, ...]
    arrays: int
    values: int

    def __str__(self) -> str:
        lines = [
            f"{self.path}: {self.format} for {self.dialect}: {counted(self.arrays, 'array')}, "
            f"{counted(self.values, 'value')}"
        ]
        return "\n".join([*lines, *(f"  layer {rule.layer!r}: {rule.text}" for rule in self.rules)])


def save_model(
    model: Model,
    filepath: AnyPath | BinaryIO,
    overwrite: bool = True,
    zipped: bool | None = None,
    *,
    include_optimizer: bool = True,
    save_format: str | None = None,
    dialect: DialectName = "keras3",
) -> SaveReport:
    """Write a model, architecture and weights, into a file that Keras opens; neither Keras nor TensorFlow is needed.

    The same model gives the same bytes. The file that stood there stays whole until the new one is. What an older Keras
    did otherwise is written so that the numbers stay; the report, which goes to the logger `kerastorch` as well, says
    what was changed. How the model is compiled is written, too: word for word for the Keras and the format that it came
    from, translated for others; and the state of an optimizer of `kt.optimizers`, with which that Keras goes on.

    Args:
        model: The model; its input shapes must be known.
        filepath: `name.keras`, or `name.h5`/`name.hdf5` for the older format; or a binary stream, from where it stands,
            `io.BytesIO()` or a file that is open with "wb", for a `.keras` file unless `save_format` is "h5".
        overwrite: False: refuse to replace a file. (Keras asks the person at the terminal.)
        zipped: A `.keras` file is a zip archive; None or True.
        include_optimizer: False: the older format does not say how the model is compiled, as in Keras.
        save_format: "keras" or "h5"; the end of the path says it if None. With "h5" it may have any end, as in Keras 2.
        dialect: "keras3": Keras 3.15 opens the file. "keras2": tf-keras 2.21, the Keras of TensorFlow 2, opens it.

    Returns:
        What was written and what was changed.

    Raises:
        SaveError: This Keras cannot express a layer or a mask of the model, or the file cannot be written.
        NotBuiltError: The model has no weights yet.
        ArgumentError: `filepath` or `model` is of another kind.
    """
    model, target = _model("save_model", model), _dialect("save_model", dialect)
    shown = name_of_place("save_model", filepath)
    kind = stream_format(save_format) if is_sink(filepath) else model_format(shown, save_format)
    if not is_sink(filepath):
        check_place("save_model", shown, overwrite, zipped)
    include = check.boolean("save_model: include_optimizer", include_optimizer)
    report = _save_model(model, filepath, kind, target, include, lambda values: None)
    warn([rule.text for rule in report.rules if rule.warns], report.path)
    return report


def save_model_watched(model: Model, path: AnyPath, dialect: DialectName, wrote: Callable[[int], None]) -> SaveReport:
    """`save_model`, which calls `wrote` with the number of values of each array on its way into the file."""
    shown = text_of(path, "save_model")
    kind = model_format(shown, None)
    return _save_model(_model("save_model", model), path, kind, _dialect("save_model", dialect), True, wrote)


def _save_model(
    model: Model,
    place: AnyPath | BinaryIO,
    kind: Format,
    target: Dialect,
    include_optimizer: bool,
    wrote: Callable[[int], None],
) -> SaveReport:
    config, forms = _config(model, target)
    zipped = kind == "Keras v3 .keras zip"
    weights = tree_weights(model, forms, True) if zipped else legacy_weights(model, forms, True)
    training, state = None, None
    if zipped or include_optimizer:
        form = "keras" if zipped else "h5"
        training = training_config(model, form, forms)
        state = optimizer_state(model, training, form, forms)
    if not zipped:
        if "build_config" in config:
            raise SaveError(
                f"{type(model).__name__} {model.name!r} is a class of your own; the older format does not say for "
                "which input shape it was built, so that neither Keras nor kerastorch could make its weights: save "
                "it as name.keras, or its weights alone (save_weights)."
            )
        config = target.outside_zip(config)
    elif training:
        config["compile_config"] = training
    archive = in_memory(
        name_of_place("save_model", place),
        kind,
        keras_version=target.version,
        backend="tensorflow",
        config=config,
        weights=watched(weights, wrote),
        training_config=None if zipped else training,
        optimizer=state,
    )
    return _write(archive, forms, model, place)


def save_weights(
    model: Model,
    filepath: AnyPath | BinaryIO,
    overwrite: bool = True,
    max_shard_size: float | None = None,
    *,
    save_format: str | None = None,
    dialect: DialectName = "keras3",
) -> SaveReport:
    """Write the weights of a model into a file that `load_weights` of Keras reads.

    They are written as they are, for a model of the same layers. Where `save_model` writes other weights, so that the
    numbers stay in that Keras (those of a `hard_sigmoid` of Keras 2, say), the report names the layer.

    Args:
        model: The model, also one of a class of your own; its input shapes must be known.
        filepath: `name.weights.h5`, or another `name.h5`/`name.hdf5` for the older format; with dialect "keras2" any
            other path is the beginning of the names of a TensorFlow checkpoint (`name.ckpt`), which holds the state of
            the optimizer, too. Or a binary stream, for the content of a `.weights.h5` file.
        overwrite: See `save_model`.
        max_shard_size: Weights are written into one file; None.
        save_format: "h5", "keras" or "tf" (a checkpoint), as the end of the path says; None.
        dialect: As for `save_model`.

    Returns:
        What was written.

    Raises:
        SaveError: The file cannot be written, or two weights would have one name in it.
        NotBuiltError: The model has no weights yet.
        ArgumentError: `filepath` or `model` is of another kind.
    """
    model, shown = _model("save_weights", model), name_of_place("save_weights", filepath)
    target = _dialect("save_weights", dialect)
    if max_shard_size is not None:
        raise UnsupportedError(
            f"save_weights: max_shard_size={quote(max_shard_size)}: weights are written into one file, whatever their "
            "size; leave max_shard_size out. load_weights reads the shards that Keras writes."
        )
    if is_sink(filepath):
        kind: Format = "Keras v3 .weights.h5"
        check.one_of("save_weights: save_format", save_format or "h5", ("h5", "keras"))
    else:
        kind = weights_format(shown, save_format, dialect)
        check_place("save_weights", shown, overwrite)
    model._built_variables()  # raises where a layer is not built
    forms = Forms(target)
    forms.rules += _kept_weights(model, target)
    if kind == "TensorFlow checkpoint":
        root, arrays = checkpoint(model, forms)
        write_checkpoint(root, shown)
        report = _reported(shown, kind, arrays, forms, model)
    else:
        state, weights = None, None
        if kind == "Keras v3 .weights.h5":
            state, weights = state_beside_weights(model, forms), tree_weights(model, forms, False)
        archive = in_memory(
            shown,
            kind,
            keras_version=target.version,
            backend="tensorflow",
            config=None,
            weights=weights or legacy_weights(model, forms, False),
            optimizer=state,
        )
        report = _write(archive, forms, model, filepath)
    warn([rule.text for rule in report.rules if rule.warns], report.path)
    return report


def _kept_weights(model: Model, dialect: Dialect) -> list[Rule]:
    """The layers for which `save_model` writes other weights."""
    rules = []
    for layer in dict.fromkeys(module for module in model.modules() if isinstance(module, Layer)):
        entry = Entry(layer, {}, ())
        if any(stand_in(entry) is not None for stand_in in dialect.stand_ins):
            text = f"its weights are written as they are; save_model would say: {'; '.join(entry.texts)}"
            rules.append(Rule(layer.name, text))
    return rules


def to_json(model: Model, *, dialect: DialectName = "keras3") -> str:
    """The architecture of a model as text, as Keras's `model.to_json()`: `model_from_json` of Keras and here reads it.

    Args:
        model: The model; its input shapes must be known.
        dialect: As for `save_model`.

    Raises:
        SaveError: As for `save_model`.
    """
    target = _dialect("to_json", dialect)
    config, forms = _config(_model("to_json", model), target)
    training = training_config(model, "keras", forms) if target.json_training else None
    config = target.outside_zip(config)
    return json.dumps({**config, **target.json, **({"compile_config": training} if training else {})})


def _config(model: Model, dialect: Dialect) -> tuple[dict[str, Any], Forms]:
    """The architecture in Keras's words, and how each layer was written."""
    model._built_variables()  # raises where a layer is not built
    visits = follow_masks(model) if model._graph is not None else []
    forms = Forms(dialect, arriving_masks(visits), makers_of_used_masks(visits), dialect.call_masks(visits))
    with written_as(forms.form):
        config = forms.form(model)
    if any(visit.what == "made" for visit in visits) and lists_layers(config["config"]):
        _check_masks(visits, config, forms)
    if not _makes_its_weights(model, config):
        config["build_config"] = {"input_shape": model.input_shape}
    return config, forms


def _makes_its_weights(model: Model, config: Mapping[str, Any]) -> bool:
    """Whether a model made from this config has its weights at once, and needs no input shape beside."""
    return is_functional(model) or lists_layers(config["config"])


def _dialect(what: str, name: Any) -> Dialect:
    if not isinstance(name, str) or name not in _DIALECTS:
        known = ", ".join(map(quote, _DIALECTS))
        raise ArgumentError(f"{what}: expected one of {known} as dialect, got {quote(name)}.")
    return _DIALECTS[name]


def _model(what: str, model: Any) -> Model:
    if not isinstance(model, Model):
        raise ArgumentError(
            f"{what}: expected a kerastorch model, got {quote(type(model).__name__)}; {what}(model, path). "
            "For a torch module use kt.from_torch first."
        )
    return model


def _check_masks(visits: Sequence[Visit], config: dict[str, Any], forms: Forms) -> None:
    """Read the config as that Keras does, and see that masks arrive where they do in the model."""
    dialect, given = forms.dialect, provided(forms.own_classes, None)
    with weights_on("meta"):
        new = build_model(compat.read_config(config, dialect.version, None, given.offered()).spec, given)
    # What the constructor of somebody's class makes is not in the config, and may have other names there.
    known = {visit.layer.name for visit in visits} & set(_names(config))
    ours, theirs = _used(visits), _used(follow_masks(new))
    differ = sorted(name for name in known if ours[name] != theirs[name])
    if differ:
        said = [
            f"{quote(name)} uses {counted(ours[name], 'mask')} here and {theirs[name]} there" for name in differ[:5]
        ]
        raise SaveError(
            f"masks go another way through this model in {dialect.keras} than here: {'; '.join(said)}. Pass mask=... "
            "in the calls of these layers, or take the mask off before them."
        )


def _names(item: Mapping[str, Any]) -> Iterator[str]:
    """The names of all layers in a config, at any depth."""
    for inner in item["config"]["layers"] if lists_layers(item["config"]) else ():
        yield inner["config"].get("name") or inner.get("name")
        yield from _names(inner)


def _used(visits: Sequence[Visit]) -> Counter[str]:
    """How many masks each layer uses."""
    found: Counter[str] = Counter()
    for visit in visits:
        if visit.what == "used":
            found[visit.layer.name] += sum(mask is not None for mask in visit.arriving)
    return found


def _write(archive: Archive, forms: Forms, model: Model, place: AnyPath | BinaryIO) -> SaveReport:
    write_archive(archive, place)
    assert archive.weights is not None
    return _reported(archive.path, archive.format, archive.weights.arrays, forms, model)


def _reported(path: str, kind: Format, arrays: Sequence[Array], forms: Forms, model: Model) -> SaveReport:
    rules = (*forms.rules, *forms.not_finite.rules(model.name))
    values = sum(math.prod(array.shape) for array in arrays)
    report = SaveReport(path, kind, forms.dialect.name, rules, len(arrays), values)
    _log.info("%s", report)
    return report
