"""What a model is, as plain values: the meeting point of `compat/` (which writes it) and `models/` (which builds it).

Everything here is in the current spelling and meaning, whatever Keras version wrote the file. No torch, no I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Era = Literal["keras1", "keras2", "tf.keras", "keras3"]


@dataclass(frozen=True)
class TensorRef:
    """Output number `tensor` of call number `node` of the layer named `layer`."""

    layer: str
    node: int = 0
    tensor: int = 0


@dataclass(frozen=True)
class Call:
    """One call of a layer in a graph: nested lists, tuples and dicts of `TensorRef` and plain constants.

    The first of `args` is the input; everything else stands in `kwargs`: `mask`, `initial_state`, `training`.
    Without `mask` the masks travel along the edges; `mask=None` says that the call uses none, whatever its input has,
    and `mask=False` that its output has none either.
    """

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LayerSpec:
    """One layer: its class in the closed table, and its arguments in the current spelling.

    Inside `config` a wrapped layer stands as a `LayerSpec`, a wrapped model as a `ModelSpec`.
    `era` says whose meaning it has where no argument can tell: how a merging layer joins the masks of its inputs.
    """

    class_name: str
    name: str
    config: Mapping[str, Any]
    trainable: bool = True
    calls: tuple[Call, ...] = ()  # empty inside a Sequential
    era: Era = "keras3"
    shared: int | None = None  # layers and models of one number are one object


@dataclass(frozen=True)
class ModelSpec:
    """A model. `layers` holds an `InputLayer` for each input whose shape the file states."""

    kind: Literal["Sequential", "Functional"]
    name: str
    layers: tuple[LayerSpec | ModelSpec, ...]
    inputs: Any = None  # Functional: a TensorRef, or nested lists, tuples, dicts of them
    outputs: Any = None
    trainable: bool = True
    calls: tuple[Call, ...] = ()  # where the model is itself a layer of a Functional model
    shared: int | None = None


@dataclass(frozen=True)
class Writer:
    """Which Keras wrote a file, as the file says it or as its form shows it."""

    era: Era
    version: str | None = None
    backend: str | None = None

    def __str__(self) -> str:
        stated = f"Keras {self.version}" if self.version else f"{self.era}, version not stated"
        return f"{stated} ({self.backend})" if self.backend else stated


@dataclass(frozen=True)
class Rule:
    """A rule of `compat` that changed or supplied something, as `kerastorch info` reports it."""

    layer: str
    text: str
