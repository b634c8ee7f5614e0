"""What torch asks of a module beyond `nn.Module`, and a layer answers in its own way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .. import torch_private
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
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _shown_buffer(self, name: str, buffer: Any) -> Any:
        """The view with Keras's methods of a buffer that is a Keras variable; any other as it is."""
        if name not in self.__dict__["_shown"] or type(buffer) is not Tensor:
            return buffer
        if torch.compiler.is_compiling() or torch_private.is_tracing():
            return buffer.as_subclass(WeightBuffer)  # what is traced begins at the buffer
        view = self.__dict__["_shown"][name]
        return view if view.shown is buffer else buffer

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
