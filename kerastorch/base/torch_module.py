"""What torch asks of a module beyond `nn.Module`, and a layer answers in its own way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .. import torch_private
from ..absent_methods import no_attribute
from ..errors import UnsupportedError
from .protocol import AnyLayer
from .variables import mark
from .weight_tensors import WeightBuffer


class TorchModule(AnyLayer):
    """The part of `Layer` that torch's own tools look at; abstract."""

    if not TYPE_CHECKING:  # a type checker would take every name for one that is there

        def __getattr__(self, name: str) -> Any:
            held = self.__dict__
            for kind in ("_parameters", "_buffers", "_modules"):
                if kind in held and name in held[kind]:
                    found = held[kind][name]
                    return self._shown_buffer(name, found) if kind == "_buffers" and "_shown" in held else found
            # A property that raised an AttributeError ends here, too: once more, for its own words.
            attribute = None if name in held.get("_taken", ()) else getattr(type(self), name, None)
            if isinstance(attribute, property) and attribute.fget is not None:
                return attribute.fget(self)
            if name in type(self)._weight_names:
                return self._weight_by_name(name)
            raise no_attribute(self, name)

    def _shown_buffer(self, name: str, buffer: Any) -> Any:
        """The view with Keras's methods of a buffer that is a Keras variable; any other as it is."""
        if name not in self.__dict__["_shown"] or type(buffer) is not Tensor:
            return buffer
        if torch.compiler.is_compiling() or torch_private.is_tracing():
            return buffer.as_subclass(WeightBuffer)  # what is traced begins at the buffer
        view = self.__dict__["_shown"][name]
        return view if view.shown is buffer else buffer

    def _replicate_for_data_parallel(self) -> Any:
        """A copy for one device of `nn.DataParallel`, which then sets its weights, buffers and modules as attributes.

        torch keeps such weights out of the table of parameters, where those of a plain module are not looked for. Here
        they are: a layer casts them by its policy, and computes where they are.
        """
        replica: Any = type(self).__new__(type(self))
        replica.__dict__.update(
            self.__dict__,
            **{kind: self.__dict__[kind].copy() for kind in ("_buffers", "_modules")},
            _parameters={},
            _is_replica=True,
            _replicated=frozenset((*self._parameters, *self._buffers, *self._modules)),
            _variable_objects={},
            _shown={},
            _penalties=(),
            _inner_cell=None,
        )
        return replica

    def _set_in_replica(self, name: str, value: Any) -> None:
        """An attribute of such a copy that is a weight, a buffer or a module of the layer itself."""
        kind = "_modules" if isinstance(value, nn.Module) else "_buffers" if name in self._buffers else "_parameters"
        self.__dict__[kind][name] = value

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        if "unbuilt" in self._parameters:
            raise self._not_built("weights to load a state dict into")
        super()._load_from_state_dict(state_dict, prefix, *args)
        mark(self)  # with assign=True the tensors are others

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        if "unbuilt" in self._parameters:
            raise self._not_built("state dict")
        super()._save_to_state_dict(destination, prefix, keep_vars)

    def __prepare_scriptable__(self) -> Any:
        """What `torch.jit.script` takes in the place of a module: nothing takes the place of a layer."""
        raise UnsupportedError(
            f"torch.jit.script cannot compile kerastorch's {type(self).__name__}: it takes the source of forward "
            "and leaves out what a layer does around it (building, masks, the choice of the kernel). Use torch.compile "
            "or torch.export; torch.jit.trace(model, example), which gives a ScriptModule as well, for the example's "
            "number of steps where a layer runs in a step loop (kernel_choice tells); or script model.to_torch(), the "
            "same in modules of torch."
        )
