"""What `model.layers` is: a torch module, as torch's tools need it, that is edited like the list that Keras gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from torch import nn

from ..base.layer import Layer


class HeldLayers(nn.ModuleList):
    """The layers in a model, in order: a module of the model, which torch's tools walk through.

    It compares and hashes as every module does, because `torch.compile` follows that of modules.
    """

    def __init__(self, layers: Iterable[Layer] = ()) -> None:
        super().__init__()
        for layer in layers:
            self.put(layer)

    def copied(self) -> LayerList:
        """A list of the same layers, for the person who asks for `model.layers`."""
        new = LayerList()
        new._modules.update(self._modules)
        new.__dict__["_of"] = self
        return new

    def put(self, layer: Layer) -> None:
        """Append a layer; for the model that the list belongs to."""
        self.add_module(str(len(self)), layer)

    def take(self) -> Layer:
        """Remove the last layer; for the model that the list belongs to."""
        return self._modules.popitem()[1]  # type: ignore[return-value]

    def _get_name(self) -> str:
        return nn.ModuleList.__name__  # in the text of a model: the class is no name for people

    def __iter__(self) -> Iterator[Any]:
        return super().__iter__()  # type: ignore[return-value]


class LayerList(HeldLayers):
    """What `model.layers` gives: the layers of a model, in order.

    `model.layers` is a list of its own each time, as in Keras: `model.layers.pop()` changes the list, not the model,
    which changes by its own methods. Torch's way of exchanging a module, `setattr(model.layers, "0", module)`, which
    its tools use, does change the model.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name.isdigit() and "_of" in self.__dict__:
            setattr(self.__dict__["_of"], name, value)

    # ------------------------------------------------------------------ as a list

    def _edited(self, edit: Callable[[list[Any]], Any]) -> Any:
        """Edit the layers as a list."""
        layers = list(self)
        result = edit(layers)
        self._modules.clear()
        for layer in layers:
            self.put(layer)
        return result

    def __getitem__(self, idx: Any) -> Any:
        return list(self)[idx] if isinstance(idx, slice) else super().__getitem__(idx)

    def __setitem__(self, idx: Any, module: Any) -> None:
        self._edited(lambda layers: layers.__setitem__(idx, module))

    def __delitem__(self, idx: Any) -> None:
        self._edited(lambda layers: layers.__delitem__(idx))

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, (list, LayerList)) else NotImplemented

    __hash__ = nn.Module.__hash__

    def __add__(self, other: Iterable[Any]) -> list[Any]:  # type: ignore[override]
        return [*self, *other]

    def __radd__(self, other: Iterable[Any]) -> list[Any]:
        return [*other, *self]

    def __mul__(self, times: int) -> list[Any]:
        return list(self) * times

    __rmul__ = __mul__

    def __iadd__(self, modules: Iterable[Any]) -> LayerList:  # type: ignore[override]
        self._edited(lambda layers: layers.extend(modules))
        return self

    def append(self, module: Any) -> None:  # type: ignore[override]
        self._edited(lambda layers: layers.append(module))

    def extend(self, modules: Iterable[Any]) -> None:  # type: ignore[override]
        self._edited(lambda layers: layers.extend(modules))

    def insert(self, index: int, module: Any) -> None:
        self._edited(lambda layers: layers.insert(index, module))

    def pop(self, key: int = -1) -> Layer:  # type: ignore[override]
        return self._edited(lambda layers: layers.pop(key))

    def remove(self, layer: Any) -> None:
        self._edited(lambda layers: layers.remove(layer))

    def clear(self) -> None:
        self._modules.clear()

    def reverse(self) -> None:
        self._edited(lambda layers: layers.reverse())

    def copy(self) -> list[Layer]:
        return list(self)

    def count(self, layer: Any) -> int:
        return list(self).count(layer)

    def index(self, layer: Any) -> int:
        """The place of a layer."""
        return list(self).index(layer)
