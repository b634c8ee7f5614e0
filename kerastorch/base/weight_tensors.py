"""Torch tensors that are Keras variables themselves, because name, layout and tensor are the same in both.

`dense.bias` and what `add_weight` returns: torch's parameter itself has the methods of Keras's variables; it is a
`WeightParameter`. A buffer stays a plain tensor to torch, and the layer's attribute gives a `WeightBuffer`, a view of
it with the methods.
"""

from __future__ import annotations

import copy
import operator
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import ArgumentError, quote
from .variable import Variable, as_operand, of_shape, to_numpy

_OPERATORS = {
    np.add: operator.add,
    np.subtract: operator.sub,
    np.multiply: operator.mul,
    np.true_divide: operator.truediv,
    np.floor_divide: operator.floordiv,
    np.remainder: operator.mod,
    np.power: operator.pow,
    np.matmul: operator.matmul,
    np.equal: operator.eq,
    np.not_equal: operator.ne,
    np.less: operator.lt,
    np.less_equal: operator.le,
    np.greater: operator.gt,
    np.greater_equal: operator.ge,
}


class _Weight(Tensor):
    """A torch tensor with the methods of Keras's variables; abstract."""

    _owner: weakref.ref[Any] | None = None  # the layer; not copied and not written
    _alone: str | None = None  # the name of one that was made outside of layers

    def _variable(self) -> Variable | None:
        if torch.compiler.is_compiling():
            return None  # Dynamo knows no attributes of the view that it is given
        layer = self._owner() if self._owner is not None else None
        found = () if layer is None else layer._own_variables()
        return next((item for item in found if any(part is self for part in item.parts())), None)

    def _own_name(self) -> str | None:
        return None if torch.compiler.is_compiling() else self._alone

    @property
    def value(self) -> Tensor:
        """The tensor itself."""
        return self

    @property
    def name(self) -> str | None:  # type: ignore[override]
        """Keras's name of the variable; None once it is in no layer."""
        variable = self._variable()
        return self._own_name() if variable is None else variable.name

    @property
    def path(self) -> str | None:
        """The names of the layers around it and its own; None once it is in no layer."""
        variable = self._variable()
        return self._own_name() if variable is None else variable.path

    @property
    def regularizer(self) -> Any:
        """The penalty on it, or None."""
        variable = self._variable()
        return None if variable is None else variable.regularizer

    @property
    def constraint(self) -> Any:
        """What it is brought to after an update, or None."""
        variable = self._variable()
        return None if variable is None else variable.constraint

    @property
    def trainable(self) -> bool:
        """Whether it is trained: `requires_grad`."""
        return self.requires_grad

    @trainable.setter
    def trainable(self, value: bool) -> None:
        if value and isinstance(self, WeightBuffer):
            raise ArgumentError(f"{quote(self.name)} is not trained by gradients: torch keeps it in a buffer.")
        self.requires_grad_(bool(value))

    def numpy(self, *, force: bool = False) -> np.ndarray:  # type: ignore[override]
        """A copy as a numpy array; bfloat16, which numpy does not have, becomes float32. `force` is always done."""
        return to_numpy(self)

    def assign(self, value: Any) -> Tensor:
        """Set it from an array or a tensor of its shape.

        Raises:
            ShapeError: The shape is another one; nothing is changed then.
        """
        with torch.no_grad():
            return self.copy_(of_shape(self.path or "variable", self.shape, self.dtype, self.device, value))

    def assign_add(self, value: Any) -> Tensor:
        """Add to it."""
        return self.assign(self.detach() + as_operand(value, self))

    def assign_sub(self, value: Any) -> Tensor:
        """Subtract from it."""
        return self.assign(self.detach() - as_operand(value, self))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """Operators with an array on the other side are torch's, and gradients flow; functions are numpy's."""
        operation = _OPERATORS.get(ufunc)
        if operation is not None and method == "__call__" and not options:
            return operation(*(as_operand(item, self) for item in inputs))
        arrays = (item.numpy() if isinstance(item, _Weight) else item for item in inputs)
        return getattr(ufunc, method)(*arrays, **options)


class WeightParameter(_Weight, nn.Parameter):
    """A parameter of torch that is a Keras variable under the same name and in the same layout."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        return nn.Parameter(self.data, self.requires_grad).__reduce_ex__(protocol)  # what torch itself can read


if TYPE_CHECKING:

    class ParameterAttribute:
        """An attribute of a layer that gives a parameter and takes an array; a declaration for type checkers."""

        def __get__(self, layer: Any, owner: Any) -> WeightParameter: ...
        def __set__(self, layer: Any, value: Any) -> None: ...

else:
    ParameterAttribute = WeightParameter


_DATA: Any = Tensor.data  # the descriptor


class WeightBuffer(_Weight):
    """A view of a buffer that is a Keras variable under the same name and in the same layout.

    In the module's table of buffers stands the plain tensor. A parameter in its place, of whatever class, is a
    parameter to torch: for `load_state_dict(assign=True)`, for torch.export, for an attribute of another module. Any
    other subclass of Tensor is refused when a compiled function runs for the first time.
    """

    __torch_function__: Any = nn.Parameter.__torch_function__  # what is computed from it is a plain tensor
    shown: Tensor  # the buffer; a view that is made while torch compiles has none

    @classmethod
    def of(cls, buffer: Tensor) -> WeightBuffer:
        view = buffer.as_subclass(cls)
        view.shown = buffer
        return view

    @property
    def data(self) -> Tensor:
        return _DATA.__get__(self)

    @data.setter
    def data(self, value: Tensor) -> None:
        for tensor in (self, self.shown):
            _DATA.__set__(tensor, value)

    def __deepcopy__(self, memo: dict[int, Any]) -> WeightBuffer:
        return memo.setdefault(id(self), WeightBuffer.of(copy.deepcopy(self.shown, memo)))

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.shown.__reduce_ex__(protocol)
