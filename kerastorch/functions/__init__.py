"""What the operations of a graph compute, on plain tensors: one function for each name of `operations.OPERATIONS`.

A function takes a `Kit` and the arguments of `OPERATIONS` by name, and returns a tensor or a list of tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from . import elementwise, indexing, products, reducing, shaping
from .kit import Kit as Kit

FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    **elementwise.FUNCTIONS,
    **indexing.FUNCTIONS,
    **products.FUNCTIONS,
    **reducing.FUNCTIONS,
    **shaping.FUNCTIONS,
}
# What computes with sizes: where its inputs follow from shapes, so do its values, before there is data.
_FOLLOWED = (
    "Add Arange Cast Concatenate ConvertToTensor Copy Equal ExpandDims FloorDivide GetItem Greater Less Max Maximum "
    "Min Minimum Mod Multiply Ndim Prod Reshape Shape Size Split Squeeze Stack Subtract Sum Take Unstack Where"
)
FOLLOWED = frozenset(_FOLLOWED.split())
# Where these change nothing they return the tensor itself, in Keras too: then its mask stays.
RETURNS_ITSELF = frozenset({"Array", "Cast", "Conj", "Conjugate", "ConvertToTensor", "Moveaxis", "Real", "Swapaxes"})
