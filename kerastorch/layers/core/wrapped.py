"""Functions and torch modules as layers: Lambda, TorchModuleWrapper."""

from __future__ import annotations

import copy
import inspect
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ..._serial import keeps_objects
from ...base.call_arguments import CallArguments
from ...base.layer import Layer
from ...base.shape_inference import infer_outputs
from ...base.variables import UnbuiltParameter
from ...base.weighted import repr_of
from ...errors import ArgumentError, UnsupportedError, quote
from ...structure import leaves, map_shapes

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions


class FunctionOrModule(Layer):
    """A layer that runs something that is none; abstract.

    Args:
        output_shape: Without the batch axis (nested, if there are several outputs); or a function of the input shape,
            both with the batch axis; found by running on tensors without data if None.
        **base: `name`, `dtype`, `trainable`, ...
    """

    _own_code = True

    def __init__(self, output_shape: Any = None, **base: Unpack[BaseOptions]) -> None:
        super().__init__(**base)
        self._stated_shape = output_shape

    @property
    @abstractmethod
    def wrapped(self) -> Any:
        """The function or the module."""

    @abstractmethod
    def _run(self, tensors: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Compute the output."""

    @property
    def signature(self) -> inspect.Signature | None:
        """The arguments that a call has to give; None where nothing tells them (torch.relu)."""
        try:
            return inspect.signature(getattr(self.wrapped, "forward", self.wrapped))
        except (TypeError, ValueError):
            return None

    def _note_arguments(self) -> None:
        """Find out whether `mask`, `training` and masks of single tensors are taken; without a signature none is."""
        signature = self.signature
        names = () if signature is None else tuple(signature.parameters)
        self._takes_mask = "mask" in names  # type: ignore[misc]
        self._takes_training = "training" in names  # type: ignore[misc]
        masked = tuple(name for name in names if f"{name}_mask" in names)
        if masked:
            self._call_arguments = CallArguments(names, masked=masked, others=True)

    def compute_output_shape(self, input_shape: Any) -> Any:
        stated = self._stated_shape
        if stated is None:
            return infer_outputs(self, input_shape)[0]
        if callable(stated):
            return map_shapes(tuple, stated(input_shape))
        shapes: list[Any] = []
        map_shapes(shapes.append, input_shape)
        return map_shapes(lambda shape: (shapes[0][0], *shape), stated)

    def _compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        if self._stated_shape is not None or self._build_shape is None:
            return input_dtype
        return leaves(infer_outputs(self, self._build_shape, input_dtype)[1])[0] or input_dtype

    def forward(self, inputs: Any, *others: Any, mask: Any = None, training: bool | None = None, **named: Any) -> Any:
        """Run it.

        Args:
            inputs: One tensor `(B, ...)`, or a list of them, as the layer is called.
            *others: More of them, where it takes several one after the other.
            mask: Of the inputs; handed on if there is an argument `mask`.
            training: Handed on if there is an argument `training`; `self.training` if None.
            **named: Its other arguments.
        """
        options: dict[str, Any] = dict(named)
        if self._takes_mask:
            options["mask"] = mask
        if self._takes_training:
            options["training"] = self.training if training is None else training
        return self._run((inputs, *others), options)


class Lambda(FunctionOrModule):
    """A function on tensors as a layer, as `keras.layers.Lambda`.

    No file can hold the function, so a model with a `Lambda` has no config; `state_dict`, copying and training work.

    Args:
        function: Takes what the layer is called with: one tensor, a list of them, or several one after the other;
            `mask` and `training` too, if it has arguments of that name.
        output_shape: Without the batch axis (nested, if there are several outputs); or a function of the input shape,
            both with the batch axis; found by running the function on tensors without data if None.
        mask: The mask of the output: a function `(inputs, mask)`, or the mask itself; none if None, as in Keras, also
            where the input has one.
        arguments: Passed to the function by name.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> Lambda(lambda x: x[:, -1])(torch.zeros(2, 20, 3)).shape
        torch.Size([2, 3])
    """

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: Mapping[str, Any] | None = None,
        **base: Unpack[BaseOptions],
    ) -> None:
        super().__init__(output_shape, **base)
        if not callable(function) or isinstance(function, (type, nn.Module)):
            raise ArgumentError(
                f"function: expected a function on tensors, got {quote(function)}; "
                "for a torch module use layers.TorchModuleWrapper(module)."
            )
        self.function = function
        self.arguments = dict(arguments or {})
        self.mask = mask
        self.supports_masking = mask is not None
        self._note_arguments()

    @property
    def wrapped(self) -> Any:
        return self.function

    @property
    def signature(self) -> inspect.Signature | None:
        signature = super().signature
        if signature is None or not self.arguments:
            return signature
        left = [one for name, one in signature.parameters.items() if name not in self.arguments]
        return signature.replace(parameters=left)

    def _run(self, tensors: tuple[Any, ...], options: dict[str, Any]) -> Any:
        return self.function(*tensors, **self.arguments, **options)

    @property
    def _makes_mask(self) -> bool:  # type: ignore[override]
        return self.mask is not None

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def get_config(self) -> dict[str, Any]:
        if keeps_objects():
            own = {"function": self.function, "output_shape": self._stated_shape, "mask": self.mask}
            return {**self._base_config(), **own, "arguments": dict(self.arguments)}
        raise UnsupportedError(
            f"{repr_of(self)} holds a Python function, which no config can hold; write it as a subclass of "
            "layers.Layer with get_config, or save the weights alone (state_dict)."
        )

    def extra_repr(self) -> str:
        return f"{getattr(self.function, '__name__', self.function)}, name={self.name!r}"


class TorchModuleWrapper(FunctionOrModule):
    """A torch module as a layer, as `keras.layers.TorchModuleWrapper`; a `Sequential` wraps modules by itself.

    No file can hold the module, so a model with one has no config; `state_dict`, copying and training work.

    Args:
        module: Takes what the layer is called with: one tensor, a list of them, or several one after the other; `mask`
            and `training` too, if its `forward` has arguments of that name. With a `compute_mask(inputs, mask)`, or
            `supports_masking = True`, it hands a mask on.
        name: Name of the layer.
        output_shape: As for `Lambda`.
        **base: `dtype`, `trainable`, ...

    Variables:
        The module's parameters, then its buffers, in its own names and layout; then those of the modules inside it.

    Example:
        >>> TorchModuleWrapper(torch.nn.Linear(3, 5))(torch.zeros(2, 20, 3)).shape
        torch.Size([2, 20, 5])
    """

    def __init__(self, module: nn.Module, name: str | None = None, output_shape: Any = None, **base: Any) -> None:
        super().__init__(output_shape, name=name, **base)
        if not isinstance(module, nn.Module) or isinstance(module, Layer):
            raise ArgumentError(
                f"module: expected a torch module that is no layer, got {quote(module)}; "
                "for a function use layers.Lambda(function)."
            )
        lazy = nn.parameter.UninitializedParameter
        if any(isinstance(p, lazy) and not isinstance(p, UnbuiltParameter) for p in module.parameters()):
            raise ArgumentError(
                f"{repr_of(self)}: {type(module).__name__} has parameters without a shape (a Lazy module); "
                "call it on data once, then wrap it."
            )
        self.module = module
        self._note_arguments()
        if not self.trainable:
            self.trainable = False  # the module's parameters too

    @property
    def wrapped(self) -> Any:
        return self.module

    def _run(self, tensors: tuple[Any, ...], options: dict[str, Any]) -> Any:
        return self.module(*tensors, **options)

    @property
    def _makes_mask(self) -> bool:  # type: ignore[override]
        return hasattr(self.module, "compute_mask")

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        own = getattr(self.module, "compute_mask", None)
        if own is not None:
            return own(inputs, mask)
        return mask if getattr(self.module, "supports_masking", False) else None

    @property
    def _stands_for(self) -> nn.Module:
        """The module whose variables are the layer's own."""
        return self.module

    def _keras_children(self) -> list[tuple[str, Any]]:
        return list(self.module.named_children())

    def _sublayers(self) -> list[nn.Module]:
        return list(self.module.children())

    def get_config(self) -> dict[str, Any]:
        if keeps_objects():
            # A copy has weights of its own; a module cannot be asked for fresh ones.
            return {**self._base_config(), "module": copy.deepcopy(self.module), "output_shape": self._stated_shape}
        raise UnsupportedError(
            f"{repr_of(self)} holds a torch module, which no config can hold; write it as a subclass of layers.Layer "
            "with get_config, or save the weights alone (state_dict)."
        )

    def _to_torch(self) -> nn.Module:
        return copy.deepcopy(self.module)
