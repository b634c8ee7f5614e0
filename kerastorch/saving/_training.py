"""What a file says of the training of a model: how it is compiled, and the state of its optimizer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ..base.layer import Layer
from ..base.variable import Variable
from ..base.variables import all_variables, own_variables
from ..compat.training import translate_training
from ..files import Array, OptimizerState
from ..matching import legacy_order
from ..models import Model
from ..optimizers import LossScaleOptimizer, Optimizer
from ..resuming import (
    Kind,
    Place,
    Uncompilable,
    make_optimizer,
    places,
    rule_of,
    state_compiled,
    written_state,
)
from ..spec import Era, Rule, TrainingConfig, Writer
from ._forms import Forms

_ERA: Mapping[str, Era] = {"keras3": "keras3", "keras2": "tf.keras"}


def training_config(model: Model, form: Literal["keras", "h5"], forms: Forms) -> dict[str, Any] | None:
    """How the model, or its original, was compiled, in the words of what is written."""
    if type(model).get_compile_config is not Model.get_compile_config:
        return model.get_compile_config() or None  # a compile of one's own
    stated = state_compiled(model)
    forms.rules += [Rule(model.name, note) for note in stated.notes]
    if stated.config is None:
        return None
    names, name = model.output_names, forms.dialect.name
    written, rules = translate_training(stated.config, form, name, names, model.name, stated.own, stated.optimizer)
    forms.rules += rules
    return written


def optimizer_state(
    model: Model, config: Mapping[str, Any] | None, form: Literal["keras", "h5"], forms: Forms
) -> OptimizerState | None:
    """The state of the optimizer as the Keras that reads the file lists it; None where there is none to write.

    Args:
        model: The model.
        config: What the file says of how it was compiled.
        form: The kind of file.
        forms: How its layers were written.
    """
    optimizer = model.__dict__.get("optimizer")
    # Keras 3 does not train on from an .h5 file with a state, be it its own: where nothing was done there is none.
    if not isinstance(optimizer, Optimizer) or config is None or not (optimizer.built and optimizer.iterations):
        return None
    if type(model).get_compile_config is not Model.get_compile_config:
        return _state(model, optimizer, optimizer, "keras3" if forms.dialect.name == "keras3" else "tf", forms, True)
    writer = Writer(_ERA[forms.dialect.name])
    try:
        theirs = make_optimizer(TrainingConfig(json.dumps(config), form, writer))
    except Uncompilable:
        return _left_out(model, forms, f"{type(optimizer).__name__} is no optimizer of Keras's")
    if theirs.kind == "legacy" and form == "keras":
        return _left_out(model, forms, "tf-keras keeps none of its older optimizers in .keras files; write an .h5 file")
    return _state(model, optimizer, theirs.optimizer, theirs.kind, forms, True)


def state_beside_weights(model: Model, forms: Forms) -> OptimizerState | None:
    """The same for a file of weights; only Keras 3 keeps it there."""
    optimizer = model.__dict__.get("optimizer")
    if not isinstance(optimizer, Optimizer) or not optimizer.built or forms.dialect.name != "keras3":
        return None
    return _state(model, optimizer, optimizer, "keras3", forms, False)


@dataclass(frozen=True)
class PlacedState:
    """The state of an optimizer of tf-keras, and where each array of it belongs.

    Attributes:
        optimizer: The optimizer that tf-keras makes of how the model is compiled.
        kind: "tf", or "legacy": that of before TensorFlow 2.11.
        places: What each array is.
        arrays: The arrays.
    """

    optimizer: Optimizer
    kind: Kind
    places: Sequence[Place]
    arrays: Sequence[tuple[str, Array]]


def state_in_checkpoint(model: Model, forms: Forms) -> PlacedState | None:
    """The same for a checkpoint of TensorFlow, which keeps it beside the weights; None where there is none to write."""
    optimizer = model.__dict__.get("optimizer")
    if not isinstance(optimizer, Optimizer) or not (optimizer.built and optimizer.iterations):
        return None
    config = training_config(model, "h5", replace(forms, rules=[]))  # which the file does not hold
    try:
        if config is None:
            raise Uncompilable(f"{type(optimizer).__name__} is no optimizer of Keras's")
        theirs = make_optimizer(TrainingConfig(json.dumps(config), "h5", Writer("tf.keras")))
    except Uncompilable as error:
        return _left_out(model, forms, str(error))
    if isinstance(theirs.optimizer, LossScaleOptimizer):
        return _left_out(model, forms, "it scales losses: write an .h5 file of the whole model, which holds it")
    state = _state(model, optimizer, theirs.optimizer, theirs.kind, forms, False)
    if state is None:
        return None
    listed = places(theirs.optimizer, _trained_by(model, forms, False), theirs.kind)
    return PlacedState(theirs.optimizer, theirs.kind, listed, state.arrays)


def _state(
    model: Model, optimizer: Optimizer, theirs: Optimizer, kind: Kind, forms: Forms, copies: bool
) -> OptimizerState | None:
    """The state, with the variables in the order of the file; `copies` as in `tree_weights`."""
    if not rule_of(optimizer) or not rule_of(theirs):
        return _left_out(model, forms, f"{type(optimizer).__name__} is no optimizer of Keras's")
    for module in model.modules():
        if isinstance(module, Layer) and forms.written(module) is not module and _trained(module):
            return _left_out(model, forms, f"layer {module.name!r} is written with other weights than it has here")
    variables = _trained_by(model, forms, copies)
    if rule_of(theirs) == "Nadam" and kind == "tf":
        text = "tf-keras does not read the product of Nadam's momenta: it begins it anew"
        forms.rules.append(Rule(model.name, text))
    return written_state(optimizer, theirs, variables, kind) if variables else None


def _trained_by(model: Model, forms: Forms, copies: bool) -> list[Variable]:
    """What an optimizer trains, in the order of the file."""
    variables = [variable for variable in own_variables(model) if variable.is_trained()]
    for layer in forms.listed(model):
        if isinstance(layer, Layer):
            owned = legacy_order(layer, forms.listed, copies=copies)
            variables += [each.variable for each in owned if each.variable.is_trained()]
    return variables if copies else list({id(each.parts()[0]): each for each in variables}.values())


def _trained(module: Layer) -> list[Variable]:
    return [variable for variable in all_variables(module) if variable.is_trained()]


def _left_out(model: Model, forms: Forms, why: str) -> None:
    forms.rules.append(Rule(model.name, f"the state of the optimizer is left out: {why}"))
