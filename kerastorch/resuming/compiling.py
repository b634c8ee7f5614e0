"""What a file says of how its model was compiled, as the arguments of `Model.compile`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import losses, metrics, optimizers, registered
from ..compat import is_tf_keras_since
from ..compat.training import Optimizers, Untranslatable, item_of, losses_and_metrics, stated_item
from ..errors import ArgumentError, UnsupportedError, quote
from ..losses.loss import Masking
from ..optimizers import Optimizer, legacy
from ..spec import TrainingConfig, Writer
from .forms import Kind, updating

_CHOSEN_BY_SHAPE = ("accuracy", "acc", "crossentropy", "ce")  # what `compile` itself reads


class Uncompilable(Exception):
    """Something that a model was compiled with and that is not here; the text says what."""


@dataclass(frozen=True)
class Made:
    """An optimizer that a file names.

    Attributes:
        optimizer: A new one, without state.
        kind: Which Keras lists its state.
        notes: What was translated.
    """

    optimizer: Optimizer
    kind: Kind
    notes: tuple[str, ...] = ()


def make_optimizer(known: TrainingConfig) -> Made:
    """The optimizer of a file.

    Raises:
        Uncompilable: It is not here.
    """
    stated = known.config.get("optimizer_config", known.config.get("optimizer"))
    notes: list[str] = []
    try:
        made, old = _optimizer(stated, known.writer, notes)
    except (Untranslatable, TypeError, ValueError) as error:
        raise Uncompilable(f"its optimizer: {str(error).rstrip('.')}") from error
    if known.writer.era != "keras3":
        updating(made).averages_begin_before = True
    kind: Kind = "keras3" if known.writer.era == "keras3" else "legacy" if old else "tf"
    return Made(made, kind, tuple(notes))


def _optimizer(stated: Any, writer: Writer, notes: list[str]) -> tuple[Optimizer, bool]:
    if stated_item(stated) and registered.find(item_of(stated).name) is not None:
        made = optimizers.get(stated)
        if not isinstance(made, Optimizer):
            raise ArgumentError(f"{quote(item_of(stated).name)} is no subclass of kt.optimizers.Optimizer")
        return made, False
    words = Optimizers(writer, "keras", "keras3", notes)
    name, config, old = words.read(stated)
    if name == "LossScaleOptimizer" and writer.era != "keras3":  # whose arguments were others
        return optimizers.get(words.write(stated)), False
    if old and not hasattr(legacy, name):
        raise UnsupportedError(f"there was no {quote(name)} of that name before tf.keras 2.11")
    module = "keras.optimizers.legacy" if old else "keras.optimizers"
    return optimizers.get({"module": module, "class_name": name, "config": config}), old


def make_arguments(known: TrainingConfig, outputs: Sequence[str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The losses and metrics of a file, as `compile` takes them, and what was translated.

    Args:
        known: What the file says.
        outputs: The names of the model's outputs.

    Raises:
        Uncompilable: One of them is not here.
    """
    stated, notes = losses_and_metrics(known, outputs, registered.known())
    left_out = next((note for note in notes if " is left out: " in note), None)
    if left_out is not None:
        raise Uncompilable(left_out)
    masking = _masking(known.writer)
    made = {
        "loss": _each(stated["loss"], lambda item: _loss(item, masking)),
        "loss_weights": stated["loss_weights"],
        "metrics": _each(stated["metrics"], _metric),
        "weighted_metrics": _each(stated["weighted_metrics"], _metric),
    }
    return made, tuple(notes)


def _each(value: Any, make: Callable[[Any], Any]) -> Any:
    if stated_item(value):
        return make(value)
    if isinstance(value, Mapping):
        return {key: _each(item, make) for key, item in value.items()}
    if isinstance(value, list):
        return [_each(item, make) for item in value]
    if value is not None:
        raise Uncompilable(f"{quote(value)} is neither a loss nor a metric")
    return None


def _loss(stated: Any, masking: Masking) -> Any:
    if isinstance(stated, str) and stated in _CHOSEN_BY_SHAPE:
        return stated
    try:
        loss = losses.get(stated)
    except (TypeError, ValueError) as error:  # ours, and of constructors that lack an argument
        raise Uncompilable(f"its loss: {str(error).rstrip('.')}") from error
    if masking == "valid":
        return stated if isinstance(stated, str) else loss
    if not isinstance(loss, losses.Loss):
        loss = losses.FunctionLoss(loss, name=item_of(stated).name)
    loss.masking = masking
    return loss


def _metric(stated: Any) -> Any:
    if isinstance(stated, str) and stated in _CHOSEN_BY_SHAPE:
        return stated
    try:
        metric = metrics.get(stated)
    except (TypeError, ValueError) as error:  # ours, and of constructors that lack an argument
        raise Uncompilable(f"its metrics: {str(error).rstrip('.')}") from error
    return stated if isinstance(stated, str) else metric


def _masking(writer: Writer) -> Masking:
    """What the mean of a masked loss is divided by in this Keras; see `kt.losses.Loss`."""
    if writer.era == "keras3" or is_tf_keras_since(writer, 10):
        return "valid"
    return "all" if writer.era == "tf.keras" or (writer.version or "").startswith("2.3") else "weights"
