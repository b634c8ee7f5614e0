"""Loops and choices: `scan`, `while_loop`, `cond`, `map`, ... Python runs them step by step, on torch tensors.

Trees (lists, tuples and dicts of tensors) stand wherever Keras takes them. What runs once for every step costs a call
for every step: the layers of kerastorch are much faster for what they do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..base.graph import SymbolicTensor
from ..errors import ArgumentError, quote
from ..structure import leaves, map_structure
from .computed import computed, tensor
from .recorded import recorded


def _tensors(value: Any) -> Any:
    return map_structure(tensor, value)


def _at(value: Any, index: int) -> Any:
    return map_structure(lambda leaf: leaf[index], value)


def _like(form: Any, items: Iterable[Any]) -> Any:
    """The items in order, in the places of the leaves of a tree."""
    left = iter(items)
    return map_structure(lambda leaf: next(left), form)


def _stacked(steps: Sequence[Any]) -> Any:
    columns = zip(*(_each(tensor, leaves(step)) for step in steps), strict=True)
    return _like(steps[0], [torch.stack(column) for column in columns])


def _each(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    return [function(item) for item in items]  # `map` is Keras's here


def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """What one of two functions returns: `keras.ops.cond`.

    Args:
        pred: A bool, or a tensor with one. A symbolic one makes both functions part of the graph, and a choice.
        true_fn: Called without arguments where it is True.
        false_fn: Called without arguments where it is not.
    """
    if isinstance(pred, SymbolicTensor):
        yes, no = true_fn(), false_fn()
        return _like(yes, [recorded("where")(pred, *pair) for pair in zip(leaves(yes), leaves(no), strict=True)])
    if isinstance(pred, Tensor) and pred.is_meta:  # only shapes are asked for
        return true_fn()
    return true_fn() if bool(pred) else false_fn()


@computed
def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """What the function with a number returns: `keras.ops.switch`; a number beyond the ends means the first or last."""
    return branches[min(max(int(index), 0), len(branches) - 1)](*operands)


@computed
def while_loop(
    cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, maximum_iterations: int | None = None
) -> Any:
    """Call a function again and again while a condition holds: `keras.ops.while_loop`.

    Args:
        cond: `cond(*loop_vars)` says whether to go on.
        body: `body(*loop_vars)` returns the next ones.
        loop_vars: A tensor or a tuple of trees of tensors.
        maximum_iterations: The most calls.
    """
    several = isinstance(loop_vars, (tuple, list))
    state = tuple(_tensors(value) for value in loop_vars) if several else (_tensors(loop_vars),)
    count = 0
    while (maximum_iterations is None or count < maximum_iterations) and bool(cond(*state)):
        made = body(*state)
        state = tuple(made) if isinstance(made, (tuple, list)) else (made,)
        count += 1
    return state if several else state[0]


@computed
def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init_val: Any) -> Any:
    """Call `body_fun(i, value)` for i from lower up to upper, which is left out: `keras.ops.fori_loop`."""
    value = init_val
    for index in range(int(lower), int(upper)):
        value = body_fun(index, value)
    return value


@computed
def scan(
    f: Callable[[Any, Any], Any],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: Any = 1,
) -> tuple[Any, Any]:
    """Carry a state along the first axis: `keras.ops.scan`.

    Args:
        f: `f(carry, x)` returns the next carry and an output, or None for it.
        init: The first carry.
        xs: A tree of tensors `(T, ...)`; None with `length`.
        length: T.
        reverse: Whether to begin at the end; outputs stand at the places of their inputs.
        unroll: Without effect.

    Returns:
        The last carry, and the outputs `(T, ...)`.
    """
    if not callable(f):
        raise ArgumentError(f"scan: f: expected a function, got {quote(f)}.")
    if xs is None and length is None:
        raise ArgumentError("scan: give xs, or a length.")
    if length is not None and (isinstance(length, bool) or not hasattr(length, "__index__")):
        raise ArgumentError(f"scan: length: expected an integer, got {quote(length)}.")
    series = None if xs is None else _tensors(xs)
    sizes = set() if length is None else {int(length)}
    sizes |= set() if series is None else {len(leaf) for leaf in leaves(series)}
    if len(sizes) != 1:
        raise ArgumentError(f"scan: the first axes of xs and length must agree, got {sorted(sizes)}.")
    count = sizes.pop()
    carry, outputs = _tensors(init), []
    for step in range(count - 1, -1, -1) if reverse else range(count):
        carry, output = f(carry, None if series is None else _at(series, step))
        outputs.append(output)
    if reverse:
        outputs.reverse()
    if not outputs or outputs[0] is None:
        return carry, None
    return carry, _stacked(outputs)


@computed
def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """A function of each item along the first axis, one after the other: `keras.ops.map`.

    Args:
        f: Takes a tree like `xs` without its first axis.
        xs: A tree of tensors `(T, ...)`.
    """
    series = _tensors(xs)
    return _stacked([f(_at(series, step)) for step in range(len(leaves(series)[0]))])


@computed
def vectorized_map(function: Callable[[Any], Any], elements: Any) -> Any:
    """A function of each item along the first axis, all at once: `keras.ops.vectorized_map`, by `torch.vmap`."""
    return torch.vmap(function)(_tensors(elements))


@computed
def associative_scan(f: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """Combine all items up to each one, by a function whose grouping is free: `keras.ops.associative_scan`.

    Args:
        f: `f(a, b)` combines two trees of tensors, item by item along `axis`.
        elems: A tree of tensors.
        reverse: Whether to combine from the end on.
        axis: The axis.

    Returns:
        A tree like `elems`.
    """
    if not callable(f):
        raise ArgumentError(f"associative_scan: f: expected a function, got {quote(f)}.")
    moved = [tensor(leaf).movedim(axis, 0) for leaf in leaves(elems)]
    if len({len(leaf) for leaf in moved}) != 1:
        raise ArgumentError(
            f"associative_scan: axis {axis} must be equally long in all, got {[len(leaf) for leaf in moved]}."
        )
    if reverse:
        moved = [leaf.flip(0) for leaf in moved]

    def combine(first: list[Tensor], second: list[Tensor]) -> list[Tensor]:
        pair = [_like(elems, [leaf.movedim(0, axis) for leaf in side]) for side in (first, second)]
        return [tensor(leaf).movedim(axis, 0) for leaf in leaves(f(*pair))]

    found = _halves(combine, moved)
    if reverse:
        found = [leaf.flip(0) for leaf in found]
    return _like(elems, [leaf.movedim(0, axis) for leaf in found])


def _halves(combine: Callable[[list[Tensor], list[Tensor]], list[Tensor]], items: list[Tensor]) -> list[Tensor]:
    """Pairs are combined, then their halves in the same way, then what lies between: calls grow with log T."""
    count = len(items[0])
    if count < 2:
        return items
    odd = _halves(combine, combine([item[:-1:2] for item in items], [item[1::2] for item in items]))
    if count == 2:
        even = [item[:1] for item in items]
    else:
        before = [item[:-1] for item in odd] if count % 2 == 0 else odd
        even = [
            torch.cat([item[:1].to(made.dtype), made])
            for item, made in zip(items, combine(before, [item[2::2] for item in items]), strict=True)
        ]
    joined = []
    for one, two in zip(even, odd, strict=True):
        whole = two.new_empty((count, *two.shape[1:]))
        whole[::2], whole[1::2] = one, two
        joined.append(whole)
    return joined
