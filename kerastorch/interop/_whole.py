"""A module of torch with a forward of its own as a model: traced on an example, and compared with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from ..base.graph import SymbolicTensor
from ..errors import KerasTorchError, UnsupportedError
from ..models import Input, Model
from . import _assigning, _composed, _functional, _indexing, _open, _pointwise, _reducing, _scattering, _shaping
from ._comparing import compare_on, evaluating
from ._example import Example, replaced
from ._leaves import leaf_of
from ._other_sizes import Traced, apart_sizes, compare_sizes
from ._packed import INSIDE, Packed
from ._reads import Read
from ._size import BATCH, same, unknown
from ._tracer import ModuleTracer
from ._value import POISON, ROWS, Joined, OneRow, Value

_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    **_pointwise.FUNCTIONS,
    **_open.FUNCTIONS,
    **_reducing.FUNCTIONS,
    **_shaping.FUNCTIONS,
    **_indexing.FUNCTIONS,
    **_scattering.FUNCTIONS,
    **_assigning.FUNCTIONS,
    **_functional.FUNCTIONS,
    **_composed.FUNCTIONS,
}

# With one of these in it a module may have (B, C, T), with time at the end.
_ROWS = (nn.Conv1d, nn.ConvTranspose1d, nn.MaxPool1d, nn.AvgPool1d, nn.AdaptiveAvgPool1d, nn.AdaptiveMaxPool1d)


def whole_model(
    module: nn.Module, example: Example, chosen: bool, check: bool, sum_biases: bool
) -> tuple[Model, list[str]]:
    """The model of a module, and notes about it.

    Args:
        module: The module.
        example: Its arguments.
        chosen: Whether the unknown axes are stated; else those are found that can be.
        check: Whether the model is compared with the module.
        sum_biases: Whether two biases may become one.

    Raises:
        UnsupportedError: Something in it cannot be expressed, or the model computes something else.
    """
    with evaluating(module):
        expected = _expected(module, example)

        def attempt(trial: Example) -> tuple[Model, list[str]]:
            apart = apart_sizes(module, trial)
            traced, notes = _traced(module, apart, sum_biases)
            if check or trial is not example or traced.orders:
                tensors = [item.tensor for item in trial.given]
                try:
                    compare_on(module, traced.model, trial, traced.batches, tensors, "the example", expected)
                    compare_sizes(module, traced, apart)
                except UnsupportedError as error:
                    if not traced.orders:
                        raise
                    raise UnsupportedError(f"{error} Rows that forward sorts must be put back.") from error
            return traced.model, notes

        model, notes = attempt(example) if chosen else _search(module, example, attempt)
    return model.train(module.training), notes


def _expected(module: nn.Module, example: Example) -> Any:
    args, kwargs = example.filled([item.tensor.clone() for item in example.given])
    return module(*args, **kwargs)


def _search(module: nn.Module, example: Example, attempt: Callable[[Example], Any]) -> Any:
    """The attempt with as many axes of unknown size as the module allows.

    Of each input the first axis behind the batch is tried, then the second: one of them is time, if any is.
    """
    best, why = None, []
    in_rows = any(isinstance(part, _ROWS) for part in module.modules())
    opened: list[tuple[int, ...]] = [()] * len(example.given)
    free = [[axis for axis in range(item.tensor.ndim) if axis != item.batch] for item in example.given]
    for place in (0, 1):
        for chosen in _together(example, place, free, in_rows):
            if any(opened[index] for index in chosen):
                continue
            trial = [(free[index][place],) if index in chosen else axes for index, axes in enumerate(opened)]
            given = tuple(replace(item, unknown=axes) for item, axes in zip(example.given, trial, strict=True))
            try:
                best = attempt(replace(example, given=given))
            except KerasTorchError as error:
                axes = ", ".join(f"axis {free[index][place]} of {example.given[index].name}" for index in chosen)
                why.append(f"{axes} cannot be left open: {error}")
                continue
            opened = trial
    model, notes = attempt(example) if best is None else best
    return model, [*notes, *why]


def _together(example: Example, place: int, free: list[list[int]], in_rows: bool) -> Iterator[list[int]]:
    """The inputs that may have time at this place of their free axes, as tried: all, then those of one size."""
    groups: dict[int, list[int]] = {}
    masks: dict[int, list[int]] = {}  # numbers (B, T), of a size that others have: a mask, and not features
    for index, (item, axes) in enumerate(zip(example.given, free, strict=True)):
        floating, rank = item.tensor.is_floating_point(), item.tensor.ndim
        if len(axes) <= place or rank > 3:
            continue
        size = item.tensor.shape[axes[place]]
        if floating and rank == 2:
            masks.setdefault(size, []).append(index)
        elif not (place and floating and not in_rows):  # else the axis of features, which every layer must know
            groups.setdefault(size, []).append(index)
    for sizes in [list(groups), *([size] for size in groups if len(groups) > 1)]:
        chosen = [index for size in sizes for index in groups[size]]
        more = [index for size in sizes for index in masks.get(size, [])]
        if more:
            yield [*chosen, *more]
        if chosen:
            yield chosen


def _traced(module: nn.Module, example: Example, sum_biases: bool) -> tuple[Traced, list[str]]:
    """The model with what was found on the way, and notes."""
    before, *_ = _trace(module, example, sum_biases, None)  # it finds which final states are used, and what is shared
    tracer, inputs, outputs, batches = _trace(module, example, sum_biases, before)
    tracer.name_others(outputs)
    named: Any = {item.name: symbol for item, symbol in zip(example.given, inputs, strict=True)}
    model = Model(named if example.named else inputs if len(inputs) > 1 else inputs[0], outputs)
    device = next(tensor.device for tensor in (*module.parameters(), *(item.tensor for item in example.given)))
    axes = {
        (place, axis): f"axis of {item.tensor.shape[axis]}"
        for place, item in enumerate(example.given)
        for axis in item.unknown
    }
    return Traced(model.to(device), batches, tracer.reads, axes, tracer.packs, tracer.orders), list(
        dict.fromkeys(tracer.notes)
    )


def _trace(
    module: nn.Module, example: Example, sum_biases: bool, before: ModuleTracer | None
) -> tuple[ModuleTracer, list[SymbolicTensor], Any, list[int]]:
    tracer = ModuleTracer(module, _FUNCTIONS, leaf_of, sum_biases, before)
    inputs, outputs, batches = _run(tracer, module, example)
    for read in tracer.reads:
        if read.holds is None:
            tracer.refused.append(f"{_shown(read, example)}: {read.what}{read.where}: {_ADVICE}")
    if tracer.refused:
        raise UnsupportedError(
            "from_torch: these parts cannot be expressed by layers with the same numbers:\n"
            + "\n".join(f"  {line}" for line in tracer.refused)
        )
    return tracer, inputs, outputs, batches


_ADVICE = (
    "the model would be right for the example's size alone; let torch's functions have it as x.size(...) gives it, or "
    "leave it out of forward"
)


def _shown(read: Read, example: Example) -> str:
    """The sizes that Python read."""
    names = [
        "the batch size"
        if name == BATCH
        else f"the size that is {name[8:]} in the example (time, or what follows from it)"
        for name in sorted(read.symbols)
    ]
    return " and ".join(names)


def _run(tracer: ModuleTracer, module: nn.Module, example: Example) -> tuple[list[SymbolicTensor], Any, list[int]]:
    tensors, symbols = [], []
    for item in example.given:
        axes = [axis for axis in range(item.tensor.ndim) if axis != item.batch]
        shape = [None if axis in item.unknown else item.tensor.shape[axis] for axis in axes]
        symbol = Input(shape, dtype=str(item.tensor.dtype).removeprefix("torch."), name=item.name)
        tensor = item.tensor.clone()
        tracer.record(tensor, Value((item.batch, *axes), symbol))
        for place, size in enumerate(symbol.shape[1:], 1):
            if size is None:
                tracer.axes.size(tensor.shape[axes[place - 1]], symbol, place)
        tensors.append(tensor)
        symbols.append(symbol)
    tracer.made["input"] = symbols[0]
    tracer.names.update(item.name for item in example.given)
    args, kwargs = example.filled(tensors)
    before = torch.get_default_dtype()
    floats = [tensor.dtype for tensor in (*module.parameters(), *tensors) if tensor.is_floating_point()]
    try:
        torch.set_default_dtype(floats[0] if floats else before)
        result = tracer.run(module, args, kwargs)
        return symbols, *_outputs(tracer, result)
    finally:
        torch.set_default_dtype(before)


_JOINED = (
    "the output: it has more rows than the batch (a view joined both); keep (batch, time, ...), and join them outside"
)


def _outputs(tracer: ModuleTracer, result: Any) -> tuple[Any, list[int]]:
    """The outputs, nested as the module's, and where each has its batch axis there."""
    batches: list[int] = []

    def output(leaf: Any) -> Any:
        value = tracer.value(leaf) if isinstance(leaf, Tensor) else None
        if value is POISON:
            return None
        if isinstance(value, (Joined, Packed, OneRow)):
            why = ROWS if isinstance(value, OneRow) else INSIDE
            tracer.refused.append(_JOINED if isinstance(value, Joined) else f"the output: {why}")
            return None
        if value is None or value.batch is None:
            tracer.refused.append(f"the output: {_without_rows(leaf)}; leave it out of what forward returns")
            return None
        if not same(value.rows, 1):
            tracer.refused.append(_JOINED)
            return None
        batches.append(value.batch)
        return value.natural()

    made = replaced(_plainly_nested(result), output)
    if not batches and not tracer.refused:
        tracer.refused.append("the output: forward returns no tensor")
    return made, batches


def _without_rows(leaf: Any) -> str:
    """What an output is that is no tensor of rows."""
    if isinstance(leaf, Tensor):
        return f"a tensor {tuple(leaf.shape)} that does not depend on the input"
    if unknown(leaf):
        return f"a size ({leaf} in the example), and a model returns tensors"
    shown = repr(leaf) if leaf is None or isinstance(leaf, (bool, int, float, str)) else f"a {type(leaf).__name__}"
    return f"{shown}, and a model returns tensors"


def _plainly_nested(result: Any) -> Any:
    """Named tuples as tuples: what a model returns has no classes of the module's."""
    if isinstance(result, PackedSequence):
        return result.data
    if isinstance(result, tuple):
        return tuple(map(_plainly_nested, result))
    if isinstance(result, list):
        return list(map(_plainly_nested, result))
    return result
