"""Numbers and axes among the arguments of losses, metrics and the like: refused by name where they are none."""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Callable, Mapping
from typing import Any

from .errors import ArgumentError, quote

_MOST = 1 << 62  # of a whole number: torch has 63 bits for it


def number(owner: str, name: str, value: Any, least: float = -math.inf, most: float = math.inf) -> Any:
    """The value, if it is a real number, or an array or a tensor of one, from `least` to `most`.

    Raises:
        ArgumentError: It is none.
    """
    if not _is_number(value) or value < least or value > most:  # NaN is a number, as in Keras
        bounds = [f"at least {least:g}"] if math.isfinite(least) else []
        bounds += [f"at most {most:g}"] if math.isfinite(most) else []
        raise _refusal(owner, name, " ".join(["a number", " and ".join(bounds)]).strip(), value)
    return value


def whole(owner: str, name: str, value: Any, least: int = -_MOST) -> int:
    """The value as an `int`, if it is a whole number of at least `least`.

    Raises:
        ArgumentError: It is none.
    """
    if not _is_whole(value) or not least <= value <= _MOST:
        raise _refusal(owner, name, "a whole number" + (f" of at least {least}" if least > -_MOST else ""), value)
    return operator.index(value)


def axis(owner: str, name: str, value: Any) -> Any:
    """The value, if it is an axis, several of them, or None.

    Raises:
        ArgumentError: It is none.
    """
    items = value if isinstance(value, (list, tuple)) else [] if value is None else [value]
    if not all(_is_whole(item) and abs(item) <= _MOST for item in items):
        raise _refusal(owner, name, "an axis, or several", value)
    return value


def one_or_more(owner: str, name: str, value: Any) -> Any:
    """The value, if it is a number or one for each class.

    Raises:
        ArgumentError: It is none.
    """
    if isinstance(value, (list, tuple)) and value:
        for item in value:
            number(owner, name, item)
        return value
    return value if getattr(value, "ndim", 0) else number(owner, name, value)


def _count(owner: str, name: str, value: Any) -> int:
    return whole(owner, name, value, 0)


# What the arguments of Keras's own losses and metrics are, by their names.
_KINDS: Mapping[str, Callable[[str, str, Any], Any]] = {
    **dict.fromkeys(("label_smoothing", "gamma", "beta", "delta", "threshold", "q", "margin"), number),
    **{"alpha": one_or_more, "axis": axis, "k": _count},
}


def of_function(owner: str, fn: Any, arguments: Mapping[str, Any]) -> None:
    """Check the function of a loss or a metric, and what it is called with where it is one of the package.

    Args:
        owner: What they are given to.
        fn: Computes the loss or the metric.
        arguments: By their names; those of other names are left alone.

    Raises:
        ArgumentError: It is no function, or an argument is of another kind.
    """
    if not callable(fn):
        raise _refusal(owner, "fn", "a function", fn)
    if not str(getattr(fn, "__module__", "")).startswith(f"{__package__}."):
        return
    for name, value in arguments.items():
        if name in _KINDS:
            _KINDS[name](owner, name, value)


def _is_number(value: Any) -> bool:
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return real and (not isinstance(value, int) or abs(value) <= _MOST)


def _is_whole(value: Any) -> bool:
    return hasattr(value, "__index__") and not isinstance(value, bool)


def _refusal(owner: str, name: str, expected: str, value: Any) -> ArgumentError:
    return ArgumentError(f"{owner}: {name} is {quote(value)}, expected {expected}.")
