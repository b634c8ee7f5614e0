"""What torch asks of a module beyond `nn.Module`, and a layer answers in its own way."""

from __future__ import annotations

from typing import Any

from ..errors import UnsupportedError
from .protocol import AnyLayer


class TorchModule(AnyLayer):
    """The part of `Layer` that torch's own tools look at; abstract."""

    def __getattr__(self, name: str) -> Any:
        held = self.__dict__
        for kind in ("_parameters", "_buffers", "_modules"):
            if kind in held and name in held[kind]:
                return held[kind][name]
        # A property that raised an AttributeError ends here, too: once more, for its own words.
        attribute = None if name in held.get("_taken", ()) else getattr(type(self), name, None)
        if isinstance(attribute, property) and attribute.fget is not None:
            return attribute.fget(self)
        if name in type(self)._weight_names:
            return self._weight_by_name(name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        if "unbuilt" in self._parameters:
            raise self._not_built("weights to load a state dict into")
        super()._load_from_state_dict(state_dict, prefix, *args)

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
