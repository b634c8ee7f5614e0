"""Arrays at the edge of a conversion: numpy or torch in, the same out; and their shapes, checked together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import ArgumentError, ShapeError, quote
from ..weights import Step

Shape = Sequence[str]  # of "U", "4U", "F+U", "2": one expression for each axis

_TERM = re.compile(r"(\d*)([A-Z]?)")


class Arrays:
    """The arrays of one call, as tensors under their names; missing ones (None) are left out.

    Args:
        where: The function, for messages.
        **given: numpy arrays or tensors, all of one kind.
    """

    def __init__(self, where: str, **given: Any) -> None:
        self.where = where
        self.tensors: dict[str, Tensor] = {}
        self._numpy = False
        kinds = {}
        for name, value in given.items():
            if value is None:
                continue
            if not isinstance(value, (np.ndarray, Tensor)):
                raise ArgumentError(f"{where}: {name}: expected a numpy array or a tensor, got {quote(type(value))}.")
            self.tensors[name] = value if isinstance(value, Tensor) else torch.from_numpy(np.ascontiguousarray(value))
            kinds[name] = isinstance(value, np.ndarray)
        if len(set(kinds.values())) > 1:
            arrays = [name for name, is_numpy in kinds.items() if is_numpy]
            raise ArgumentError(
                f"{where}: {', '.join(arrays)} are numpy arrays, the others are tensors; pass one kind of them."
            )
        if len({tensor.dtype for tensor in self.tensors.values()}) > 1:
            dtypes = ", ".join(f"{name} {tensor.dtype}" for name, tensor in self.tensors.items())
            raise ArgumentError(f"{where}: the arrays differ in dtype ({dtypes}); convert them to one.")
        self._numpy = any(kinds.values())

    def __getitem__(self, name: str) -> Tensor:
        """The array, which must be there: what may be missing is asked for with `in` before."""
        if name not in self.tensors:
            zeros = " For a layer without a bias pass zeros of the bias's shape." if name == "bias" else ""
            raise ArgumentError(f"{self.where}: {name}: expected a numpy array or a tensor, got None.{zeros}")
        return self.tensors[name]

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    def sizes(self, hint: Mapping[str, str] | None = None, **shapes: Shape) -> dict[str, int]:
        """Check the shapes and return what the letters in them stand for.

        Args:
            hint: More to say, by the name of the array, if its shape is the wrong one.
            **shapes: For each array that is there, an expression for each axis; the first one fixes the letters.

        Raises:
            ShapeError: An array has another number of axes, or a size that does not go with the others'.
        """
        known: dict[str, int] = {}
        for name, shape in shapes.items():
            if name not in self.tensors:
                continue
            got = tuple(self.tensors[name].shape)
            if len(got) != len(shape) or not all(map(lambda e, n: _fits(e, n, known), shape, got)):
                expected = f"({', '.join(_shown(item, known) for item in shape)}{',' if len(shape) == 1 else ''})"
                letters = ", ".join(f"{key}={value}" for key, value in known.items())
                raise ShapeError(
                    f"{self.where}: {name} has shape {got}, expected {expected}"
                    + (f" with {letters}" if letters else "")
                    + f".{' ' + hint[name] if hint and name in hint else ''}"
                )
        return known

    def out(self, tensor: Tensor) -> Any:
        """A result of the kind that came in, in memory of its own."""
        tensor = tensor.clone(memory_format=torch.contiguous_format)
        return tensor.detach().numpy() if self._numpy else tensor


def _fits(expression: str, size: int, known: dict[str, int]) -> bool:
    """Whether an axis has the size that an expression says; a new letter in it is learned."""
    total = 0
    unknown: tuple[int, str] | None = None
    for term in expression.split("+"):
        match = _TERM.fullmatch(term)
        assert match is not None
        factor = int(match[1] or 1)
        if match[2] and match[2] not in known:
            unknown = (factor, match[2])
        else:
            total += factor * (known[match[2]] if match[2] else 1)
    if unknown is None:
        return size == total
    factor, letter = unknown
    value, rest = divmod(size - total, factor)
    if rest or value < 1:
        return False
    known[letter] = value
    return True


def _shown(expression: str, known: Mapping[str, int]) -> str:
    """`4U`, or its value where U is known."""
    found = dict(known)
    letters = set(re.findall("[A-Z]", expression))
    if letters - found.keys():
        return expression
    value = sum(int(_TERM.fullmatch(t)[1] or 1) * found.get(_TERM.fullmatch(t)[2], 1) for t in expression.split("+"))  # type: ignore[index]
    return f"{value}" if not letters else f"{expression}={value}"


def apply(step: Step, tensor: Tensor) -> Tensor:
    """Run a step that takes one tensor to one tensor."""
    return step.forward((tensor,))[0]


def invert(step: Step, tensor: Tensor) -> Tensor:
    return step.inverse((tensor,))[0]
