"""One parameter in several places of a module: which layer of Keras holds it, and how the others have it from there.

In Keras a weight stands in one layer. A layer that is called twice is shared, and what is no call of that layer can
have the weight as a tensor: an Embedding of all its rows, a Dense of ones.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import nn

from .. import layers
from ..base.graph import SymbolicTensor
from ..errors import UnsupportedError
from ..layers.core.operation import apply
from ._filling import filled
from ._value import Value

if TYPE_CHECKING:
    from ._protocol import Tracer

Kind = Literal["embedding", "kernel", "bias", "alone", "module"]
_PLAIN = (int, float, str, tuple, type(None), FunctionType)
_INERT = {"training", "batch_first"}


@dataclass(frozen=True)
class Use:
    """One use of a parameter; two that are equal need one layer.

    Attributes:
        kind: As a table of words, as a Dense's kernel or bias, as a tensor, or as a weight of another layer.
        detail: What else decides: how the kernel stands, and its bias; the path of the module, and the name there.
    """

    kind: Kind
    detail: Hashable = None


class Uses:
    """The uses of the parameters of a module, of one trace.

    Args:
        names: Of the parameters, by their ids.
        before: What an earlier trace has found; None: nothing is known yet, and nothing is shared.
    """

    def __init__(self, names: Mapping[int, str], before: Uses | None) -> None:
        self.names = names
        self.before = before
        self._found: dict[int, dict[Use, str]] = {}

    def add(self, parameter: Any, use: Use, where: str) -> None:
        """Write down a use; a parameter that is not trained may stand in several layers."""
        if parameter.requires_grad:
            self._found.setdefault(id(parameter), {}).setdefault(use, where)

    def _known(self, parameter: Any) -> Mapping[Use, str]:
        return self.before._found.get(id(parameter), {}) if self.before is not None else {}

    def tied(self, parameter: Any) -> bool:
        """Whether it has uses that need more than one layer."""
        return len(self._known(parameter)) > 1

    def holder(self, parameter: Any) -> Literal["embedding", "kernel", "alone"]:
        """What a parameter with several uses is a weight of.

        Raises:
            UnsupportedError: No other layer can have it from there.
        """
        uses = self._known(parameter)
        if any(use.kind == "module" for use in uses):
            raise UnsupportedError(
                f"{self.names[id(parameter)]} is used {' and '.join(dict.fromkeys(uses.values()))} (tied weights), and "
                "in Keras a weight stands in one layer: share the whole module (self.b = self.a) where its settings "
                "are the same, or give each use a copy, nn.Parameter(p.detach().clone()); outputs stay the same, but "
                "training parts the copies"
            )
        if any(use.kind == "embedding" for use in uses):
            return "embedding"
        turns = {use.detail[0] if use.kind == "kernel" and isinstance(use.detail, tuple) else None for use in uses}
        return "kernel" if len(turns) == 1 and None not in turns else "alone"


def uses_of(tracer: Tracer, module: nn.Module, home: str) -> Iterator[tuple[str, Any, Use]]:
    """The parameters of a module that becomes a layer, each with its name there and the use that this is."""
    kinds: dict[int, Use] = {}
    if type(module) is nn.Embedding:
        kinds = {id(module.weight): Use("embedding")}
    if type(module) is nn.Linear:
        weight, bias = (tracer.name_of(parameter) for parameter in (module.weight, module.bias))
        kinds = {id(module.weight): Use("kernel", (False, bias)), id(module.bias): Use("bias", weight)}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        usual = Use("alone" if type(module) is nn.LayerNorm else "module", (home, name))
        yield name, parameter, kinds.get(id(parameter), usual)


def homes(modules: Iterable[tuple[str, nn.Module]]) -> dict[int, str]:
    """For each module the path of the first that has the same parameters and settings: one layer is both."""
    first: dict[Any, str] = {}
    found = {}
    for path, module in modules:
        parameters = _identities(module.named_parameters(remove_duplicate=False))
        if isinstance(module, layers.Layer):  # it stands in the model itself
            parameters = ()
        key = (type(module), parameters, _identities(module.named_buffers(remove_duplicate=False)), _settings(module))
        found[id(module)] = first.setdefault(key, path) if parameters else path
    return found


def _identities(named: Iterable[tuple[str, Any]]) -> tuple[tuple[str, int], ...]:
    return tuple((name, id(tensor)) for name, tensor in named)


def _settings(module: nn.Module) -> tuple[Any, ...]:
    return tuple(
        (path, key, repr(value))
        for path, part in module.named_modules()
        for key, value in sorted(vars(part).items())
        if key not in _INERT | ({"padding_idx"} if type(part) is nn.Embedding else set()) and isinstance(value, _PLAIN)
    )


# ---------------------------------------------------------------- the layers


def embedding_of(tracer: Tracer, parameter: Any, name: str) -> layers.Embedding:
    """The Embedding of a parameter, which its uses as nn.Embedding and as a function have in common."""
    path = name.removesuffix(".weight")
    tracer.uses.add(parameter, Use("embedding"), "as a table of words")
    key = _key(tracer, path, layers.Embedding)
    if key not in tracer.made:
        layer = tracer.call_it(layers.Embedding(parameter.shape[0], parameter.shape[1]), path)
        tracer.made[key] = filled(layer, (None, None), {"weight": parameter})
    return tracer.made[key]


def _key(tracer: Tracer, path: str, kind: type[layers.Layer], turned: bool = False) -> tuple[Any, ...]:
    """Of the layer of a parameter: as of the module that has it. A first trace makes several of one parameter."""
    apart = turned or not isinstance(tracer.made.get((path, ())), (kind, type(None)))
    return (path, kind.__name__, turned) if apart else (path, ())


def kernel_of(
    tracer: Tracer, parameter: Any, name: str, turned: bool, bias: tuple[Any, str] | None
) -> layers.Dense | None:
    """The Dense of a parameter, without a bias that is not its own alone; None where another layer has the weight.

    Args:
        tracer: Keeps it.
        parameter: `(units, features)`, or `(features, units)` or `(features,)` where it is turned.
        name: Of the parameter.
        turned: Whether `x @ parameter` is computed.
        bias: The bias and its name.
    """
    uses = tracer.uses
    uses.add(parameter, Use("kernel", (turned, bias and bias[1])), "in a product")
    if bias is not None:
        uses.add(bias[0], Use("bias", name), "as a bias")
    if uses.tied(parameter):
        if uses.holder(parameter) != "kernel":
            return None
        bias = None  # each use has its own
    if bias is not None and uses.tied(bias[0]):
        bias = None
    path = name.removesuffix(".weight")
    key = _key(tracer, path, layers.Dense, turned)
    if key not in tracer.made:
        weight = parameter.detach().reshape(parameter.shape[0], -1).T if turned else parameter.detach()
        tensors = {"weight": weight.requires_grad_(), "bias": None if bias is None else bias[0]}
        layer = tracer.call_it(layers.Dense(weight.shape[0], use_bias=bias is not None), path)
        tracer.made[key] = filled(layer, (None, weight.shape[1]), tensors)
    return tracer.made[key]


def alone(tracer: Tracer, parameter: Any, name: str) -> Value:
    """A trained parameter as a tensor, the same in every row: the kernel of a Dense on ones, or a table of words."""
    shape = tuple(parameter.shape)

    def embedded() -> bool:
        tracer.uses.add(parameter, Use("alone"), "by itself")
        return tracer.uses.tied(parameter) and tracer.uses.holder(parameter) == "embedding"

    def dense(ones: SymbolicTensor) -> SymbolicTensor:
        if (name, "alone") not in tracer.made:
            layer = tracer.call_it(layers.Dense(max(parameter.numel(), 1), use_bias=False), name)
            weight = parameter.detach().reshape(-1, 1).requires_grad_()
            tracer.made[name, "alone"] = filled(layer, (None, 1), {"weight": weight})
        return tracer.made[name, "alone"](ones)

    def once() -> SymbolicTensor:
        if (name, "once") not in tracer.made:
            if embedded():
                words = apply("ZerosLike", tracer.ones(torch.int64)[0])
                made = embedding_of(tracer, parameter, name)(apply("Add", words, np.arange(shape[0])))
            else:
                made = apply("Reshape", dense(tracer.ones(parameter.dtype)[(slice(1),)]), list(shape))
            tracer.made[name, "once"] = made
        return tracer.made[name, "once"]

    def in_rows() -> SymbolicTensor:
        if (name, "rows") not in tracer.made:
            if embedded():
                zeros = layers.Reshape((1,) * len(shape))(apply("ZerosLike", tracer.ones(parameter.dtype)))
                made = apply("Add", zeros, once())
            else:
                made = layers.Reshape(shape)(dense(tracer.ones(parameter.dtype)))
            tracer.made[name, "rows"] = made
        return tracer.made[name, "rows"]

    value = Value((None, *range(parameter.ndim)), in_rows, parameter=(parameter, name), once=once)
    value.sizes = shape
    return value
