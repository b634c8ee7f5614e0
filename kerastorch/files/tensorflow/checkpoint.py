"""A checkpoint: the weights that `save_weights` or `tf.train.Checkpoint` wrote, by the graph of objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kerastorch.errors import LoadError, counted, quote

from .._tree import NO_STATE
from .._values import Array, LegacyLayer, LegacyWeights, OptimizerState, Skipped
from .bundle import Bundle
from .objects import Node, Objects

_NOT_WEIGHTS = frozenset({"optimizer", "keras_api", "_optimizer", "loss_tracker", "save_counter", "loss_scale"})
_OWN_VARIABLES = frozenset({"iter", "decay", "learning_rate", "beta_1", "beta_2", "rho", "momentum"})


@dataclass(frozen=True)
class Contents:
    """What an `Archive` is made of; see there."""

    weights: LegacyWeights
    config: dict[str, Any] | None = None
    keras_version: str | None = None
    backend: str | None = "tensorflow"
    training_config: dict[str, Any] | None = None
    skipped: tuple[Skipped, ...] = ()
    optimizer: OptimizerState | None = None


def array_of(objects: Objects, bundle: Bundle, number: int) -> tuple[str, Array]:
    """A variable as an `.h5` file lists it: its name, and the array."""
    stored = objects.node(number).stored
    if stored is None:
        raise bundle.source.corrupt("the graph of objects", f"object {number} is listed as a variable and is none")
    return f"{stored.name}:0", bundle.array(stored.key, stored.key.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE"))


def state_of(objects: Objects, bundle: Bundle, what: str | None, notes: list[Skipped]) -> OptimizerState | None:
    """The state of the optimizer, in the order in which its Keras lists it; where it cannot be read, a note."""
    number = objects.child(0, "optimizer")
    if number is None:
        if what is not None:
            notes.append(Skipped(what, NO_STATE))
        return None
    label = what or "optimizer"
    try:
        arrays = _state(objects, bundle, number)
    except LoadError as error:
        notes.append(Skipped(label, f"its state cannot be read: {error}"))
        return None
    if not arrays:
        notes.append(Skipped(label, NO_STATE))
        return None
    return OptimizerState(tuple(arrays), f"{label}: {counted(len(arrays), 'array')}")


def _state(objects: Objects, bundle: Bundle, number: int) -> Sequence[tuple[str, Array]]:
    """Its list of variables; of tf.keras's older optimizers the count of steps, and each slot of each weight."""
    listed = objects.child(number, "_variables")
    if listed is not None:
        return [array_of(objects, bundle, variable) for variable in objects.items(listed)]
    node = objects.node(number)
    trained = objects.child(0, "trainable_variables")
    weights = objects.items(trained) if trained is not None else [at for at, _ in objects.below(0, _NOT_WEIGHTS)]
    order = {variable: at for at, variable in enumerate(weights)}
    names = list(dict.fromkeys(name for _, name, _ in node.slots))
    others = [
        name for name, child in node.children.items() if objects.node(child).stored and name not in _OWN_VARIABLES
    ]
    if others:
        raise bundle.source.unsupported("optimizer", f"it has a variable {quote(others[0])}, whose place is not known")
    slots = sorted(node.slots, key=lambda slot: (names.index(slot[1]), order.get(slot[0], len(order) + slot[0])))
    first = [node.children["iter"]] if "iter" in node.children else []
    return [array_of(objects, bundle, variable) for variable in [*first, *(slot[2] for slot in slots)]]


def read_checkpoint(bundle: Bundle) -> Contents:
    """The weights of a checkpoint, layer by layer; of one that knows names alone, each array by itself."""
    graph = bundle.graph()
    if graph is None:
        layers = tuple(LegacyLayer(name, ((f"{name}:0", bundle.array(name)),)) for name in bundle.names)
        return Contents(LegacyWeights(layers, ()))
    objects = Objects(graph, bundle.source)
    root = objects.child(0, "model") if "model" in objects.node(0).children else 0
    assert root is not None
    parts = layers_of(objects, root, lambda node: True)
    layers = tuple(layer_of(objects, bundle, names[0], number) for names, number in parts)
    skipped: list[Skipped] = []
    state = state_of(objects, bundle, None, skipped)
    return Contents(LegacyWeights(layers, (), True), skipped=tuple(skipped), optimizer=state)


def layer_of(objects: Objects, bundle: Bundle, name: str, number: int) -> LegacyLayer:
    """A layer with its variables in the order in which they were made."""
    found = [array_of(objects, bundle, variable) for variable, _ in objects.below(number, _NOT_WEIGHTS)]
    return LegacyLayer(name, tuple(found))


def layers_of(objects: Objects, root: int, is_layer: Callable[[Node], bool]) -> list[tuple[list[str], int]]:
    """The layers of a model in order, each with its names there: `layer-3`, `layer_with_weights-1`.

    A model of a person's own class has its layers under the names of its attributes.

    Args:
        objects: The graph.
        root: The number of the model.
        is_layer: Whether such an attribute is a layer.
    """
    names: dict[int, list[str]] = {}
    for name, child in objects.node(root).children.items():
        if name not in _NOT_WEIGHTS and child != root:
            names.setdefault(child, []).append(name)
    places = {child: number for child, given in names.items() for number in map(_number, given) if number is not None}
    if not places:
        places = {child: at for at, child in enumerate(names) if is_layer(objects.node(child))}
    return [(sorted(names[child]), child) for child in sorted(places, key=lambda child: places[child])]


def _number(name: str) -> int | None:
    """Of `layer-3`; None where a name is another."""
    before, _, number = name.rpartition("-")
    return int(number) if before == "layer" and number.isdecimal() else None
