"""What a model is, as plain values: the meeting point of `compat/` (which writes it) and `models/` (which builds it).

Everything here is in the current spelling and meaning, whatever Keras version wrote the file. No torch, no I/O.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Era = Literal["keras1", "keras2", "tf.keras", "keras3"]


@dataclass(frozen=True)
class TensorRef:
    """Output number `tensor` of call number `node` of the layer named `layer`."""

    layer: str
    node: int = 0
    tensor: int = 0


def map_refs(function: Callable[[Any], Any], value: Any, kinds: Any = TensorRef) -> Any:
    """Apply `function` to each `TensorRef`, or each of other `kinds`, of nested lists, tuples and dicts."""
    if isinstance(value, kinds):
        return function(value)
    if isinstance(value, (list, tuple)):
        return type(value)(map_refs(function, item, kinds) for item in value)
    if isinstance(value, dict):
        return {key: map_refs(function, item, kinds) for key, item in value.items()}
    return value


def refs_of(value: Any, kinds: Any = TensorRef) -> list[Any]:
    """Every `TensorRef`, or all of other `kinds`, of nested lists, tuples and dicts, in order."""
    found: list[Any] = []
    map_refs(found.append, value, kinds)
    return found


@dataclass(frozen=True, eq=False)
class Constant:
    """An array that stands in a file as an argument of a call.

    Args:
        value: Numbers or booleans in nested lists, all of one shape.
        dtype: Of the numbers, as Keras calls it.
    """

    value: Any
    dtype: str

    @property
    def shape(self) -> tuple[int, ...]:
        sizes, inner = [], self.value
        while isinstance(inner, list):
            sizes.append(len(inner))
            inner = inner[0] if inner else None
        return tuple(sizes)


@dataclass(frozen=True)
class Call:
    """One call of a layer in a graph: nested lists, tuples and dicts of `TensorRef`, `Constant` and plain values.

    The first of `args` is the input; everything else stands in `kwargs`: `mask`, `initial_state`, `training`.
    Without `mask` the masks travel along the edges; `mask=None` says that the call uses none, whatever its input has,
    and `mask=False` that its output has none either.

    Args:
        first: The name of the first of `args`, where the file gives it by one that only the layer's class knows.
    """

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    first: str = ""


@dataclass(frozen=True)
class Given:
    """Where a layer comes from that is not made from the closed table.

    Args:
        source: Of which argument of the caller it is an entry; "function": it is the function of a Lambda, an entry of
            `custom_objects`; "missing": nobody has passed it.
        key: The key of that entry.
        based_on: The class of the table that it derives from, whose arguments and meaning it has; None if from none.
    """

    source: Literal["custom_objects", "replace", "function", "missing"]
    key: str = ""
    based_on: str | None = None


@dataclass(frozen=True)
class GivenObject:
    """An object in a config that `custom_objects[key]` makes from `config`; without one, it is that entry by itself."""

    key: str
    config: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Offered:
    """The names of what the caller passed, which `compat` may refer to; the things themselves it does not know.

    Args:
        classes: Keys of `custom_objects` -> the class of the table that the entry derives from, or None.
        functions: Those keys of `custom_objects` whose entry is a plain function.
        layers: Keys of `replace`, names of layers or paths `outer/inner` -> likewise for the layer given there.
    """

    classes: Mapping[str, str | None] = field(default_factory=dict)
    functions: frozenset[str] = frozenset()
    layers: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Missing:
    """A layer of a file whose code is neither in the closed table nor passed by the caller.

    Args:
        path: Its name, behind the names of the models and wrappers around it: `outer/inner`.
        note: What it is, where that is not simply a layer of an unknown class.
        item: What the file holds for it.
    """

    path: str
    note: str
    item: Mapping[str, Any]

    @property
    def class_name(self) -> str:
        return str(self.item["class_name"])

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class LayerSpec:
    """One layer: its class in the closed table, and its arguments in the current spelling.

    Inside `config` a wrapped layer stands as a `LayerSpec`, a wrapped model as a `ModelSpec`.
    `era` says whose meaning it has where no argument can tell: how a merging layer joins the masks of its inputs.
    A layer that is `given` keeps the class name of the file; what of its config is Keras's is in the current spelling.
    """

    class_name: str
    name: str
    config: Mapping[str, Any]
    trainable: bool = True
    calls: tuple[Call, ...] = ()  # empty inside a Sequential
    era: Era = "keras3"
    shared: int | None = None  # layers and models of one number are one object
    given: Given | None = None
    input_shape: Any = None  # of a model of one's own: what it was built for

    @property
    def meaning(self) -> str:
        """The class of the table whose meaning the layer has; "" if none."""
        return self.class_name if self.given is None else self.given.based_on or ""


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
    given: Given | None = None
    class_name: str = ""  # of a model that is given


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
    """A rule of `compat` that changed or supplied something, as `kerastorch info` reports it.

    Args:
        layer: The name of the layer or model that it is about.
        text: What is to be said.
        warns: Whether a load says it without being asked.
    """

    layer: str
    text: str
    warns: bool = False


@dataclass(frozen=True)
class TrainingConfig:
    """How a model was compiled, as the file says it that it was read from: optimizer, losses, metrics.

    It is kept so that it can be written again. Its names are looked up in the tables of `kt.optimizers`, `kt.losses`
    and `kt.metrics` alone.

    Args:
        text: The file's words, as JSON.
        form: Of which kind of file they are: "keras" for the `compile_config` of a `.keras` file or of `to_json()`,
            "h5" for the `training_config` of an `.h5` file.
        writer: Which Keras wrote them.
    """

    text: str
    form: Literal["keras", "h5"]
    writer: Writer

    @property
    def config(self) -> dict[str, Any]:
        """A new dict of it."""
        return json.loads(self.text)
