"""Keras 3's operations as functions, under Keras's names: `ops.mean(x, axis=1)`, `ops.not_equal(words, 0)`, ...

On symbolic tensors they make layers of a graph (`layers.Operation`); on torch tensors and arrays they compute.
`dir(ops)` lists them. `x + y`, `x[:, -1]` and the like need none of these.

Those of `operations.OPERATIONS` stand in files of Keras and of kerastorch. The others, in the modules here, only
compute: in a graph they become `Lambda` layers, which no file holds. Begin with `recorded.py` and `computed.py`, then
`making.py` (tensors from sizes, parts), `numbers.py` (elementwise, segments), `statistics.py`, `algebra.py`
(matrices, spectra, losses), `control.py` (loops), `decoding.py` (CTC); `elsewhere.py` says what is left out, and what
to use.
"""

from __future__ import annotations

from typing import Any

from ..namespaces import Namespace
from . import algebra, control, decoding, making, numbers, statistics
from .elsewhere import ELSEWHERE
from .recorded import NAMES, recorded, use


def shape(x: Any) -> tuple[int | None, ...]:
    """The sizes of x, None where one is not known: `keras.ops.shape`."""
    return tuple(x.shape)


def einsum(subscripts: str, *operands: Any) -> Any:
    """Products and sums by letters, `einsum("btf,fu->btu", x, kernel)`: `keras.ops.einsum`."""
    return use("Einsum", {"operands": list(operands), "subscripts": subscripts})


def get(name: str) -> Any:
    """The function with a name of `dir(ops)`."""
    # Not kept in this module, where `any` or `sum` would hide Python's own.
    return recorded(name) if name in NAMES else _COMPUTED[name]


_COMPUTED = {
    name: function
    for module in (algebra, control, decoding, making, numbers, statistics)
    for name, function in vars(module).items()
    if callable(function) and getattr(function, "__module__", "") == module.__name__ and not name.startswith("_")
}
_FUNCTIONS = {*NAMES, *_COMPUTED, "shape", "einsum"}
_namespace = Namespace(
    __name__,
    globals(),
    own=_FUNCTIONS - {"shape", "einsum"},
    make=get,
    absent=ELSEWHERE,
    hidden={name for name in globals() if not name.startswith("_")} - _FUNCTIONS,
)


def __getattr__(name: str) -> Any:
    return _namespace.get(name)


def __dir__() -> list[str]:
    return _namespace.names()
