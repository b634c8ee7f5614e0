"""A Keras variable as Keras's own are: with a name, a shape, a value that can be assigned, and arithmetic.

A `Variable` shows one or more torch tensors of a module in Keras's layout. Tensors that are variables themselves stand
in `weight_tensors.py`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import ArgumentError, ShapeError
from ..weights import Var


def to_numpy(tensor: Tensor) -> np.ndarray:
    """A numpy copy; bfloat16, which numpy does not have, becomes float32."""
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy().copy()


def plain_value(value: Any) -> Any:
    """The tensor of a variable; anything else as it is."""
    return value.value if isinstance(value, Variable) else value


class Variable:
    """A variable of a layer in Keras's layout, as `keras.Variable`: an entry of `layer.weights`, `dense.kernel`.

    It takes part in arithmetic, in functions of torch and of numpy, and gradients flow back to the parameters. It is no
    tensor: an optimizer of torch is given `model.parameters()`.

    Args:
        module: The module that holds it.
        var: Which parameters or buffers of that hold it, and through which map.

    Example:
        >>> layer = Dense(2); layer.build((None, 3)); layer.kernel.shape
        (3, 2)
        >>> layer.kernel.assign(np.ones((3, 2))); float(layer.kernel.value.sum())
        6.0
    """

    __array_priority__ = 1000  # numpy leaves `array * variable` to the variable
    module: nn.Module
    var: Var

    def __init__(self, module: nn.Module, var: Var) -> None:
        self.module, self.var = module, var

    # ------------------------------------------------------------------ what it is

    @property
    def name(self) -> str:
        return self.var.name

    @property
    def path(self) -> str:
        """The names of the layers around it and its own: "lstm/lstm_cell/kernel"."""
        owner: str | None = getattr(self.module, "_variables_path", None)  # of a layer
        return self.name if owner is None else f"{owner}/{self.name}"

    @property
    def shape(self) -> tuple[int, ...]:
        with torch.no_grad():
            return tuple(self.var.to_keras([part if part.is_meta else part.to("meta") for part in self.parts()]).shape)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def dtype(self) -> torch.dtype:
        return self.parts()[0].dtype

    @property
    def device(self) -> torch.device:
        return self.parts()[0].device

    @property
    def trainable(self) -> bool:
        """Whether it is trained: neither a statistic nor frozen. Setting it freezes the parameter."""
        return self.is_trained()

    @trainable.setter
    def trainable(self, value: bool) -> None:
        if value and not self.var.trainable:
            raise ArgumentError(f"{self.path} is not trained by gradients: torch keeps it in a buffer.")
        for part in self.parts() if self.var.trainable else []:
            part.requires_grad_(bool(value))

    @property
    def regularizer(self) -> Any:
        """The penalty on it, or None."""
        return self.var.option(self.module, "regularizer")

    @property
    def constraint(self) -> Any:
        """What it is brought to after an update, or None."""
        return self.var.option(self.module, "constraint")

    @property
    def shares_memory(self) -> bool:
        """Whether `value` is a view of one parameter, so that a change of it in place changes the layer.

        Not where the layouts differ by more than the order of axes: the gates of a GRU stand in another order in torch,
        and two biases may be one variable. There `value` is a copy; `assign` works everywhere.
        """
        parts = self.parts()
        if len(parts) != 1:
            return False
        with torch.no_grad():
            return self.var.to_keras(parts).untyped_storage().data_ptr() == parts[0].untyped_storage().data_ptr()

    def is_trained(self) -> bool:
        """Whether it is trainable and not frozen."""
        return self.var.trainable and any(part.requires_grad for part in self.parts())

    def parts(self) -> list[Tensor]:
        """The torch tensors that hold the variable, in torch layout."""
        return [getattr(self.module, name) for name in self.var.params]

    # ------------------------------------------------------------------ its value

    @property
    def value(self) -> Tensor:
        """The variable in Keras layout, with its graph: gradients flow back to the parameters.

        After `backward` it has its gradient, `value.grad`, as with Keras on torch.
        """
        value = self.var.to_keras(self.parts())
        if not value.is_leaf and not torch.compiler.is_compiling():
            value.grad = self.gradient()
        return value

    def numpy(self) -> np.ndarray:
        """A copy as a numpy array in Keras layout; bfloat16, which numpy does not have, becomes float32."""
        return to_numpy(self.value)

    def gradient(self) -> Tensor | None:
        """The gradient in Keras layout, or None."""
        grads = [part.grad for part in self.parts()]
        present = [grad for grad in grads if grad is not None]
        return self.var.to_keras(present) if grads and len(present) == len(grads) else None

    def to_torch(self, array: Tensor) -> list[Tensor]:
        """An array in Keras's layout, such as a gradient, as the parameters have it."""
        return list(self.var.to_torch(array))

    @torch.no_grad()
    def write(self, array: Tensor) -> None:
        """Copy an array of Keras layout into the parameters; its shape must have been checked."""
        for part, value in zip(self.parts(), self.var.to_torch(array), strict=True):
            part.copy_(value)

    def assign(self, value: Any) -> Tensor:
        """Set it from an array or a tensor of its shape, in Keras layout.

        Returns:
            The new value.

        Raises:
            ShapeError: The shape is another one; nothing is changed then.
        """
        self.write(of_shape(self.path, self.shape, self.dtype, self.device, value))
        return self.value

    def assign_add(self, value: Any) -> Tensor:
        """Add to it."""
        return self.assign(self.value.detach() + as_operand(value, self.value))

    def assign_sub(self, value: Any) -> Tensor:
        """Subtract from it."""
        return self.assign(self.value.detach() - as_operand(value, self.value))

    # ------------------------------------------------------------------ Python, numpy, torch

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        return array if dtype is None else array.astype(dtype)

    def shows(self, other: Any) -> bool:
        """Whether a tensor is the very parameter or buffer that this variable stands for, in the same layout."""
        parts = self.parts()
        return len(parts) == 1 and getattr(parts[0], "shown", parts[0]) is getattr(other, "shown", other)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _SAME and isinstance(args[1], Variable) and args[1].shows(args[0]):
            return _SAME[func]  # layer.w == layer.weights[0], from torch's side
        args, kwargs = _valued(args), _valued(kwargs or {})
        return func(*args, **kwargs)

    def __getitem__(self, index: Any) -> Tensor:
        return self.value[index]

    def __len__(self) -> int:
        return len(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __index__(self) -> int:
        return operator.index(self.value)

    def __bool__(self) -> bool:
        raise TypeError(f"{self.path} is a variable and neither true nor false; compare it, or take its value.")

    __hash__ = object.__hash__  # as a dict's key it is itself, as in Keras; `==` compares values

    def __repr__(self) -> str:
        return f"<Variable path={self.path}, shape={self.shape}, dtype={str(self.dtype).removeprefix('torch.')}>"

    @property
    def __name__(self) -> str:
        # How torch.optim names what it cannot take, in the middle of a sentence.
        return f"Variable, {self.path}: give an optimizer of torch model.parameters()"


if TYPE_CHECKING:

    class VariableAttribute:
        """An attribute of a layer that gives a variable and takes an array; a declaration for type checkers."""

        def __get__(self, layer: Any, owner: Any) -> Variable: ...
        def __set__(self, layer: Any, value: Any) -> None: ...

else:
    VariableAttribute = Variable


def _valued(value: Any) -> Any:
    """Values for the variables in the arguments of a function."""
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return type(value)(_valued(item) for item in value)
    if isinstance(value, dict):
        return {key: _valued(item) for key, item in value.items()}
    return plain_value(value)


def as_operand(value: Any, beside: Tensor) -> Any:
    """What stands on the other side of an operator: arrays and lists as tensors."""
    value = plain_value(value)
    if isinstance(value, (np.ndarray, np.generic, list, tuple)):
        value = torch.as_tensor(value, device=beside.device)
        return value.to(beside.dtype) if value.is_floating_point() else value
    return value


def of_shape(where: str, shape: Any, dtype: torch.dtype, device: torch.device, value: Any) -> Tensor:
    tensor = torch.as_tensor(plain_value(value), dtype=dtype, device=device)
    if tuple(tensor.shape) != tuple(shape):
        raise ShapeError(f"{where}: assign: expected an array of shape {tuple(shape)}, got {tuple(tensor.shape)}.")
    return tensor


def _unary(name: str) -> Callable[[Any], Any]:
    def apply(self: Variable) -> Any:
        return getattr(self.value, name)()

    apply.__name__ = name
    return apply


def _binary(name: str) -> Callable[[Any, Any], Any]:
    def apply(self: Variable, other: Any) -> Any:
        value = self.value
        return getattr(value, name)(as_operand(other, value))

    apply.__name__ = name
    return apply


def _comparing(name: str, same: bool) -> Callable[[Any, Any], Any]:
    by_values = _binary(name)

    def apply(self: Variable, other: Any) -> Any:
        # In Keras both are one object, and lists of them (layer.weights == [layer.w]) compare objects first. One that
        # is compared with itself is compared by its values, as there.
        return same if other is not self and self.shows(other) else by_values(self, other)

    apply.__name__ = name
    return apply


_SAME: dict[Any, bool] = {Tensor.eq: True, Tensor.ne: False}  # what `==` and `!=` of a tensor ask for
_BOTH_SIDES = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor")
for _name in ("neg", "pos", "abs", "invert"):
    setattr(Variable, f"__{_name}__", _unary(f"__{_name}__"))
Variable.__eq__ = _comparing("__eq__", True)  # type: ignore[method-assign]
Variable.__ne__ = _comparing("__ne__", False)  # type: ignore[method-assign]
for _name in ("lt", "le", "gt", "ge", *_BOTH_SIDES, *(f"r{name}" for name in _BOTH_SIDES)):
    setattr(Variable, f"__{_name}__", _binary(f"__{_name}__"))
