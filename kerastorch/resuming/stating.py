"""How a model is compiled now, in the words of a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from .. import losses, metrics, optimizers, registered
from ..errors import UnsupportedError, quote
from ..models import Model
from ..optimizers import Optimizer, legacy
from ..spec import TrainingConfig, Writer

_KERAS3 = Writer("keras3")
_TF_KERAS = Writer("tf.keras")
_LAMBDA = "<lambda>"


@dataclass(frozen=True)
class Stated:
    """How a model is compiled now.

    Attributes:
        config: In the words of the file that it came from, or of Keras 3; None where nothing can be said.
        optimizer: The optimizer and which Keras names it so, where it is another one than in `config`.
        own: Names of functions and classes that are not Keras's.
        notes: What could not be said.
    """

    config: TrainingConfig | None
    optimizer: tuple[Any, Writer] | None = None
    own: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


def state_compiled(model: Model) -> Stated:
    """How a model is compiled now: as its file says, if nothing has changed since."""
    compiled = model.__dict__.get("_compiled")
    optimizer = model.__dict__.get("optimizer")
    of_file = (model._compiled_as, model.__dict__.get("_optimizer_then"))
    known, then = of_file if compiled is None else compiled.stated or (None, None)
    if compiled is not None and known is None:
        return _afresh(compiled, optimizer)
    if not isinstance(optimizer, Optimizer) or optimizer.get_config() == then:
        return Stated(known)
    return Stated(known, _optimizer(optimizer))


def _optimizer(optimizer: Optimizer) -> tuple[Any, Writer] | None:
    """The optimizer as a file names it; None for one that only this program knows."""
    try:
        stated = optimizers.serialize(optimizer)
    except UnsupportedError:
        return None
    return stated, _TF_KERAS if type(optimizer).__module__ == legacy.__name__ else _KERAS3


def _afresh(compiled: Any, optimizer: Any) -> Stated:
    named = _optimizer(optimizer) if isinstance(optimizer, Optimizer) else None
    if named is None:
        name = "none" if optimizer is None else quote(type(optimizer).__name__)
        return Stated(
            None, notes=(f"how the model was compiled is left out: its optimizer is {name}, none of Keras's",)
        )
    writing = _Writing()
    config = {
        "optimizer": named[0],
        "loss": writing.each(compiled.loss, losses.serialize),
        "loss_weights": compiled.loss_weights,
        **{key: writing.each(given, metrics.serialize) for key, given in compiled.given_metrics.items()},
        "run_eagerly": False,
        "steps_per_execution": 1,
        "jit_compile": False,
    }
    try:
        text = json.dumps(config)
    except (TypeError, ValueError) as error:
        return Stated(None, notes=(f"how the model was compiled is left out: {error}",))
    other = named if named[1] is _TF_KERAS else None
    return Stated(TrainingConfig(text, "keras", _KERAS3), other, frozenset(writing.own), tuple(writing.notes))


@dataclass
class _Writing:
    """Losses and metrics in the words of Keras 3."""

    own: set[str] = field(default_factory=lambda: {name.rpartition(">")[2] for name in registered.known()})
    notes: list[str] = field(default_factory=list)

    def each(self, value: Any, serialize: Callable[[Any], Any]) -> Any:
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, Mapping):
            return {str(key): self.each(item, serialize) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.each(item, serialize) for item in value]
        try:
            return serialize(value)
        except UnsupportedError:
            return self.by_name(value)

    def by_name(self, value: Any) -> Any:
        """A function or an object of somebody's own, which whoever opens the file has to give, as with Keras."""
        name = getattr(value, "__name__", None)
        if isinstance(value, torch.nn.Module) or (name is None and not hasattr(value, "get_config")) or name == _LAMBDA:
            self.notes.append(
                f"{quote(name or type(value).__name__)} is left out of how the model was compiled: it has "
                "no name that a file could hold"
            )
            return None
        self.own.add(name or type(value).__name__)
        if name is not None:
            return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}
        cls = type(value).__name__
        return {"module": None, "class_name": cls, "config": value.get_config(), "registered_name": cls}
