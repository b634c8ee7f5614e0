"""Recurrences in C for the CPU: all steps of one in a single call, in float32.

The sources here are compiled when the package is built, if there is a C compiler (`hatch_build.py`), once for each
level of the processor's vector units; at import the one is loaded that torch found the processor to have, or a lower
one where that is not there or does not load. Where there is none, `available` is False; `level` says which it is, and
`shortfall` why it is not the best. The threads are those of the OpenMP that torch runs on: a second one in the process
would fight with it for the cores.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import size_rules
from ._finding import check_file, find
from ._finding import file_of as file_of


class Walk(ctypes.Structure):
    """`Walk` of steps.c: the same fields in the same order."""

    _fields_ = (
        *((name, ctypes.c_longlong) for name in ("steps", "batch", "units", "activation", "recurrent", "drops")),
        *((name, ctypes.c_longlong) for name in ("keep", "grad_step", "grad_row", "threads")),
        *((name, ctypes.c_longlong * 3) for name in ("image", "kernel")),
        *((name, ctypes.c_void_p) for name in ("parallel", "w", "bias", "drop", "use", "gates", "h", "c", "hidden")),
        *((name, ctypes.c_void_p) for name in ("grad", "dh", "dc", "dgates")),
    )


def load(file: Path) -> ctypes.CDLL:
    """Open a library.

    Raises:
        OSError: It is cut, for another processor, or the system refuses it.
        ImportError: It was made from other sources than these.
    """
    check_file(file)
    library = ctypes.CDLL(str(file))
    size: Any = getattr(library, "size_of_walk", None)
    if size is None or size() != ctypes.sizeof(Walk):
        raise ImportError(f"{file} is older than its sources: install kerastorch anew (pip install --editable .).")
    return library


def _find_parallel() -> int | None:
    """torch's OpenMP, where it is GNU's; there is one thread otherwise."""
    try:
        return ctypes.cast(ctypes.CDLL(None).GOMP_parallel, ctypes.c_void_p).value
    except (AttributeError, TypeError, OSError):
        return None


_library, level, shortfall = find(load)
_parallel = _find_parallel()
available = _library is not None


def run(name: str, sizes: Mapping[str, Any], **arrays: Tensor | None) -> None:
    """Call a function of steps.c.

    Args:
        name: Of the function.
        sizes: The fields of `Walk` that are numbers, or tuples of three, as far as they are not 0.
        **arrays: Its arrays: on the CPU, contiguous, float32, `use` of bool. An absent one is None.

    Raises:
        MemoryError: There is none for the packed weights.
    """
    walk = Walk(parallel=_parallel, **sizes)
    for field, array in arrays.items():
        if array is not None:
            setattr(walk, field, array.data_ptr())
    work = walk.steps * walk.batch * arrays["w"].numel()  # type: ignore[union-attr]
    walk.threads = torch.get_num_threads() if work >= size_rules.THREADED_WORK else 1
    if getattr(_library, name)(ctypes.byref(walk)):
        raise MemoryError(f"{name}: no memory for the packed weights of {walk.units} units.")
