"""Loops over steps and items, and connectionist temporal classification with Keras 2's last class for no output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .. import ops
from ..errors import ArgumentError
from ..ops.computed import computed, floats, tensor
from ..structure import leaves, map_structure
from .settings import epsilon

__all__ = ["ctc_batch_cost", "ctc_decode", "foldl", "foldr", "map_fn", "rnn"]


def rnn(
    step_function: Callable[[Any, list[Any]], tuple[Any, Sequence[Any]]],
    inputs: Any,
    initial_states: Sequence[Any],
    go_backwards: bool = False,
    mask: Any = None,
    constants: Sequence[Any] | None = None,
    unroll: bool = False,
    input_length: Any = None,
    time_major: bool = False,
    zero_output_for_mask: bool = False,
    return_all_outputs: bool = True,
) -> tuple[Any, Any, list[Tensor]]:
    """Run a step over time, as Keras 2's `K.rnn`. Python calls it for each step; the layers are much faster.

    Args:
        step_function: `step_function(input, states)` returns an output `(B, ...)` and the next states; `constants`
            stand behind the states that it is given.
        inputs: `(B, T, ...)`, or several in a list.
        initial_states: One tensor `(B, ...)` for each state.
        go_backwards: Whether the last step comes first; outputs stand in the order in which they were computed.
        mask: `(B, T)`, True = use the step. Another one repeats the last output (zeros at first) and keeps the states.
        constants: Tensors for every step.
        unroll: Without effect, as `input_length`.
        input_length: As `unroll`.
        time_major: Whether time comes first in inputs, masks and outputs.
        zero_output_for_mask: Whether the output of a step that is not used is zero.
        return_all_outputs: Whether outputs of all steps are returned, or the last one alone, `(B, 1, ...)`.

    Returns:
        The last output, the outputs `(B, T, ...)`, and the last states.
    """
    series = map_structure(lambda x: tensor(x) if time_major else tensor(x).transpose(0, 1), inputs)
    used = None
    if mask is not None:
        used = tensor(mask).bool()
        used = used if time_major else used.transpose(0, 1)
        used = used.squeeze(-1) if used.ndim == 3 and used.shape[-1] == 1 else used
    count = len(leaves(series)[0])
    states: list[Any] = [tensor(state) for state in initial_states]
    more = list(constants or [])
    found: list[Any] = []
    last: Any = None
    for step in range(count - 1, -1, -1) if go_backwards else range(count):
        output, new = step_function(map_structure(lambda x, step=step: x[step], series), [*states, *more])
        if used is not None:
            now = used[step]
            kept = map_structure(torch.zeros_like, output) if last is None or zero_output_for_mask else last
            output = _where(now, output, kept)
            new = [_where(now, one, other) for one, other in zip(new, states, strict=True)]
        last, states = output, list(new)
        if return_all_outputs:
            found.append(last)
        else:
            found = [last]
    columns = zip(*(leaves(item) for item in found), strict=True)
    stacked = iter([torch.stack(column, 0 if time_major else 1) for column in columns])
    return last, map_structure(lambda leaf: next(stacked), last), states


def _where(used: Tensor, yes: Any, no: Any) -> Any:
    others = iter(leaves(no))
    return map_structure(
        lambda leaf: torch.where(used.reshape(-1, *[1] * (leaf.ndim - used.ndim)), leaf, next(others)), yes
    )


def foldl(fn: Callable[[Any, Any], Any], elems: Any, initializer: Any = None, name: str | None = None) -> Any:
    """Join items from the first on: `fn(joined, item)`; the first one is the beginning if there is no `initializer`."""
    return _folded(fn, list(tensor(elems)), initializer)


def foldr(fn: Callable[[Any, Any], Any], elems: Any, initializer: Any = None, name: str | None = None) -> Any:
    """`foldl` from the last item on."""
    return _folded(fn, list(tensor(elems))[::-1], initializer)


def _folded(fn: Callable[[Any, Any], Any], items: list[Tensor], joined: Any) -> Any:
    if joined is None:
        joined, items = items[0], items[1:]
    for item in items:
        joined = fn(joined, item)
    return joined


def map_fn(fn: Callable[[Any], Any], elems: Any, name: str | None = None, dtype: Any = None) -> Any:
    """A function of each item along the first axis."""
    found = ops.map(fn, elems)
    return found if dtype is None else ops.cast(found, dtype)


@computed
def ctc_batch_cost(y_true: Any, y_pred: Any, input_length: Any, label_length: Any) -> Tensor:
    """The CTC loss of each row, as Keras 2's; the last class stands for no output.

    Args:
        y_true: `(B, L)`, class numbers.
        y_pred: `(B, T, classes)`, probabilities, as a softmax returns them.
        input_length: `(B, 1)`, how many steps of each row count.
        label_length: `(B, 1)`, how many class numbers of each row count.

    Returns:
        `(B, 1)`.
    """
    logs = (floats(y_pred) + epsilon()).log()
    lengths = [tensor(item).reshape(-1).long() for item in (label_length, input_length)]
    blank = logs.shape[-1] - 1
    return ops.ctc_loss(tensor(y_true).long(), logs, *lengths, mask_index=blank).unsqueeze(1)


@computed
def ctc_decode(
    y_pred: Any, input_length: Any, greedy: bool = True, beam_width: int = 100, top_paths: int = 1
) -> tuple[list[Tensor], Tensor]:
    """The most likely class numbers, as Keras 2's; the last class stands for no output.

    Args:
        y_pred: `(B, T, classes)`, probabilities.
        input_length: `(B,)`, how many steps of each row count.
        greedy: Whether the best class of each step is taken; else paths are searched.
        beam_width: How many paths are followed.
        top_paths: How many are returned.

    Returns:
        For each path class numbers `(B, T)`, -1 behind the last one; and `(B, 1 or top_paths)`, see `ops.ctc_decode`.
    """
    if not greedy and top_paths > beam_width:
        raise ArgumentError(f"ctc_decode: top_paths={top_paths} is more than beam_width={beam_width}.")
    logs = (floats(y_pred) + epsilon()).log()
    paths, scores = ops.ctc_decode(
        logs,
        tensor(input_length).reshape(-1),
        strategy="greedy" if greedy else "beam_search",
        beam_width=beam_width,
        top_paths=top_paths,
        mask_index=logs.shape[-1] - 1,
    )
    return [path.long() for path in paths], scores
