"""The state of an optimizer as Keras's `optimizer.variables` lists it: each can be read and set, in Keras's layout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..base.variable import of_shape
from ..errors import ShapeError, UnsupportedError, counted, quote
from ..optimizers import Optimizer
from .forms import WHOLE, Place, not_begun, places, rule_of, updating
from .state import put, scalar_of, value_at


class OptimizerVariable:
    """A number or an array that an optimizer keeps, with the methods of Keras's variables.

    Args:
        optimizer: Whose it is.
        place: Which it is.
    """

    trainable = False

    def __init__(self, optimizer: Optimizer, place: Place) -> None:
        self._optimizer, self._place = optimizer, place
        self.path, self.shape = place.name, place.shape

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def dtype(self) -> torch.dtype:
        """That of the weight; of numbers int64 where they count, and float32."""
        variable = self._place.variable
        if variable is not None:
            return variable.dtype
        return torch.int64 if self._place.slot in WHOLE else torch.float32

    @property
    def value(self) -> Tensor:
        """A copy of it as it is now."""
        if self._place.variable is None:
            number = scalar_of(self._optimizer, self._optimizer, self._place.slot)
            return torch.tensor(number, dtype=self.dtype)
        return value_at(self._optimizer, self._optimizer, self._place).detach().clone()

    def numpy(self) -> np.ndarray:
        """A copy as a numpy array; bfloat16 as float32."""
        value = self.value.cpu()
        return (value.float() if value.dtype == torch.bfloat16 else value).numpy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        return array if dtype is None else array.astype(dtype)

    def __int__(self) -> int:
        return int(self.value)

    def __float__(self) -> float:
        return float(self.value)

    @torch.no_grad()
    def assign(self, value: Any) -> Tensor:
        """Set it.

        Args:
            value: A number, an array of its shape in Keras's layout, or another variable.

        Raises:
            ShapeError: The shape is another one; nothing is changed then.
        """
        variable, slot = self._place.variable, str(self._place.slot)
        device = torch.device("cpu") if variable is None else variable.device
        new = of_shape(
            quote(self.path),
            self.shape,
            self.dtype,
            device,
            value.value if isinstance(value, OptimizerVariable) else value,
        )
        if variable is not None:
            put(self._optimizer, self._place, new)
        elif slot == "learning_rate":
            self._optimizer.learning_rate = float(new)
        else:
            self._optimizer.param_groups[0][slot] = int(new) if slot in WHOLE else float(new)
        return self.value

    def __repr__(self) -> str:
        return f"<OptimizerVariable path={self.path}, shape={self.shape}, dtype={self.dtype}, value={self.numpy()}>"


def optimizer_variables(optimizer: Optimizer) -> list[OptimizerVariable]:
    """See `Optimizer.variables`."""
    optimizer = updating(optimizer)
    trained = [item.variable for item in optimizer._trained]
    if not rule_of(optimizer) or any(variable is None for variable in trained):
        raise UnsupportedError(
            f"{type(optimizer).__name__}.variables: Keras's order and layout are known of its own optimizers, built "
            "for a model or for model.trainable_variables; the tensors themselves are in optimizer.state."
        )
    listed = places(optimizer, trained, "keras3")
    return [OptimizerVariable(optimizer, place) for place in (listed if optimizer.built else not_begun(listed))]


def set_optimizer_variables(optimizer: Optimizer, values: Sequence[Any]) -> None:
    """See `Optimizer.set_weights`."""
    variables = optimizer_variables(optimizer)
    where = f"{type(optimizer).__name__}.set_weights"
    if len(values) != len(variables):
        raise ShapeError(
            f"{where}: got {counted(len(values), 'array')}, expected {len(variables)}, those of optimizer.variables."
        )
    for at, (value, variable) in enumerate(zip(values, variables, strict=True)):
        if np.shape(value) != variable.shape:
            raise ShapeError(
                f"{where}: array {at} has shape {np.shape(value)}, expected {variable.shape}, that of "
                f"{quote(variable.path)}."
            )
    for value, variable in zip(values, variables, strict=True):
        variable.assign(value)
