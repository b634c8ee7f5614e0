"""The Keras variables of any module: finding them, reading and setting them in Keras layout, or saying why not yet."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import NotBuiltError
from ..torch_private import is_persistent, outside_modes
from ..weights import Filler, Var, identity
from .torch_layouts import keras_variable
from .variable import Variable
from .weight_tensors import WeightBuffer, WeightParameter


class UnbuiltParameter(nn.parameter.UninitializedParameter):
    """Stands in an unbuilt layer for the weights to come, and says so to whoever wants to use it.

    It carries the device and dtype through `.to()`. An optimizer that is given it raises instead of training nothing.
    """

    owner: str

    def __new__(
        cls,
        trained: Tensor | bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        requires_grad: bool | None = None,
        owner: str = "This layer",
    ) -> UnbuiltParameter:
        """An empty one. Tools that make a parameter of its class anew give a tensor first, on its new device."""
        if isinstance(trained, Tensor):
            trained, device, dtype = True, trained.device, trained.dtype
        with outside_modes():  # it holds no data, and torch takes no fake tensor for a class of one's own
            made = super().__new__(cls, trained if requires_grad is None else requires_grad, device, dtype)
        made.owner = owner
        return made

    def _refuse(self) -> NotBuiltError:
        owner = getattr(self, "owner", "This layer")
        return NotBuiltError(
            f"{owner} has no weights yet, because its input shape is not known. Call it on one batch, or call "
            "layer.build((None, timesteps, features)) with its input shape, before its parameters are used "
            "(in an optimizer, state_dict or count)."
        )

    @property
    def is_leaf(self) -> bool:  # the first thing that torch.optim asks
        raise self._refuse()

    @property
    def shape(self) -> torch.Size:
        raise self._refuse()

    def __deepcopy__(self, memo: dict[int, Any]) -> UnbuiltParameter:
        copied: Any = super().__deepcopy__(memo)
        copied.owner = self.owner
        return copied

    def __repr__(self) -> str:
        return f"<weights of {self.owner}, not built yet>"

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        try:
            return super().__torch_function__(func, types, args, kwargs or {})
        except ValueError as error:
            raise next(arg for arg in args if isinstance(arg, cls))._refuse() from error


_weights_device: ContextVar[torch.device | None] = ContextVar("weights_device", default=None)


@contextmanager
def weights_on(device: torch.device | str) -> Iterator[None]:
    """Layers made meanwhile get their weights on this device, whatever the default device is."""
    token = _weights_device.set(torch.device(device))
    try:
        yield
    finally:
        _weights_device.reset(token)


def unbuilt_parameter(owner: str, dtype: torch.dtype, valued: bool = False) -> nn.Parameter:
    """What stands for the weights to come; `valued`: they have values also where `weights_on` says "meta"."""
    make: Any = UnbuiltParameter  # torch's stub of its base has no signature
    return make(dtype=dtype, device=None if valued else _weights_device.get(), owner=owner)


def own_variables(module: nn.Module) -> list[Variable]:
    """The variables of `module` itself, without its children's: trainable ones first, as Keras lists them."""
    module = getattr(module, "_stands_for", module)  # a layer around a torch module has that one's
    if "unbuilt" in module._parameters and isinstance(module._parameters["unbuilt"], UnbuiltParameter):
        return []
    declared = [var for var in getattr(type(module), "WEIGHTS", ()) if var.when(module)]
    declared += _added(module)
    covered = {name for var in declared for name in var.params}
    covered |= {filler.name for filler in fillers(module)}
    kept = {**module._parameters, **module._buffers}
    for name, tensor in kept.items():
        if tensor is None or name in covered or not is_persistent(module, name):
            continue
        found = keras_variable(module, name)
        if found is None:
            continue
        declared.append(Var(found[0], (name,), lambda layer, shape: (), found[1], trainable=name in module._parameters))
    ordered = sorted(declared, key=lambda var: not var.trainable)  # stable: creation order within each kind
    kept_objects = module.__dict__.get("_variable_objects", {})  # of a layer: `layer.kernel is layer.weights[0]`
    return [kept_objects.setdefault((var.name, var.params), Variable(module, var)) for var in ordered]


def _added(module: nn.Module) -> list[Var]:
    """What `add_weight` made; before the layer is built under the attribute that it was assigned to, if to any."""
    added: list[Var] = list(getattr(module, "_added_weights", ()))
    for index, weight in module.__dict__.get("_pending", {}).items():
        held = {**module._buffers, **module._parameters}
        same = (weight, getattr(weight, "shown", weight))
        name = next((name for name, tensor in held.items() if any(tensor is part for part in same)), None)
        if name is not None:
            added[index] = replace(added[index], params=(name,))
    return added


def listed_variables(module: nn.Module) -> list[Variable]:
    """`own_variables`, and those of a layer inside that Keras lists as the module's own, too: it keeps them by name."""
    own = own_variables(module)
    held = getattr(module, "_held_variables", None)  # of a layer
    held = held() if held is not None else []
    return sorted([*held, *own], key=lambda variable: not variable.var.trainable) if held else own


def mark(module: nn.Module) -> None:
    """Give Keras's methods to the tensors that are variables of the same name and layout in both."""
    added = getattr(module, "_added_weights", ())
    before, shown = module.__dict__.get("_shown", {}), {}
    for variable in own_variables(module):
        var = variable.var
        if var.map != identity or (var.params != (var.name,) and var not in added):
            continue
        for name in var.params:
            part = variable.module._parameters.get(name)
            if type(part) is nn.Parameter and var.trainable:
                part.__class__ = WeightParameter
            if isinstance(part, WeightParameter):
                part._owner = weakref.ref(module)
            buffer = module._buffers.get(name)
            if type(buffer) is Tensor and not var.trainable:
                view = before.get(name)
                shown[name] = WeightBuffer.of(buffer) if view is None or view.shown is not buffer else view
                shown[name]._owner = weakref.ref(module)
    module.__dict__.pop("_shown", None)
    if shown:
        module.__dict__["_shown"] = shown


def fillers(module: nn.Module) -> list[Filler]:
    return [filler for filler in getattr(type(module), "FILLERS", ()) if filler.when(module)]


def all_variables(module: nn.Module) -> Iterator[Variable]:
    """The variables of `module` and of what is inside it, each once, in Keras's `weights` order."""
    seen: set[int] = set()
    stack = [module]
    held: set[int] = set()  # variables that a layer further out lists
    while stack:
        current = stack.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        listed = listed_variables(current)
        yield from (one for one in listed if id(one) not in held) if held else listed
        held.update(id(one) for one in listed if one.module is not current)
        ordered: Any = getattr(current, "_sublayers", None)  # a Layer's order is Keras's
        stack.extend(reversed(ordered() if ordered is not None else list(current.children())))
