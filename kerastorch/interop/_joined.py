"""Functions and modules of torch on tensors that join the batch with time: `self.fc(x.view(T * B, F)).view(T, B, -1)`.

What works on the axes behind, or on each number, does the same on the two axes as they are. So time may stay open, and
may stand before the batch.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor

from ..errors import UnsupportedError
from . import _pointwise, _reducing
from ._activations import ACTIVATION_MODULES
from ._example import leaves, replaced
from ._size import same
from ._value import Joined, Value

RESHAPING = {"view", "reshape", "view_as", "reshape_as", "flatten", "unflatten"}
# Those of a product know its axes by their places from the front.
_FUNCTIONS = {*_pointwise.FUNCTIONS, *_reducing.FUNCTIONS, "cat", "concat", "chunk", "split", "layer_norm", "embedding"}
_FUNCTIONS -= {"einsum", "bmm", "mm", "mv", "dot", "__rmatmul__", "scaled_dot_product_attention"}
_MODULES = {
    "Linear",
    "Dropout",
    "LayerNorm",
    "RMSNorm",
    "Embedding",
    "Identity",
    "Softmax",
    "LogSoftmax",
    "GLU",
    "GELU",
}
_MODULES |= {kind.__name__ for kind in ACTIVATION_MODULES}
_DIMS = {"Softmax", "LogSoftmax", "GLU"}  # modules whose dim is an attribute


def through(handler: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What stands for the result where an argument is a `Joined`.

    Args:
        handler: What translates the function or module for other tensors.
        name: Of the function, or of the module's class.
        args: The arguments, with values.
        kwargs: The same by name.

    Raises:
        UnsupportedError: It works along the joined axis, or is not known to leave it alone.
    """
    if name in RESHAPING:
        return handler(*args, **kwargs)
    if name not in _FUNCTIONS | _MODULES:
        raise UnsupportedError(f"{name} of a tensor that joins the batch with another axis (a view): part them before")
    joined = [leaf for leaf in leaves((args, kwargs)) if isinstance(leaf, Joined)]
    first = joined[0]
    for leaf in leaves((args, kwargs)):
        if not _fits(leaf, first) and not (name.strip("_") == "matmul" and _is_matrix(leaf)):
            raise UnsupportedError(
                f"{name} of a tensor that joins the batch with another axis (a view), and of one that does not"
            )
    if name in _DIMS:
        _behind(handler.args[1].dim, first.rank, name)  # type: ignore[attr-defined]
        if handler.args[1].dim >= 0:  # type: ignore[attr-defined]
            raise UnsupportedError(f"{name} with dim={handler.args[1].dim} of a view: write dim=-1")  # type: ignore[attr-defined]
    bound = inspect.signature(handler).bind(*args, **kwargs)
    bound.apply_defaults()
    if "dim" in bound.arguments:
        bound.arguments["dim"] = _behind(bound.arguments["dim"], first.rank, name)
    inside = {
        key: replaced(item, lambda leaf: leaf.value if isinstance(leaf, Joined) else leaf)
        for key, item in bound.arguments.items()
    }
    bound.arguments.update(inside)
    made = handler(*bound.args, **bound.kwargs)
    return replaced(made, lambda leaf: Joined(leaf, first.front) if isinstance(leaf, Value) else leaf)


def _fits(leaf: Any, first: Joined) -> bool:
    if isinstance(leaf, Joined):
        return all(same(one, other) for one, other in zip(leaf.front, first.front, strict=True))
    if isinstance(leaf, Value):
        return leaf.batch is None and leaf.rank < first.rank
    return not isinstance(leaf, Tensor) or leaf.ndim < first.rank or leaf.shape[0] == 1


def _is_matrix(leaf: Any) -> bool:
    return isinstance(leaf, Value) and leaf.batch is None and leaf.rank == 2


def _behind(dim: Any, rank: int, name: str) -> Any:
    """The same axes counted from the end, where the joined one is not among them."""
    if dim is None:
        return None
    if isinstance(dim, (list, tuple)):
        return [_behind(item, rank, name) for item in dim]
    if not isinstance(dim, int):
        return dim
    if dim % rank == 0:
        raise UnsupportedError(f"{name} along an axis that joins the batch with another one")
    return dim % rank - rank
