"""How functions, modules and values are written, and the text of the helpers that they need."""

from __future__ import annotations

import ast
import functools
import inspect
import json
import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from ..errors import UnsupportedError
from . import helpers
from .trimming import trimmed

_IMPORTED = (
    *("Any", "Callable", "F", "FOLDER", "Path", "Tensor"),
    *("load", "load_file", "math", "nn", "partial", "replay", "self", "torch"),
)


class Names:
    """The functions and classes that the text names: how each is written, and what must stand above for it."""

    def __init__(self) -> None:
        self.helpers: set[str] = set()
        self.classes: dict[nn.Module, str] = {}  # of the models inside

    def of(self, function: Any) -> str:
        """How a function or class is written."""
        if isinstance(function, functools.partial):
            options = [f"{key}={self.literal(value)}" for key, value in function.keywords.items()]
            return f"partial({', '.join([self.of(function.func), *options])})"
        name = function.__name__
        if getattr(helpers, name, None) is function:
            self.helpers.add(name)
            return name
        for place, prefix in ((F, "F"), (nn, "nn"), (torch, "torch"), (torch.linalg, "torch.linalg")):
            # F.logsigmoid says of itself that it is log_sigmoid, torch.linalg's have its name before theirs.
            for own in (name, name.replace("_", ""), name.removeprefix("linalg_")):
                if getattr(place, own, None) is function:
                    return f"{prefix}.{own}"
        raise UnsupportedError(
            f"{function!r} cannot be written as code that needs torch alone: it is neither torch's nor one of "
            "kerastorch.leaving.helpers. Put a layer in its place."
        )

    def literal(self, value: Any) -> str:
        """A plain value, or a function, as Python text."""
        if isinstance(value, (torch.dtype, torch.device)):
            return str(value) if isinstance(value, torch.dtype) else repr(value)
        if value is Ellipsis:
            return "..."
        if isinstance(value, (tuple, list)):
            items = [self.literal(item) for item in value]
            if isinstance(value, list):
                return f"[{', '.join(items)}]"
            return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
        if isinstance(value, nn.Module):
            return constructor(value, self)
        if callable(value):
            return self.of(value)
        if isinstance(value, float) and not math.isfinite(value):
            return "torch.nan" if math.isnan(value) else "torch.inf" if value > 0 else "-torch.inf"
        if isinstance(value, float) and abs(value) >= 1e6 and float(f"{value:.0e}") == value:
            return f"{value:.0e}".replace("e+0", "e").replace("e+", "e")
        return json.dumps(value) if isinstance(value, str) else repr(value)


def constructor(module: nn.Module, names: Names) -> str:
    """The call that makes a module like this one: positional arguments first, none that is the default."""
    kind = type(module)
    if isinstance(module, nn.ModuleList):
        return f"nn.ModuleList({constructor(module[0], names)} for _ in range({len(module)}))"
    if module in names.classes:
        return f"{names.classes[module]}()"
    if type(module) in (nn.LSTM, nn.GRU, nn.RNN):
        return _recurrent(module, names)
    own = kind.__module__.startswith("torch.")
    parts: list[str] = []
    for argument in inspect.signature(kind.__init__).parameters.values():
        name = argument.name
        if argument.kind is inspect.Parameter.VAR_KEYWORD and getattr(module, "nonlinearity", "tanh") != "tanh":
            parts.append(f"nonlinearity={names.literal(module.nonlinearity)}")  # the one option that nn.RNN has then
        if (
            name in ("self", "device", "dtype")
            or name.startswith("_")
            or argument.kind is inspect.Parameter.VAR_KEYWORD
        ):
            continue
        value = _setting(module, name)
        if argument.default is inspect.Parameter.empty or name == "p":
            # Of torch's own modules everybody knows the order; of a helper what two numbers of a layer are.
            keyword = "" if own or len(parts) < 2 else f"{name}="
            parts.append(keyword + names.literal(_short(value) if own else value))
        elif not _same(value, argument.default):
            parts.append(f"{name}={names.literal(_short(value) if own else value)}")
    return f"{names.of(kind)}({', '.join(parts)})"


def _setting(module: nn.Module, name: str) -> Any:
    if name == "bias" and not isinstance(getattr(module, "bias", None), (bool, int)):
        held = [key for key in (*module._parameters, *module._buffers) if key.startswith("bias")]
        return any(getattr(module, key) is not None for key in held)
    return getattr(module, name)


def _same(value: Any, default: Any) -> bool:
    return bool(_short(value) == _short(default))


def _short(value: Any) -> Any:
    """A size that is the same along all axes as one number."""
    return value[0] if isinstance(value, tuple) and value and len(set(value)) == 1 else value


def _recurrent(module: Any, names: Names) -> str:
    parts = [str(module.input_size), str(module.hidden_size)]
    for name, default in (("num_layers", 1), ("nonlinearity", "tanh"), ("bias", True), ("batch_first", False),
                          ("dropout", 0.0), ("bidirectional", False)):  # fmt: skip
        value = getattr(module, name, default)
        if value != default:
            parts.append(f"{name}={names.literal(value)}")
    return f"{names.of(type(module))}({', '.join(parts)})"


def helper_sources(names: set[str], used_by: str) -> list[str]:
    """The text of helpers, and of those that they use, in the order of their module.

    Args:
        names: Of helpers.
        used_by: The text that calls them; an option that it does not use is left out.
    """
    wanted: set[str] = set()
    left = sorted(names)
    while left:
        name = left.pop()
        if name not in wanted:
            wanted.add(name)
            left += _helpers()[name][1]
    return [trimmed(name, text, used_by) for name, (text, _) in _helpers().items() if name in wanted]


def reserved() -> set[str]:
    """The names that generated code uses, which no class, argument or variable of a model may take."""
    return {*_IMPORTED, *_helpers()}


@functools.cache
def _helpers() -> dict[str, tuple[str, list[str]]]:
    """Each helper's text, and the helpers that it names, in the order of their module."""
    texts = [inspect.getsource(module) for module in helpers.MODULES]
    kinds = (ast.FunctionDef, ast.ClassDef)
    parts = [(text, node) for text in texts for node in ast.parse(text).body if isinstance(node, kinds)]
    known = {part.name for _, part in parts}
    return {
        part.name: (
            "\n".join(text.splitlines()[part.lineno - 1 : part.end_lineno]),
            sorted({node.id for node in ast.walk(part) if isinstance(node, ast.Name)} & known - {part.name}),
        )
        for text, part in parts
    }
