"""A first look at a config: how large the model is, and how many of its layers must have weights.

It reads a class name and a few keys of each layer, so it costs a small part of what reading the config costs, and is
done before: what a file holds no weights for, or what is larger than the caller allows, need not be read at all. What
is malformed is passed over here, and refused where it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .. import deadline
from ..errors import UnsafeFileError, beyond, counted
from ..spec import Offered
from . import tables
from ._custom import offered_name
from ._shared import parts
from ._values import is_own

# A model that lacks fewer arrays is made all the same, in a tenth of a second: then everything that does not fit can be
# listed by its layer and shape.
MADE_ANYWAY = 64
_NAMED = 20  # layers that are named
_BETWEEN = 1_000  # layers between two looks at the clock


@dataclass(frozen=True)
class FirstLook:
    """What a first look finds.

    Args:
        layers: Layers and models, at any depth, in the whole model.
        depth: How many models and wrappers stand in one another.
        weighted: How many layers at least must have weights in every file that holds those of the model. What the
            caller gives is not among them, and what may be one object with another layer counts once.
        names: The first of these.
    """

    layers: int
    depth: int
    weighted: int
    names: tuple[str, ...]

    def refuse_large(self, layers: int, depth: int | None) -> None:
        """Raise where the model has more layers than `layers`, or more models and wrappers in one another than `depth`.

        Raises:
            UnsafeFileError: It is larger than the caller allows.
        """
        if self.layers - 1 > layers:
            raise _too_large(f"{counted(self.layers - 1, 'layer')}", layers, "layers")
        if depth is not None and self.depth > depth:
            raise _too_large(f"models and wrappers {self.depth} deep in one another", depth, "depth")


def _too_large(has: str, most: int, name: str) -> UnsafeFileError:
    return UnsafeFileError(beyond(f"The model has {has}", f"{most:,}", name))


def first_look(
    config: Mapping[str, Any], offered: Offered, is_weighted: Callable[[str, Mapping[str, Any]], bool]
) -> FirstLook:
    """Look at a config.

    Args:
        config: As for `read_config`.
        offered: What the caller gives.
        is_weighted: Whether a layer of that class and config, of Keras's own, has weights whatever its input is.
    """
    given = {part for key in offered.layers for part in key.split("/")}  # by its path, or by its bare name
    count = deepest = alone = 0
    together: set[int] = set()  # the numbers of objects that may stand in several places, the first often without it
    names: list[str] = []
    stack: list[tuple[Any, int, bool]] = [(config, 0, True)]
    while stack:
        item, depth, counts = stack.pop()
        if not isinstance(item, dict):
            continue
        count += 1
        deepest = max(deepest, depth)
        if not count % _BETWEEN:
            deadline.check("the layers of its config were counted")
        class_name, inner = item.get("class_name"), item.get("config")
        if not isinstance(class_name, str):
            continue
        name = item.get("name") or (inner.get("name") if isinstance(inner, dict) else None)
        counts = counts and not (isinstance(name, str) and name in given) and offered_name(offered, item) is None
        if class_name in tables.MODELS:
            inside = inner.get("layers") if isinstance(inner, dict) else inner
            stack.extend((part, depth + 1, counts) for part in (inside if isinstance(inside, list) else ())[::-1])
        elif isinstance(inner, dict):
            stack.extend((part, depth + 1, counts) for part in parts(inner)[::-1])
            if counts and is_weighted(class_name, inner) and is_own(item):
                number = item.get("shared_object_id")
                if number is None:
                    alone += 1
                elif isinstance(number, int):
                    together.add(number)
                names += [str(name)] if len(names) < _NAMED else []
    return FirstLook(count, deepest, max(alone, len(together)), tuple(names))
