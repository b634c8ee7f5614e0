"""Runs a module once, on the example, and hears of every function and every module that works on its tensors."""

from __future__ import annotations

import builtins
import functools
import inspect
import linecache
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.overrides import TorchFunctionMode

from ..base.graph import SymbolicTensor, symbolic_leaves
from ..base.naming import snake_case
from ..errors import ArgumentError, ShapeError, UnsupportedError
from ..layers import Embedding, Layer
from ..layers.core.operation import Operation, apply
from ..models.input import InputLayer
from . import _packed as packed
from ._example import leaves
from ._filling import filled
from ._joined import through
from ._metadata import METADATA, SIZED, known
from ._protocol import Tracer
from ._reads import READS, Reads
from ._size import plain, read_as_numbers, unknown
from ._spelling import spelled
from ._tied import Uses, alone, homes, uses_of
from ._value import OPEN, ORDER, POISON, ROWS, Joined, OneRow, OpenAxes, Value

_TORCH = os.path.dirname(torch.__file__) + os.sep
_OWN = os.path.dirname(os.path.dirname(__file__)) + os.sep
_NUMPY = os.path.dirname(np.__file__) + os.sep
_READ = (
    "the numbers of a tensor decide what happens next, and a graph of layers is the same for all numbers; use "
    "torch.where, or leave that part out of the module"
)
_READERS = {"__bool__", "__int__", "__float__", "__index__", "__complex__", "__array__", "__contains__"}
_READERS |= {"item", "tolist", "numpy", "nonzero", "unique", "masked_select"}
_RANDOM = {"rand", "randn", "randint", "rand_like", "randn_like", "randint_like"}
_RANDOM |= {"bernoulli", "multinomial", "normal", "normal_", "uniform_"}
_L = TypeVar("_L", bound=Layer)


class ModuleTracer(Tracer, TorchFunctionMode):
    """Makes symbolic tensors of a Keras model for the tensors of a module.

    Args:
        root: The module.
        functions: The functions of torch by name, each with what translates it.
        leaves: The classes of modules that are translated as a whole, each with what does it.
        sum_biases: Whether two biases may become one.
        before: An earlier trace, which has found whose final states are used, and the uses of each parameter.
    """

    def __init__(
        self,
        root: nn.Module,
        functions: Mapping[str, Callable[..., Any]],
        leaves: Callable[[nn.Module], Callable[..., Any] | None],
        sum_biases: bool,
        before: ModuleTracer | None = None,
    ) -> None:
        super().__init__()
        self.functions = functions
        self.sum_biases = sum_biases
        self.refused: list[str] = []
        self.notes: list[str] = []
        self.states_used = None if before is None else before.states_seen
        self.states_seen: set[str] = set()
        self.paths = {id(module): path for path, module in root.named_modules()}
        self.made: dict[Any, Any] = {}  # layers by module and by parameter
        self._values: dict[int, Any] = {}
        self._kept: list[Any] = []  # so that no id is given twice
        self._parameters = {id(p): (p, name) for name, p in root.named_parameters() if p.requires_grad}
        names = {key: name for key, (_, name) in self._parameters.items()}
        self.uses = Uses(names, None if before is None else before.uses)
        self.before = before
        self.forms: dict[str, set[tuple[int, int]]] = {}  # the axes and ranks that normalizations have
        self._modules = {
            id(module): (module, handler) for module in root.modules() if (handler := leaves(module)) is not None
        }
        self.homes = homes((self.paths[key], module) for key, (module, _) in self._modules.items())
        self._buffers = {buffer.data_ptr(): name for name, buffer in root.named_buffers()}
        self._inside = False
        self.names: set[str] = set()
        self.reads = Reads(user_line)
        self.axes = OpenAxes()
        self.packs = False  # whether it packs sequences
        self.orders = False  # whether it puts the rows into an order
        self._called: set[int] = set()

    # ------------------------------------------------------------------ running

    def run(self, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Call the module; `record` its inputs before."""
        reads, axes = READS.set(self.reads), OPEN.set(self.axes)
        try:
            with self._calls(), torch.no_grad(), self:
                return module(*args, **kwargs)
        finally:
            READS.reset(reads)
            OPEN.reset(axes)

    @contextmanager
    def _calls(self) -> Iterator[None]:
        """While it lasts, calls of the module's leaves come to this object, and `len` of a tensor is a size."""
        original, tracer, length = nn.Module.__call__, self, builtins.len

        def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            found = tracer._modules.get(id(module))
            if found is None or tracer._inside:
                return original(module, *args, **kwargs)
            return tracer._leaf(module, found[1], args, kwargs, original)

        def its_length(item: Any) -> Any:
            # Python makes a plain number of what __len__ returns, so that a size would be read.
            if tracer._inside or not isinstance(item, Tensor) or not item.ndim:
                return length(item)
            value = tracer.value(item)
            return value.size(0) if isinstance(value, (Value, Joined)) and value is not POISON else length(item)

        nn.Module.__call__, builtins.len = call, its_length
        try:
            yield
        finally:
            nn.Module.__call__, builtins.len = original, length

    def record(self, tensor: Tensor, value: Any) -> None:
        """From here on the tensor is this value."""
        if value is not POISON and isinstance(value, Value) and value is not ORDER:
            value = value.of_dtype(tensor.dtype)
            value.sizes, value.numbers = plain(tuple(tensor.shape)), tensor
        if isinstance(value, (Joined, packed.Packed)):
            value.value.sizes = (*plain(value.front), *plain(tuple(tensor.shape[1:])))
        self._values[id(tensor)] = value
        self._kept.append(tensor)

    def value(self, tensor: Tensor) -> Any:
        """What a tensor is; None for a constant."""
        known_value = self._values.get(id(tensor))
        if known_value is None and id(tensor) in self._parameters:
            known_value = self._parameter(tensor)
        return known_value

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self._inside or not self._concerns((args, kwargs)):
            return func(*args, **kwargs)
        name = func.__self__.__name__ if func.__name__ == "__get__" else func.__name__
        if (packing := packed.caller(sys._getframe(1))) is not None:
            return self._in_packing(packing, name, func, args, kwargs)
        if name in METADATA:
            value = self.value(args[0]) if isinstance(args[0], Tensor) else None
            if isinstance(value, packed.Packed):
                return func(*args, **kwargs)
            return func(*args, **kwargs) if value is None or value is POISON else known(name, func, value, args, kwargs)
        handler, shown = self._handler(name)
        if name == "__set__":
            shown = f"assignment to an attribute of a tensor (.{func.__self__.__name__} = y): a layer changes no tensor"
        in_place = name == "__setitem__" or (name.endswith("_") and not name.endswith("__"))
        made = self._translated(handler, shown, args, kwargs, sized=name.rstrip("_") in SIZED or name in SIZED)
        result = self._natively(func, args, kwargs)
        self._record_results(result, made)
        if in_place or kwargs.get("inplace"):
            self._record_results(args[0], made)
        return result

    def _in_packing(self, where: str, name: str, func: Any, args: Any, kwargs: Any) -> Any:
        """A function that torch's own code for packed sequences calls."""
        result = self._natively(func, args, kwargs)
        if name in METADATA:
            return result

        def follow(*args: Any, **kwargs: Any) -> Any:
            return packed.follow(where, name, args, kwargs, result)

        made = self._translated(follow, "", args, kwargs, sized=True, packs=True)
        if made is None:  # what it does elsewhere
            handler, shown = self._handler(name)
            made = self._translated(handler, shown, args, kwargs)
        self.packs = True
        self._record_results(result, made)
        return result

    def _handler(self, name: str) -> tuple[Callable[..., Any] | None, str]:
        if name in _READERS:
            return None, f"{name.strip('_')}: {_READ}"
        if name in _RANDOM:
            return None, f"{name}: it draws random numbers; use nn.Dropout, or make the noise an input"
        found = self.functions.get(name) or self.functions.get(name.rstrip("_"))
        handler = None if found is None else functools.partial(found, self)
        return handler, f"{name}: it is not among the functions that have one in Keras; docs/from_torch.md lists those"

    def _leaf(self, module: nn.Module, handler: Callable[..., Any], args: Any, kwargs: Any, original: Any) -> Any:
        packs = isinstance(module, nn.RNNBase)
        call = functools.partial(handler, self, module)
        made = self._translated(call, "", args, kwargs, self._where(module), packs=packs)
        result = self._natively(functools.partial(original, module), args, kwargs)
        self._record_results(result, made)
        return result

    def _where(self, module: nn.Module) -> str:
        return f"{self.paths[id(module)] or 'module'} ({type(module).__name__}): "

    def _natively(self, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        self._inside = True
        try:
            return func(*plain(args), **plain(kwargs))
        finally:
            self._inside = False

    def _translated(
        self,
        handler: Callable[..., Any] | None,
        unknown: str,
        args: Any,
        kwargs: Any,
        where: str = "",
        sized: bool = False,
        packs: bool = False,
    ) -> Any:
        """What stands for the result in the model; `POISON` if it is refused, or an argument was."""
        was_inside, self._inside = self._inside, True  # what layers do by themselves is no part of the module
        try:
            mine, own = self._mapped(args), self._mapped(kwargs)
            if any(leaf is POISON for leaf in leaves((mine, own))):
                return POISON
            if any(isinstance(leaf, OneRow) for leaf in leaves((mine, own))):
                raise UnsupportedError(ROWS)
            if handler is None:
                raise UnsupportedError(unknown)
            if not sized:
                mine, own = read_as_numbers(mine), read_as_numbers(own)
            name = unknown.partition(":")[0]
            try:
                signature = inspect.signature(handler)
                mine, own = (mine, own) if where else spelled(signature, mine, own)
                own = {key: item for key, item in own.items() if item is not None or key in signature.parameters}
                signature.bind(*mine, **own)
                first = next(iter(signature.parameters.values()), None)
                constant = mine and not isinstance(mine[0], (Value, Joined, packed.Packed))
                if constant and first is not None and first.annotation == "Value":
                    raise UnsupportedError(f"{name or 'its call'} of a constant, with tensors that depend on the input")
            except TypeError as error:
                raise UnsupportedError(f"{name or 'it'}: {error}: what Keras has takes other arguments") from error
            name = name or where.rpartition("(")[2].rstrip("): ")
            if not packs and any(isinstance(leaf, packed.Packed) for leaf in leaves((mine, own))):
                return packed.through(handler, name, mine, own)
            if any(isinstance(leaf, Joined) for leaf in leaves((mine, own))):
                return through(handler, name, mine, own)
            return handler(*mine, **own)
        except (UnsupportedError, ShapeError, ArgumentError) as error:
            line = f"{where}{error}{user_line()}"
            if line not in self.refused:
                self.refused.append(line)
            return POISON
        finally:
            self._inside = was_inside

    def _mapped(self, value: Any) -> Any:
        """Arguments with values in the place of tensors."""
        if isinstance(value, PackedSequence):
            return self._values.get(id(value.data), value)
        if isinstance(value, (list, tuple)):
            items = [self._mapped(item) for item in value]
            return items if isinstance(value, list) else tuple(items)
        if isinstance(value, dict):
            return {key: self._mapped(item) for key, item in value.items()}
        if isinstance(value, Tensor):
            found = self.value(value)
            return value if found is None else found
        return value

    def _concerns(self, arguments: Any) -> bool:
        for leaf in leaves(arguments):
            if isinstance(leaf, Tensor) and (id(leaf) in self._values or id(leaf) in self._parameters):
                return True
            if unknown(leaf):
                return True
        return False

    def _record_results(self, result: Any, made: Any) -> None:
        if isinstance(result, PackedSequence):
            self._record_results(result.data, made)
        elif isinstance(result, Tensor):
            if not isinstance(made, Tensor):
                self.record(result, made)
        elif isinstance(result, (list, tuple)):
            parts = [POISON] * len(result) if made is POISON else list(made)
            for item, part in zip(result, parts, strict=True):
                self._record_results(item, part)

    # ------------------------------------------------------------------ parameters

    def take(self, module: nn.Module) -> str:
        """The path of the layer that a module is, as one that holds its parameters; an error if others have one."""
        path = self.homes[id(module)]
        for name, parameter, use in uses_of(self, module, path):
            self.uses.add(parameter, use, f"as {name} of {self._where(module)}".removesuffix(": "))
            if self.uses.tied(parameter):
                self.uses.holder(parameter)
        return path

    def name_of(self, parameter: Any) -> str | None:
        """The name of a parameter that is trained."""
        return self.uses.names.get(id(parameter))

    def _parameter(self, tensor: Any) -> Value:
        """A trained parameter that stands by itself."""
        parameter, name = self._parameters[id(tensor)]
        self._values[id(tensor)] = alone(self, parameter, name)
        return self._values[id(tensor)]

    def ones(self, dtype: torch.dtype) -> SymbolicTensor:
        """Ones `(B, 1)`, for numbers that are the same in every row."""
        if ("ones", dtype) not in self.made:
            first: SymbolicTensor = self.made["input"]
            column = first[(slice(None), *[0] * (first.ndim - 1))] if first.ndim > 1 else first
            self.made["ones", dtype] = apply(
                "OnesLike", apply("ExpandDims", column, -1), dtype=str(dtype).removeprefix("torch.")
            )
        return self.made["ones", dtype]

    def frozen_table(self, constant: Tensor, axis: int, rows: Tensor) -> Embedding:
        """The rows of a constant as an Embedding that is not trained."""
        key = ("table", constant.data_ptr(), tuple(constant.shape), constant.stride(), axis)
        if key not in self.made:
            layer = Embedding(rows.shape[0], rows.shape[1])
            self.call_it(layer, self._buffers.get(constant.data_ptr(), "table"))
            self._kept.append(constant)
            self.made[key] = filled(layer, (None, None), {"weight": rows.clone()})
            self.made[key].trainable = False
        return self.made[key]

    # ------------------------------------------------------------------ names

    def named(self, layer: _L, module: nn.Module, ending: str = "") -> _L:
        """The layer with the module's name."""
        path = self.paths[id(module)].strip("_")
        kind = snake_case(type(module).__name__)
        return self.call_it(layer, (f"{kind}_{path}" if path[:1].isdigit() else path or kind) + ending)

    def call_it(self, layer: _L, name: str) -> _L:
        """The layer with this name, or one made of it."""
        name = name.replace(".", "_").strip("_")
        while name in self.names:
            name += "_layer"
        self.names.add(name)
        self._called.add(id(layer))
        self._kept.append(layer)
        layer.name = name
        return layer

    def name_others(self, outputs: Any) -> None:
        """Numbers for the layers that are made of functions, in this model's own count."""
        nodes, seen = [tensor.node for tensor in symbolic_leaves(outputs)], set()
        found: list[Layer] = []
        while nodes:
            node = nodes.pop()
            if id(node) not in seen:
                seen.add(id(node))
                found.append(node.layer)
                nodes += [tensor.node for tensor in node.inputs()]
        counts: Counter[str] = Counter()
        for layer in reversed(found):
            if id(layer) in self._called or isinstance(layer, InputLayer):
                continue
            self._called.add(id(layer))
            kind = snake_case(layer.function if isinstance(layer, Operation) else layer._class_name)
            while kind + (f"_{counts[kind]}" if counts[kind] else "") in self.names:
                counts[kind] += 1
            layer.name = kind + (f"_{counts[kind]}" if counts[kind] else "")
            self.names.add(layer.name)


def user_line() -> str:
    """The line of the module's code that is running, for a message; empty if there is none."""
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if file == __file__ and frame.f_code is ModuleTracer.run.__code__:
            return ""
        if not file.startswith((_TORCH, _OWN, _NUMPY, "<")):
            text = linecache.getline(file, frame.f_lineno).strip()[:100]
            return f" (line {frame.f_lineno} of {os.path.basename(file)}: {text})"
        frame = frame.f_back
    return ""
