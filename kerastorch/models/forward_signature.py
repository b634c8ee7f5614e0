"""The signature that a model's `forward` shows to torch."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar

_INPUTS = 32  # more are taken, and shown as `*others`
_Forward = TypeVar("_Forward", bound=Callable[..., Any])


def naming_inputs(forward: _Forward) -> _Forward:
    """Let `forward(self, *inputs, ...)` show a name for each input; `inspect.unwrap` gives what is written.

    `torch.export` goes by what is shown: it takes `*inputs` for one argument, a tuple, and so it would want
    `dynamic_shapes` nested once more than anybody writes them.
    """
    function: Any = forward
    own, variable, *rest = inspect.signature(function).parameters.values()
    first = inspect.Parameter(variable.name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    others = [first.replace(name=f"{variable.name}_{number}", default=None) for number in range(1, _INPUTS)]
    written = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    written.__kwdefaults__, written.__annotations__ = function.__kwdefaults__, function.__annotations__
    function.__wrapped__ = written
    function.__signature__ = inspect.Signature([own, first, *others, variable.replace(name="others"), *rest])
    return forward
