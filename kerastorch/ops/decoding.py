"""Connectionist temporal classification: the loss, and what a network's outputs say."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import ArgumentError, quote
from .computed import computed, floats, tensor


@computed
def ctc_loss(target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int = 0) -> Tensor:
    """The loss of each row: `keras.ops.ctc_loss`.

    Args:
        target: `(B, L)`, class numbers.
        output: `(B, T, classes)`, logits.
        target_length: `(B,)`, how many numbers of each row count.
        output_length: `(B,)`, how many steps of each row count.
        mask_index: The class that stands for no output.

    Returns:
        `(B,)`.
    """
    logs = floats(output).log_softmax(-1).transpose(0, 1)
    lengths = [tensor(item).long().to(logs.device) for item in (output_length, target_length)]
    return F.ctc_loss(logs, tensor(target).long().to(logs.device), *lengths, blank=mask_index, reduction="none")


@computed
def ctc_decode(
    inputs: Any,
    sequence_lengths: Any,
    strategy: str = "greedy",
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    mask_index: int = 0,
) -> tuple[Tensor, Tensor]:
    """The most likely class numbers: `keras.ops.ctc_decode`, as Keras on TensorFlow computes it.

    Args:
        inputs: `(B, T, classes)`, logits.
        sequence_lengths: `(B,)`, how many steps of each row count.
        strategy: "greedy": the best class of each step. "beam_search": the best paths, whose probability is the sum
            over all ways to get them.
        beam_width: How many paths are followed.
        top_paths: How many paths are returned.
        merge_repeated: Whether a class that is repeated without `mask_index` between counts once; "greedy" only.
        mask_index: The class that stands for no output.

    Returns:
        Class numbers `(1 or top_paths, B, T)`, -1 behind the last one, and `(B, 1 or top_paths)`: minus the sum of the
        best logits, or the logarithm of the probability of each path.
    """
    logits, lengths = floats(inputs), tensor(sequence_lengths).long()
    blank = mask_index % logits.shape[-1]
    if strategy == "greedy":
        return _greedy(logits, lengths, merge_repeated, blank)
    if strategy != "beam_search":
        raise ArgumentError(f"ctc_decode: strategy: expected 'greedy' or 'beam_search', got {quote(strategy)}.")
    if logits.is_meta:
        shape = (top_paths, *logits.shape[:2])
        return logits.new_empty(shape, dtype=torch.int32), logits.new_empty((logits.shape[0], top_paths))
    logs = logits.double().log_softmax(-1)
    rows = [_beams(row[: int(length)], blank, beam_width, top_paths) for row, length in zip(logs, lengths, strict=True)]
    paths = torch.full((top_paths, *logits.shape[:2]), -1, dtype=torch.int32, device=logits.device)
    scores = logits.new_full((len(rows), top_paths), float("-inf"))
    for row, found in enumerate(rows):
        for place, (path, score) in enumerate(found):
            paths[place, row, : len(path)] = torch.tensor(path, dtype=torch.int32)
            scores[row, place] = score
    return paths, scores


def _greedy(logits: Tensor, lengths: Tensor, merge_repeated: bool, blank: int) -> tuple[Tensor, Tensor]:
    steps = torch.arange(logits.shape[1], device=logits.device)
    beyond = steps >= lengths.to(logits.device).unsqueeze(-1)
    best, classes = logits.max(-1)
    dropped = beyond | (classes == blank)
    if merge_repeated:
        same = classes[:, 1:] == classes[:, :-1]
        dropped = dropped | F.pad(same, (1, 0))
    order = torch.where(dropped, len(steps), steps).argsort(dim=-1, stable=True)
    kept = torch.where(dropped, -1, classes).gather(-1, order)
    return kept.to(torch.int32).unsqueeze(0), -torch.where(beyond, 0.0, best).sum(-1, keepdim=True)


def _beams(logs: Tensor, blank: int, width: int, count: int) -> list[tuple[tuple[int, ...], float]]:
    """The best paths of one row and the logarithms of their probabilities, by prefix search.

    Args:
        logs: `(T, classes)`, logarithms of probabilities.
        blank: The class that stands for no output.
        width: Paths that are followed.
        count: Paths that are returned.
    """
    minus = float("-inf")
    # A path -> the logarithms of its probabilities with and without a blank at its end.
    beams: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, minus)}
    for step in logs.tolist():
        found: dict[tuple[int, ...], list[float]] = {}

        def add(path: tuple[int, ...], place: int, value: float, found: Any = found) -> None:
            sums = found.setdefault(path, [minus, minus])
            sums[place] = _log_sum(sums[place], value)

        for path, (ended, open_) in beams.items():
            both = _log_sum(ended, open_)
            add(path, 0, both + step[blank])
            for number, log in enumerate(step):
                if number == blank:
                    continue
                if path and path[-1] == number:
                    add(path, 1, open_ + log)
                    add((*path, number), 1, ended + log)
                else:
                    add((*path, number), 1, both + log)
        best = sorted(found, key=lambda path: -_log_sum(*found[path]))[:width]
        beams = {path: (found[path][0], found[path][1]) for path in best}
    return [(path, _log_sum(*sums)) for path, sums in list(beams.items())[:count]]


def _log_sum(first: float, second: float) -> float:
    if first < second:
        first, second = second, first
    if second == float("-inf"):
        return first
    return first + math.log1p(math.exp(second - first))
