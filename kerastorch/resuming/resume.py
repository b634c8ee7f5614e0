"""A model that a file compiled: `compile` by the file's words, and the state of its optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import registered
from ..base.variables import all_variables
from ..errors import counted, quote
from ..files import OptimizerState, Skipped
from ..models import Model
from ..optimizers import Optimizer
from ..spec import Rule, TrainingConfig
from .compiling import Uncompilable, make_arguments, make_optimizer
from .forms import Kind
from .state import Unfit, by_names, read_state, set_state

_LEGACY_STEPS = "/iter:0"  # how optimizers of before tf.keras 2.11 call their steps


@dataclass(frozen=True)
class Resumed:
    """What became of a file's training.

    Attributes:
        optimizer: The optimizer and how far it is, for reports; None if it could not be made.
        rules: What was translated.
        skipped: What was left out, with the reason.
    """

    optimizer: str | None = None
    rules: tuple[Rule, ...] = ()
    skipped: tuple[Skipped, ...] = ()


def resume(
    model: Model,
    known: TrainingConfig | None,
    stored: OptimizerState | None,
    custom_objects: Mapping[str, Any] | None,
    names: Mapping[int, str] | None = None,
) -> Resumed:
    """Compile a model as a file says it, and give its optimizer the state that the file holds.

    What is not here does not fail: the model is then not compiled, or its optimizer begins anew; the result says so.

    Args:
        model: The model, with its weights.
        known: What the file says.
        stored: The arrays of the optimizer.
        custom_objects: See `load_model`.
        names: Where the state stands in the order of the names of the weights: see `by_names`.
    """
    if known is None:
        unused = () if stored is None else (Skipped(stored.what, "the file does not say how the model was compiled"),)
        return Resumed(skipped=unused)
    with registered.custom_object_scope(custom_objects):
        return _resume(model, known, stored, names)


def _resume(
    model: Model, known: TrainingConfig, stored: OptimizerState | None, names: Mapping[int, str] | None
) -> Resumed:
    what = stored.what if stored is not None else "optimizer"
    if type(model).compile_from_config is not Model.compile_from_config:
        model.compile_from_config(known.config)
        optimizer: Any = model.__dict__.get("optimizer")
        if stored is None or not isinstance(optimizer, Optimizer):
            unused = () if stored is None else (Skipped(stored.what, "compile_from_config made no such optimizer"),)
            return Resumed(skipped=unused)
        return _state(model, optimizer, stored, "keras3", names)
    try:
        made = make_optimizer(known)
    except Uncompilable as error:
        _leave(model, str(error))
        return Resumed(skipped=(Skipped(what, f"it is not made: {error}"),))
    rules = [Rule(model.name, note) for note in made.notes]
    skipped: list[Skipped] = []
    if stored is not None:
        state = _state(model, made.optimizer, stored, made.kind, names)
        rules, skipped = [*rules, *state.rules], [*state.skipped]
    try:
        if type(model).compile is not Model.compile:
            raise Uncompilable(f"{type(model).__name__} has a compile of its own: call it")
        arguments, notes = make_arguments(known, model.output_names if model._graph is not None else [])
    except Uncompilable as error:
        _leave(model, str(error))
        skipped.append(Skipped("compile", str(error)))
        # compile(model.optimizer, ...) goes on with it.
        model.__dict__.update(optimizer=made.optimizer, _optimizer_then=made.optimizer.get_config())
    else:
        rules += [Rule(model.name, note) for note in notes]
        model.compile(optimizer=made.optimizer, **arguments)
        model.__dict__["_compiled"].stated = (known, made.optimizer.get_config())
    steps = f", {counted(made.optimizer.iterations, 'step')} done" if made.optimizer.built else ""
    return Resumed(f"{type(made.optimizer).__name__}{steps}", tuple(rules), tuple(skipped))


def _leave(model: Model, why: str) -> None:
    """Let a later `fit` say why the model is not compiled."""
    model.__dict__["_uncompiled"] = f"What its file says of it cannot be repeated here: {why}"


def resume_state(model: Model, stored: OptimizerState, of_tensorflow: bool = False) -> Resumed:
    """Give the optimizer that a model was compiled with the state that stands beside weights.

    Args:
        model: The model.
        stored: The arrays.
        of_tensorflow: Whether they are those of a checkpoint, in which names tell tf.keras's older optimizers.
    """
    optimizer: Any = model.__dict__.get("optimizer")
    if not isinstance(optimizer, Optimizer) or not optimizer.built:
        reason = "the model is not compiled" if optimizer is None else "the model's optimizer has done no step"
        if optimizer is not None and not isinstance(optimizer, Optimizer):
            reason = "the model's optimizer is torch's own"
        return Resumed(skipped=(Skipped(stored.what, reason),))
    if of_tensorflow:
        begun = next((name for name, _ in stored.arrays), "")
        return _state(model, optimizer, stored, "legacy" if begun.endswith(_LEGACY_STEPS) else "tf")
    found = _state(model, optimizer, stored, "keras3")
    other = _state(model, optimizer, stored, "tf") if found.skipped else found
    return found if other.skipped else other


def _state(
    model: Model, optimizer: Optimizer, stored: OptimizerState, kind: Kind, names: Mapping[int, str] | None = None
) -> Resumed:
    able = [variable for variable in all_variables(model) if variable.var.trainable]
    trained = [variable for variable in able if variable.is_trained()]
    try:
        if not trained:
            raise Unfit("the model trains no weights")
        loaded = read_state(optimizer, stored, kind, by_names(trained, names), by_names(able, names))
    except Unfit as error:
        text = f"its state is left out, and it begins anew: {error}"
        return Resumed(None, (Rule(model.name, f"{stored.what}: {text}", True),), (Skipped(stored.what, text),))
    optimizer.build(model)
    set_state(optimizer, loaded)
    return Resumed(None, tuple(Rule(model.name, f"{quote(optimizer.name)}: {note}") for note in loaded.notes))
