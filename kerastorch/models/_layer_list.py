"""What `model.layers` is: a torch module, as torch needs it, that reads like Keras's list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from torch import nn

from ..base.layer import Layer
from ..errors import ArgumentError


class LayerList(nn.ModuleList):
    """The layers of a model, in order. A slice is a list of its own; the model itself changes by its own methods.

    Keras hands out a copy, so that `model.layers.pop()` changes nothing there. Here it is refused.
    """

    def __init__(self, layers: Iterable[Layer] = ()) -> None:
        super().__init__()
        for layer in layers:
            self.put(layer)

    def put(self, layer: Layer) -> None:
        """Append a layer; for the model that the list belongs to."""
        self.add_module(str(len(self)), layer)

    def take(self) -> Layer:
        """Remove the last layer; for the model that the list belongs to."""
        return self._modules.popitem()[1]  # type: ignore[return-value]

    def index(self, layer: Layer) -> int:
        """The place of a layer."""
        return list(self).index(layer)

    def __iter__(self) -> Iterator[Layer]:
        return super().__iter__()  # type: ignore[return-value]

    def __getitem__(self, idx: Any) -> Any:
        return list(self)[idx] if isinstance(idx, slice) else super().__getitem__(idx)

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise ArgumentError(
            "model.layers cannot be changed: a Sequential has add() and pop(); or make a new model, for example "
            "Sequential([*model.layers[:-1], Dense(3)]) or Model(model.input, model.layers[-2].output)."
        )

    append = insert = extend = pop = __setitem__ = __delitem__ = __iadd__ = _refuse
