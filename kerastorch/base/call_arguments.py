"""The arguments of a call: which of them are the tensors that a layer is built for, and which take masks."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ArgumentError, quote
from ..structure import leaves
from . import ragged
from .protocol import AnyLayer
from .weighted import repr_of

_SHAPE = "_shape"
_INPUTS = ("inputs", "sequences")  # the first argument of Keras's own layers, and of those over time


@dataclass(frozen=True)
class CallArguments:
    """What the signatures of `call` (or `forward`) and `build` say.

    Args:
        names: Of the arguments of a call.
        others: Whether a call takes arguments of any other name, too.
        first: The names under which the first argument may be given.
        tensors: Those that `build` takes the shapes of, one by one: `build(self, query_shape, value_shape)`. Empty:
            the layer is built for its first argument alone.
        required: How many of them there must be.
        masked: Those whose masks are arguments too: `call(self, query, value, query_mask=None, value_mask=None)`.
        shapes: Those that `compute_output_shape` takes the shapes of, one by one, whatever `build` takes. Empty: it
            takes what the layer is built for.
        by_position: How many of the names may be given by position.
    """

    names: tuple[str, ...]
    tensors: tuple[str, ...] = ()
    required: int = 0
    masked: tuple[str, ...] = ()
    others: bool = False
    first: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()
    by_position: int = sys.maxsize

    def first_by_name(self, kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """Take the first argument of a call out of those by name: `(it,)`, or `()` if it is not there."""
        found = next((name for name in self.first if name in kwargs), None)
        return () if found is None else (kwargs.pop(found),)

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a call by name."""
        return {**dict(zip(self.names[: self.by_position], args, strict=False)), **kwargs}


def read(call: Any, build: Any, output_shape: Any) -> CallArguments:
    """Read the signatures of a class's methods."""
    parameters, others = _parameters(call)
    names = tuple(parameter.name for parameter in parameters)
    masked = tuple(name for name in names if f"{name}_mask" in names)
    first = _names_of_first(call, names)
    count = sum(parameter.kind is not inspect.Parameter.KEYWORD_ONLY for parameter in parameters)
    shapes = _shape_parameters(build)
    tensors = tuple(parameter.name.removesuffix(_SHAPE) for parameter in shapes)
    required = sum(parameter.default is inspect.Parameter.empty for parameter in shapes)
    told = tuple(parameter.name.removesuffix(_SHAPE) for parameter in _shape_parameters(output_shape))
    return CallArguments(names, tensors, required, masked, others, first, told, count)


def join_names(cls: Any, dispatch: Any) -> None:
    """Let `call` and `forward` of a new class be one method, whichever of the two names it is written under.

    A built-in layer is written as `forward`, and `super().call(x)` must find it. A class on top of one that defines
    `call` must be run by it, and not by the `forward` that it inherits.

    Args:
        cls: A layer class that is being made.
        dispatch: The `forward` that runs `call`.
    """
    held = cls.__dict__
    if cls._runs_call or cls.forward is dispatch or ("call" in held and "forward" in held):
        return
    if "call" in held:
        cls.forward = dispatch
    elif "forward" in held and (is_ours(cls.forward) or hasattr(cls, "call")):
        cls.call = _as_call(cls.forward)


def _as_call(forward: Any) -> Any:
    """A `forward` as Keras code calls a `call`: the input may be named, and `training` is accepted everywhere."""
    parameters, others = _parameters(forward)
    names = tuple(parameter.name for parameter in parameters)
    first = _names_of_first(forward, names)
    takes_training = others or "training" in names

    @functools.wraps(forward)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        named = next((name for name in first if name in kwargs), None) if not args else None
        if named is not None:
            args = (kwargs.pop(named),)
        if not takes_training:
            kwargs.pop("training", None)
        return forward(self, *args, **kwargs)

    return call


def _shape_parameters(method: Any) -> list[inspect.Parameter]:
    """The parameters of a method that takes several shapes one by one; none if it takes one value."""
    found, _ = _parameters(method)
    one_by_one = len(found) > 1 and all(parameter.name.endswith(_SHAPE) for parameter in found)
    return found if one_by_one else []


def is_ours(method: Any) -> bool:
    """Whether a method is defined in this package, and not by somebody else."""
    home = getattr(inspect.unwrap(method), "__module__", None) or ""  # None in code that is run from a text
    return home.partition(".")[0] == __name__.partition(".")[0]


def _names_of_first(call: Any, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the first argument: in our own layers, whose inputs are `x` or `*inputs`, Keras's as well."""
    ours = is_ours(call)
    parameters = [*inspect.signature(inspect.unwrap(call)).parameters.values()][1:]
    named = bool(parameters) and parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL
    own = names[:1] if named else ()
    return (*_INPUTS, *own) if ours and (not own or own[0] in ("x", *_INPUTS)) else own


def _parameters(method: Any) -> tuple[list[inspect.Parameter], bool]:
    """The named parameters of a method, without `self`, and whether it takes any other by name."""
    parameters = inspect.signature(inspect.unwrap(method)).parameters.values()
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    others = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)
    return [parameter for parameter in parameters if parameter.kind not in kinds][1:], others


def inputs_of(layer: AnyLayer, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What a layer is built for, out of a call's tensors, their shapes or anything in their place.

    Returns:
        The first argument; a list where the layer takes its tensors one by one.

    Raises:
        ArgumentError: A tensor is missing.
    """
    arguments = layer._call_arguments
    if not arguments.tensors:
        return args[0]
    given = arguments.bind(args, kwargs)
    return _without_gaps(layer, [given.get(name) for name in arguments.tensors])


def inputs_to_build_on(layer: AnyLayer, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What the first call of a layer builds it for: `inputs_of`, where that is something to build on.

    Raises:
        ArgumentError: There is no input, it is None, or a nested tensor.
    """
    if not args:
        raise ArgumentError(f"{repr_of(layer)} was called without an input; pass it as the first argument.")
    inputs = inputs_of(layer, args, kwargs)
    if inputs is None:
        raise ArgumentError(f"{repr_of(layer)} was called on None, expected a tensor.")
    for leaf in leaves(inputs):
        ragged.refuse_nested(layer, leaf)
    return inputs


def told_shapes(layer: AnyLayer, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a `compute_output_shape` that takes shapes one by one, out of a call's shapes.

    Raises:
        ArgumentError: One of them is no argument of a call.
    """
    arguments = layer._call_arguments
    given = arguments.bind(args, kwargs)
    unknown = [name for name in arguments.shapes if name not in arguments.names]
    if unknown and not arguments.others:
        raise ArgumentError(
            f"{repr_of(layer)}: compute_output_shape takes {unknown[0]}{_SHAPE}, but a call has no argument "
            f"{quote(unknown[0])}; it takes {', '.join(arguments.names)}."
        )
    return {f"{name}{_SHAPE}": given[name] for name in arguments.shapes if given.get(name) is not None}


def joined_shapes(layer: AnyLayer, shapes: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """The arguments of `build` as one value: a shape, or a list of them where the tensors come one by one."""
    tensors = layer._call_arguments.tensors
    if not tensors:
        given = [*shapes, *named.values()]
        if layer._any_shape is not None and (not given or given == [None]):
            return layer._any_shape
        if len(given) != 1:
            raise ArgumentError(f"{repr_of(layer)}: build takes the shape of its input, got {len(given)} arguments.")
        return given[0]
    if len(shapes) == 1 and not named and isinstance(shapes[0], (list, tuple)):
        first = next(iter(shapes[0]), None)
        shapes = shapes[0] if isinstance(first, (list, tuple)) else shapes
    found = {**{f"{name}{_SHAPE}": shape for name, shape in zip(tensors, shapes, strict=False)}, **named}
    if len(shapes) > len(tensors) or len(found) > len(tensors):
        raise ArgumentError(
            f"{repr_of(layer)}: build takes {', '.join(f'{name}{_SHAPE}' for name in tensors)}, "
            f"got {len(shapes)} shapes" + (f" and {', '.join(named)}." if named else ".")
        )
    return _without_gaps(layer, [found.get(f"{name}{_SHAPE}") for name in tensors])


def _without_gaps(layer: AnyLayer, values: list[Any]) -> list[Any]:
    arguments = layer._call_arguments
    while len(values) > arguments.required and values[-1] is None:
        values.pop()
    missing = [name for name, value in zip(arguments.tensors, values, strict=False) if value is None]
    if missing:
        raise ArgumentError(
            f"{repr_of(layer)} takes {', '.join(arguments.tensors)} one by one; {', '.join(missing)} is missing."
        )
    return values
