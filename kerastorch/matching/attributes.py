"""Where Keras keeps the weights of a class of someone's own: under the attributes in which it finds the layers.

The order in which Keras visits the attributes decides, since a layer is written where it is met first. A model has one
more attribute, `layers`, with all of them; what stands before it in that order is under its own name, the rest in
`layers`. The order was another in each of these writers, and a file does not say which one wrote it: its paths do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from ..base.layer import Layer
from ..base.naming import snake_case
from ..base.tracking import Container, opened
from ..base.weighted import Weighted
from ..models import Model


@dataclass(frozen=True)
class Writer:
    """How one line of Keras versions walks attributes.

    Attributes:
        name: For messages.
        keras3: Whether private attributes come last, `layers` lists the layers in the order in which they came (else in
            that of the attributes), and a class name that begins with an underscore stays as it is.
        nested: Whether lists in lists are looked into.
        reverse: Whether the last name comes first.
        numbers_all: Whether layers that are written elsewhere already count in the numbers of a list.
    """

    name: str
    keras3: bool = False
    nested: bool = False
    reverse: bool = False
    numbers_all: bool = True


WRITERS = (
    Writer("Keras 3.15", keras3=True, nested=True),
    Writer("Keras 3.0 to 3.14", keras3=True),
    Writer("TensorFlow 2.12 and 2.13"),
    Writer("TensorFlow 2.14 and later", reverse=True, numbers_all=False),
)


_CONTAINERS = (list, Container, nn.ModuleList, nn.ModuleDict)


def is_own(module: nn.Module) -> bool:
    """Whether Keras finds the layers in `module` by its attributes: a class without a rule of its own."""
    if not isinstance(module, Layer) or module._graph is not None:
        return False
    return type(module)._keras_children is Weighted._keras_children


def attribute_children(module: Layer, writer: Writer, seen: Collection[int]) -> Iterator[tuple[str, nn.Module]]:
    """Each module in the attributes of a layer, under its path there, in the writer's order.

    Args:
        module: The layer or model.
        writer: Who wrote the file.
        seen: `id`s of the modules that are written already; it may grow while this runs.
    """
    attributes: dict[str, Any] = {name: inner for name, inner in module._modules.items() if inner is not None}
    if isinstance(module, Model):
        attributes["layers"] = [
            inner for inner in opened(module, in_place=not writer.keras3) if isinstance(inner, Layer)
        ]
    for name in sorted(attributes, key=lambda name: _key(name, writer), reverse=writer.reverse):
        inner = attributes[name]
        if isinstance(inner, _CONTAINERS):
            for path, item in _in_container(inner, writer, seen, set()):
                yield f"{name}/{path}", item
        else:
            yield name, inner


def _key(name: str, writer: Writer) -> str:
    return f"~{name}" if writer.keras3 and name.startswith("_") else name


def _in_container(
    container: Any, writer: Writer, seen: Collection[int], walked: set[int]
) -> Iterator[tuple[str, nn.Module]]:
    if id(container) in walked:  # each once, also one that holds itself
        return
    walked.add(id(container))
    count: Counter[str] = Counter()

    def numbered(name: str) -> str:
        count[name] += 1
        return f"{name}_{count[name] - 1}" if count[name] > 1 else name

    values: Iterable[Any] = container.values() if isinstance(container, (dict, nn.ModuleDict)) else container
    for item in values:
        if isinstance(item, _CONTAINERS):
            if writer.nested:
                name = numbered("container")
                for path, inner in _in_container(item, writer, seen, walked):
                    yield f"{name}/{path}", inner
        elif isinstance(item, Layer) and (writer.numbers_all or id(item) not in seen):
            name = snake_case(item._class_name)
            yield numbered(f"private{name}" if name.startswith("_") and not writer.keras3 else name), item
