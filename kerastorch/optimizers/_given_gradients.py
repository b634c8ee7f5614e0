"""Updates by gradients that the caller has computed, under Keras's names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..distributed import gradients_joined
from ..errors import ArgumentError, NotBuiltError, counted, quote
from ._trained import Trained, trained_of


class TakesGradients:
    """The part of `Optimizer` that is given gradients; abstract."""

    built: bool
    iterations: int
    _trained: list[Trained]

    def build(self, variables: Any) -> None:
        """See `Optimizer.build`."""
        raise NotImplementedError

    def _apply(self, grads: dict[Tensor, Tensor]) -> None:
        raise NotImplementedError

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> int:
        """Update by gradients, as `keras.optimizers.Optimizer.apply`.

        Args:
            grads: A gradient, or None, for each tensor.
            trainable_variables: The tensors; those that the optimizer was built with, in order, if None.

        Returns:
            The number of updates so far.

        Raises:
            ArgumentError: There are more or fewer gradients than tensors, or a tensor is none that is trained.
            NotBuiltError: No tensors are given, and the optimizer does not know yet what it trains.
        """
        if trainable_variables is None:
            if not self.built:
                raise NotBuiltError(f"This {type(self).__name__} does not know yet what it trains: call build(model).")
            trainable_variables = [part for item in self._trained for part in item.parts]
        grads, given = list(grads), list(trainable_variables)
        if len(grads) != len(given):
            raise ArgumentError(f"apply: {counted(len(grads), 'gradient')} for {counted(len(given), 'tensor')}.")
        return self.apply_gradients(zip(grads, given, strict=True))

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Any]]) -> int:
        """Update by gradients that are given with their weights, as `optimizer.apply_gradients(zip(grads, variables))`.

        Args:
            grads_and_vars: Pairs of a gradient, or None, and a tensor or variable that is trained. The gradient of a
                variable, an entry of `model.trainable_weights`, has Keras's layout.

        Returns:
            The number of updates so far.

        Raises:
            ArgumentError: A tensor is none of those that the optimizer trains, or all gradients are None.
        """
        pairs = list(grads_and_vars)
        self.build([variable for _, variable in pairs])
        known = {id(part) for item in self._trained for part in item.parts}
        grads: dict[Tensor, Tensor] = {}
        for grad, variable in pairs:
            parts = trained_of(variable, type(self).__name__).parts
            if any(id(part) not in known for part in parts):
                raise ArgumentError(
                    "apply_gradients takes what the optimizer was built with, such as model.trainable_weights or "
                    f"model.parameters(); got {quote(getattr(variable, 'path', type(variable).__name__))}."
                )
            if grad is not None:
                tensor = torch.as_tensor(grad)
                arranged = (tensor,) if isinstance(variable, (Tensor, tuple)) else variable.to_torch(tensor)
                grads |= dict(zip(parts, arranged, strict=True))
        if pairs and not grads:
            raise ArgumentError(
                "All gradients are None: call loss.backward() before they are read, and read them from "
                "parameter.grad, or from variable.value.grad for the entries of model.trainable_weights."
            )
        with torch.no_grad():
            self._apply(gradients_joined(grads))
        return self.iterations
