"""What people can call has a docstring, and what a layer takes and gives is said in shapes."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest

from kerastorch import layers

NAMESPACES = (
    *("activations", "backend", "callbacks", "constraints", "convert", "dtypes", "errors", "initializers", "interop"),
    *("layers", "losses", "metrics", "models", "ops", "optimizers", "preprocessing", "random", "recipes"),
    *("regularizers", "saving", "structure", "training", "utils"),
)


def functions_of(cls: type) -> Iterator[tuple[str, Any]]:
    """Public functions, methods and properties that a class itself defines."""
    for name, value in vars(cls).items():
        found = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if not name.startswith("_") and inspect.isfunction(found) and found.__name__ == name:
            yield name, found


def documented(cls: type, name: str) -> bool:
    """Whether a method has a docstring, its own or that of the method that it overrides."""
    return any(getattr(vars(base).get(name), "__doc__", None) for base in cls.__mro__)


def undocumented(module: Any) -> list[str]:
    found: list[str] = []
    public = [name for name in dir(module) if not name.startswith("_")]
    for name, value in ((name, getattr(module, name)) for name in public):
        if not (getattr(value, "__module__", None) or "").startswith("kerastorch"):
            continue
        if (inspect.isfunction(value) or inspect.isclass(value)) and not vars(value).get("__doc__", value.__doc__):
            found.append(name)
        if inspect.isclass(value):
            found += [f"{name}.{method}" for method, _ in functions_of(value) if not documented(value, method)]
    return found


@pytest.mark.parametrize("namespace", ["", *NAMESPACES])
def test_public_names_have_a_docstring(namespace: str) -> None:
    assert undocumented(importlib.import_module(f"kerastorch.{namespace}".rstrip("."))) == []


def test_a_name_without_one_is_seen() -> None:
    class Bare:
        def method(self) -> None: ...

    Bare.__module__ = "kerastorch.somewhere"
    assert undocumented(type("Module", (), {"Bare": Bare})) == ["Bare", "Bare.method"]


def grouped(module: Any) -> list[str]:
    """Lines that describe several parameters at once, which the reference takes for one of that name."""
    found: list[str] = []
    for name in (name for name in dir(module) if not name.startswith("_")):
        value = getattr(module, name)
        methods = [method for _, method in functions_of(value)] if inspect.isclass(value) else []
        for text in (inspect.getdoc(one) or "" for one in (value, *methods)):
            arguments = text.partition("\nArgs:\n")[2].partition("\n\n")[0]
            found += [f"{name}: {line}" for line in re.findall(r"^    (\w+(?:, \w+)+):", arguments, re.MULTILINE)]
    return found


@pytest.mark.parametrize("namespace", ["", *NAMESPACES])
def test_each_parameter_has_a_line_of_its_own(namespace: str) -> None:
    assert grouped(importlib.import_module(f"kerastorch.{namespace}".rstrip("."))) == []


def test_a_line_for_several_is_seen() -> None:
    def both(a: int, b: int) -> None:
        """Do it.

        Args:
            a, b: Numbers.
        """

    assert grouped(type("Module", (), {"both": both})) == ["both: a, b"]


# Their `forward` is for subclasses to define.
ABSTRACT = {"AbstractRNNCell", "Layer", "Wrapper"}
PUBLIC = {name: getattr(layers, name) for name in dir(layers)}
CLASSES = sorted(name for name, cls in PUBLIC.items() if inspect.isclass(cls) and issubclass(cls, layers.Layer))


@pytest.mark.parametrize("name", [name for name in CLASSES if name not in ABSTRACT])
def test_forward_says_shapes(name: str) -> None:
    cls = PUBLIC[name]
    # What takes texts has no `forward`, which is torch's.
    doc = inspect.getdoc(cls.__call__ if cls.forward is layers.Layer.forward else cls.forward) or ""
    assert "`(B" in doc or "any shape" in doc, doc
