"""The other names that torch's functions take for their arguments."""

from __future__ import annotations

import inspect
from typing import Any

# torch takes numpy's names too; and one function of ours does what several of torch's do, which name things otherwise.
_OTHER = {
    "axis": "dim", "axis0": "dim0", "axis1": "dim1", "keepdims": "keepdim", "x": "input", "a": "input", "x1": "input",
    "x2": "other", "tensor": "input", "self": "input", "exponent": "other", "split_size_or_sections": "split_size",
    "train": "training", "ord": "p",
}  # fmt: skip
_MATRIX = dict.fromkeys(("other", "vec", "tensor", "x2"), "mat2")  # of matmul, mv, dot
# What torch calls the sizes or axes that may also be given one by one.
_LISTS = {"sizes": ("size",), "shape": ("size",), "repeats": ("dims",)}


def spelled(
    signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments as a function of this signature has them."""
    names = signature.parameters
    other = {**_OTHER, **_MATRIX} if "mat2" in names else _OTHER
    kwargs = {key if key in names else other.get(key, key): item for key, item in kwargs.items()}
    for name, parameter in names.items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            for key in (name, *_LISTS.get(name, ())):
                if key in kwargs and (key == name or key not in names):
                    before = list(names)[: list(names).index(name)]
                    args += tuple(kwargs.pop(first) for first in before if first in kwargs)
                    args += (kwargs.pop(key),)
    return args, kwargs
