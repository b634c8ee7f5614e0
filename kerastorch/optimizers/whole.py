"""The rules that look at a weight as a whole: its norm, its rows and columns, its directions. Source: keras 3.15.

What is a row is a matter of the layout, and one weight of Keras may stand in two tensors of torch: these rules see
each weight as Keras has it, where the optimizer was built for a model. Plain tensors are taken as they are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from ..torch_private import foreach
from ._averages import decay_to, decay_to_squares, roots
from ._clips import norms
from ._single import single
from ._trained import Trained
from .adam import WithBetas
from .optimizer import Optimizer


class _SeesWhole(Optimizer):
    """Base: a rule that is given each weight in Keras's layout."""

    _by_numbers = False

    def _whole(self, params: list[Tensor], grads: list[Tensor]) -> Iterator[tuple[Trained, Tensor]]:
        """The weights that are updated, each with its gradient; of a tensor without one it is 0."""
        given = dict(zip(params, grads, strict=True))
        for item in self._trained:
            if any(part in given for part in item.parts):
                held = [given[part] if part in given else torch.zeros_like(part) for part in item.parts]
                yield item, item.whole(held)

    def _held(self, item: Trained, slot: str) -> Tensor:
        """A slot of a weight in Keras's layout."""
        return item.whole(self._slots(list(item.parts), slot))

    def _keep(self, item: Trained, slot: str, value: Tensor) -> None:
        for part, new in zip(item.parts, item.split(value), strict=True):
            self.state[part][slot].copy_(new)

    def _move(self, item: Trained, by: Tensor) -> None:
        for part, step in zip(item.parts, item.split(by), strict=True):
            part.sub_(step)


class Lamb(WithBetas):
    """Adam with steps in proportion to the norm of each weight (You and others, 2019; `keras.optimizers.Lamb`).

    `u = m / (1 - beta_1 ** t) / (sqrt(v / (1 - beta_2 ** t)) + epsilon); w -= learning_rate * |w| / |u| * u`. Where one
    of the norms is 0, their ratio is 1.

    Args:
        learning_rate: See `Optimizer`.
        beta_1: How much of the mean gradient `m` is kept.
        beta_2: How much of the mean square `v` is kept.
        epsilon: Is added to the root.
        **common: See `Optimizer`.
    """

    _by_numbers = False

    def _rule(self, params: list[Tensor], grads: list[Tensor], rate: float, step: int) -> None:
        moments, squares = self._slots(params, "momentum"), self._slots(params, "velocity")
        decay_to(moments, grads, self.beta_1)
        decay_to_squares(squares, grads, self.beta_2)
        steps = foreach.div(moments, 1 - single(self.beta_1) ** step)
        foreach.div_(steps, roots(foreach.div(squares, 1 - single(self.beta_2) ** step), outside=self.epsilon))
        sizes = norms(self._trained, dict(zip(params, params, strict=True)))
        lengths = norms(self._trained, dict(zip(params, steps, strict=True)))
        for part, move in zip(params, steps, strict=True):
            size, length = sizes[part], lengths[part]
            ratio = torch.where((size > 0) & (length > 0), size / length, 1.0)
            part.sub_(move * (ratio * rate))


class Adafactor(_SeesWhole):
    """Mean squares kept by rows and columns alone (Shazeer and Stern, 2018; `keras.optimizers.Adafactor`).

    Args:
        learning_rate: See `Optimizer`. Steps are in proportion to the size of each weight, and to `1 / sqrt(t)` where
            that is less than this.
        beta_2_decay: The mean squares keep `1 - t ** beta_2_decay`.
        epsilon_1: Is added to the squares.
        epsilon_2: The least size of a weight that counts.
        clip_threshold: A step whose root mean square is larger gets this one.
        relative_step: Stands in the config. Keras bounds the learning rate whether it is set or not.
        **common: See `Optimizer`.
    """

    ARGUMENTS = ("beta_2_decay", "epsilon_1", "epsilon_2", "clip_threshold", "relative_step")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
        **common: Any,
    ) -> None:
        self.beta_2_decay, self.epsilon_1, self.epsilon_2 = beta_2_decay, epsilon_1, epsilon_2
        self.clip_threshold, self.relative_step = clip_threshold, relative_step
        super().__init__(learning_rate, **common)

    def _rule(self, params: list[Tensor], grads: list[Tensor], rate: float, step: int) -> None:
        rate = min(rate, 1 / math.sqrt(step))
        keep = 1 - float(step) ** self.beta_2_decay
        for item, grad in self._whole(params, grads):
            weight = item.whole(list(item.parts))
            squares = self._mean_squares(item, grad.square() + self.epsilon_1, keep)
            move = grad / squares.sqrt()
            move = move / (_size(move) / self.clip_threshold).clamp(min=1.0)
            self._move(item, _size(weight).clamp(min=self.epsilon_2) * rate * move)

    def _mean_squares(self, item: Trained, squares: Tensor, keep: float) -> Tensor:
        held = self._held(item, "velocity")
        if squares.ndim < 2:
            found = keep * held + (1 - keep) * squares
        else:
            rows = self._beside(item, "row", squares.shape[:-1])
            columns = self._beside(item, "column", (*squares.shape[:-2], squares.shape[-1]))
            decay_to([rows, columns], [squares.mean(-1), squares.mean(-2)], keep)
            found = (rows / rows.mean(-1, keepdim=True)).unsqueeze(-1) * columns.unsqueeze(-2)
        self._keep(item, "velocity", found)
        return found

    def _beside(self, item: Trained, slot: str, shape: Sequence[int]) -> Tensor:
        """A slot with fewer axes than the weight; it stands beside the first of its tensors, in Keras's layout."""
        part = item.parts[0]
        held = self.state[part].get(slot)
        held = part.new_zeros(tuple(shape)) if held is None else held.to(part)
        self.state[part][slot] = held
        return held


class Muon(_SeesWhole):
    """Momentum with all its directions made equally long (Jordan, 2024; Liu and others, 2025; `keras.optimizers.Muon`).

    Weights of two axes move along their momentum, whose singular values some steps of Newton and Schulz bring near 1.
    All others are updated by Adam with weight decay.

    Args:
        learning_rate: See `Optimizer`.
        adam_beta_1: Adam's `beta_1`.
        adam_beta_2: Adam's `beta_2`.
        adam_weight_decay: The `weight_decay` of what Adam updates. None: nothing.
        epsilon: Adam's.
        weight_decay: Of the other weights; see `Optimizer`.
        exclude_layers: Regular expressions: Adam updates weights in whose path one is found.
        exclude_embeddings: Adam updates weights with "embedding" in their path.
        muon_a: Of the polynomial `a x + b x^3 + c x^5` that brings singular values near 1.
        muon_b: See `muon_a`.
        muon_c: See `muon_a`.
        adam_lr_ratio: Adam's learning rate as a multiple of the other.
        momentum: How much of the sum of the gradients is kept.
        ns_steps: How often the polynomial is applied.
        nesterov: Look ahead.
        rms_rate: A step is multiplied by this and by the root of the longer axis. None: by neither.
        **common: See `Optimizer`.
    """

    ARGUMENTS = (
        *("adam_beta_1", "adam_beta_2", "adam_weight_decay", "epsilon", "exclude_layers", "exclude_embeddings"),
        *("muon_a", "muon_b", "muon_c", "adam_lr_ratio", "momentum", "ns_steps", "nesterov", "rms_rate"),
    )

    def __init__(
        self,
        learning_rate: Any = 0.001,
        adam_beta_1: float = 0.9,
        adam_beta_2: float = 0.999,
        adam_weight_decay: float | None = 0.004,
        epsilon: float = 1e-7,
        weight_decay: float | None = 0.004,
        *,
        exclude_layers: Sequence[str] | None = None,
        exclude_embeddings: bool = True,
        muon_a: float = 3.4445,
        muon_b: float = -4.7750,
        muon_c: float = 2.0315,
        adam_lr_ratio: float = 1,
        momentum: float = 0.95,
        ns_steps: int = 5,
        nesterov: bool = True,
        rms_rate: float | None = 0.2,
        **common: Any,
    ) -> None:
        self.adam_beta_1, self.adam_beta_2, self.adam_weight_decay = adam_beta_1, adam_beta_2, adam_weight_decay
        self.epsilon, self.exclude_embeddings = epsilon, exclude_embeddings
        self.exclude_layers = list(exclude_layers or [])
        self.muon_a, self.muon_b, self.muon_c = muon_a, muon_b, muon_c
        self.adam_lr_ratio, self.momentum, self.ns_steps = adam_lr_ratio, momentum, ns_steps
        self.nesterov, self.rms_rate = nesterov, rms_rate
        self._adams: frozenset[Tensor] = frozenset()
        self._count("ns_steps", 0)
        if adam_weight_decay is not None:
            self._number("adam_weight_decay", adam_weight_decay)
        super().__init__(learning_rate, weight_decay=weight_decay, **common)

    def is_adams(self, path: str, axes: int) -> bool:
        """Whether Adam updates a weight.

        Args:
            path: Of the weight.
            axes: How many it has.
        """
        named = self.exclude_embeddings and "embedding" in path.lower()
        return axes != 2 or named or any(re.search(each, path) for each in self.exclude_layers)

    def _start_state(self) -> None:
        listed = [item for item in self._trained if self.is_adams(item.name, item.whole(list(item.parts)).ndim)]
        self._adams = frozenset(part for item in listed for part in item.parts)

    def _decay(self, parts: list[Tensor], rate: float, decay: float | None) -> None:
        super()._decay([part for part in parts if part not in self._adams], rate, decay)
        super()._decay([part for part in parts if part in self._adams], rate, self.adam_weight_decay)

    def _rule(self, params: list[Tensor], grads: list[Tensor], rate: float, step: int) -> None:
        given = dict(zip(params, grads, strict=True))
        there = [part for part in params if part in self._adams]
        if there:
            moments, squares = self._slots(there, "momentum"), self._slots(there, "velocity")
            decay_to(moments, [given[part] for part in there], self.adam_beta_1)
            decay_to_squares(squares, [given[part] for part in there], self.adam_beta_2)
            alpha = math.sqrt(1 - single(self.adam_beta_2) ** step) / (1 - single(self.adam_beta_1) ** step)
            divide_by = roots(squares, outside=self.epsilon)
            foreach.addcdiv_(there, moments, divide_by, -rate * self.adam_lr_ratio * alpha)
        others = [part for part in params if part not in self._adams]
        for item, grad in self._whole(others, [given[part] for part in others]):
            moment = self._held(item, "momentum") * self.momentum + grad
            self._keep(item, "momentum", moment)
            move = self._evened(grad + self.momentum * moment if self.nesterov else moment) * rate
            self._move(item, move if self.rms_rate is None else move * (math.sqrt(max(move.shape)) * self.rms_rate))

    def _evened(self, matrix: Tensor) -> Tensor:
        """The matrix with singular values near 1."""
        tall = matrix.shape[0] > matrix.shape[1]
        x = matrix.T if tall else matrix
        x = x / (torch.linalg.matrix_norm(x) + 1e-7)
        for _ in range(self.ns_steps):
            square = x @ x.T
            x = self.muon_a * x + (self.muon_b * square + self.muon_c * square @ square) @ x
        return x.T if tall else x


def _size(array: Tensor) -> Tensor:
    """The root mean square."""
    return array.square().mean().sqrt()
