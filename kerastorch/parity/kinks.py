"""Gradients at kinks: where a function has two slopes at one place, a difference may be the choice of the other one.

relu has the slopes 0 and 1 at 0, hard_sigmoid has two at each of its borders, and of equal numbers in a window of a
maximum any may be the largest. Rounding, or a convention, decides which. So where a gradient differs, the operations of
the model that have kinks are watched in float64: which of their numbers lie so near to a kink that rounding may move
them across it. The slopes of these are turned, one by one; where that makes the reference's gradients, within rounding,
the difference is a kink. Any other difference stays one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from .. import activations
from ..activations.records import RECORDS
from ..base.layer import Layer
from ..errors import counted
from .report import LIMIT, Row

# What torch calls the functions that have kinks, and what they are called in the report.
FUNCTIONS: dict[Any, str] = {
    **dict.fromkeys((F.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, F.threshold), "relu"),
    **dict.fromkeys((F.leaky_relu, F.relu6, F.hardtanh, F.hardsigmoid, F.hardswish), "relu"),
    **dict.fromkeys((torch.clamp, Tensor.clamp, torch.clip, Tensor.clip, torch.clamp_min, Tensor.clamp_min), "clip"),
    **dict.fromkeys((torch.abs, Tensor.abs), "abs"),
    **dict.fromkeys((torch.maximum, torch.minimum, Tensor.maximum, Tensor.minimum), "maximum"),
    **dict.fromkeys((F.max_pool1d, F.max_pool2d, F.max_pool3d), "maximum"),
    **dict.fromkeys((F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d), "maximum"),
    **dict.fromkeys((torch.amax, Tensor.amax, torch.amin, Tensor.amin), "maximum"),
}
# Activations with kinks: a recurrence with another function than its own runs in operations that can be watched.
KINKED = tuple(record.function for record in RECORDS if record.kinked)
NEAR = LIMIT * 2.0**-23  # of the largest number of a call: as far as rounding may move one
DRAWS = 3  # of directions, and each turned round, to see which numbers have two slopes
MOST = 48  # numbers whose slopes are turned one by one
KINK = "a kink: "  # how the reason begins
Place = tuple[int, int]  # which call of such a function, and which of its numbers


class Watching(TorchFunctionMode):
    """Finds the numbers that lie at kinks, and gives some of them the slope of the other side; values stay.

    Args:
        module: What is run: its recurrences are run in operations of torch meanwhile.
        turned: By the place of a number which way it is moved, 1 or -1 or less, for its slope alone.
    """

    def __init__(self, module: nn.Module, turned: dict[Place, float] | None = None) -> None:
        super().__init__()
        self.module, self.turned = module, turned
        self.near: list[Place] = []
        self.names: dict[Place, str] = {}
        self.calls = 0
        self.kept: list[tuple[Any, str, Any]] = []

    def __enter__(self) -> Watching:
        for layer in self.module.modules():
            for name in ("activation", "recurrent_activation"):
                own = layer.__dict__.get(name) if isinstance(layer, Layer) else None
                if own in KINKED or isinstance(own, (activations.ReLU, activations.LeakyReLU)):
                    self.kept.append((layer, name, own))
                    setattr(layer, name, _followed(own))
        super().__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        for layer, name, own in self.kept:
            setattr(layer, name, own)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = FUNCTIONS.get(func)
        floats = bool(args) and isinstance(args[0], Tensor) and args[0].is_floating_point() and args[0].numel() > 0
        if name is None or not floats or not torch.is_grad_enabled() or not args[0].requires_grad:
            return func(*args, **kwargs)
        call, self.calls = self.calls, self.calls + 1
        x, rest = args[0], args[1:]
        size = float(x.detach().abs().max())
        for bound in (*rest, *kwargs.values()):
            size = max(size, abs(bound)) if isinstance(bound, (int, float)) else size
        if self.turned is None:
            places = _two_slopes(lambda given: func(given, *rest, **kwargs), x.detach(), NEAR * size)
            self.near += [(call, place) for place in places]
            self.names.update({(call, place): name for place in places})
            return func(*args, **kwargs)
        ways = {place: way for (number, place), way in self.turned.items() if number == call}
        if not ways:
            return func(*args, **kwargs)
        move = torch.zeros_like(x).reshape(-1)
        for place, way in ways.items():
            move[place] = 2 * way * NEAR * size
        other = func(x.clone() + move.reshape(x.shape), *rest, **kwargs)
        with torch.no_grad():
            difference = func(x.clone(), *rest, **kwargs) - other
        return other + difference


def _followed(own: Any) -> Callable[[Tensor], Tensor]:
    return lambda x: own(x)


def _two_slopes(function: Callable[[Tensor], Tensor], x: Tensor, near: float) -> list[int]:
    """Which numbers of `x` have another slope where all are moved by `near` in one direction, or by up to that."""
    generator = torch.Generator().manual_seed(0)
    slopes = []
    moves = [torch.ones(x.shape), *(torch.rand(x.shape, generator=generator) * 2 - 1 for _ in range(DRAWS - 1))]
    for move in (way * each.to(x) for each in moves for way in (1, -1)):
        moved = (x + near * move).requires_grad_()
        with torch.enable_grad():
            made = function(moved)
            slopes.append(torch.autograd.grad(made.sum(), moved)[0] if made.requires_grad else torch.zeros_like(x))
    held = torch.stack(slopes)
    apart = held.amax(0) - held.amin(0)
    return torch.nonzero((apart > 1e-3 * max(float(held.abs().max()), 1e-30)).reshape(-1)).reshape(-1).tolist()


# ---------------------------------------------------------------------------- is it one?


@dataclass
class Search:
    """Turns slopes until gradients are the reference's.

    Attributes:
        run: Gives all gradients, in float64, as they are while `Watching` watches.
        module: What is run by that.
        references: The reference's, of those that differ, and None for the others.
        roundings: What rounding does to each.
    """

    run: Callable[[], Sequence[np.ndarray]]
    module: nn.Module
    references: Sequence[np.ndarray | None]
    roundings: Sequence[float]
    names: dict[Place, str] = field(default_factory=dict)

    def found(self) -> str | None:
        """Which kinks explain all differences, in words; None if none do."""
        with Watching(self.module) as watching:
            begin = self._flat(self.run())
        self.names = watching.names
        near = watching.near
        if not near:
            return None
        rising = {place: (number + 1) / len(near) for number, place in enumerate(near)}  # the last of equal ones wins
        falling = {place: -way for place, way in rising.items()}
        for choice in (dict.fromkeys(near, 1.0), dict.fromkeys(near, -1.0), rising, falling):
            if self._apart(self._turned(choice)) <= LIMIT:
                return self._told(choice)
        if len(near) > MOST:
            return None
        ways = [(place, way) for place in near for way in (1.0, -1.0)]
        effects = [self._turned({place: way}) - begin for place, way in ways]
        chosen: dict[Place, float] = {}
        left = begin  # how far all numbers are from the reference's
        while True:
            gains = [
                -np.inf if place in chosen else float(left @ left - (left + effect) @ (left + effect))
                for (place, _), effect in zip(ways, effects, strict=True)
            ]
            best = int(np.argmax(gains))
            if not gains[best] > 0:
                break
            left = left + effects[best]
            chosen[ways[best][0]] = ways[best][1]
        return self._told(chosen) if chosen and self._apart(self._turned(chosen)) <= LIMIT else None

    def _turned(self, ways: dict[Place, float]) -> np.ndarray:
        with Watching(self.module, ways):
            return self._flat(self.run())

    def _flat(self, made: Sequence[np.ndarray]) -> np.ndarray:
        """How far all numbers are from the reference's, in multiples of the rounding of their arrays."""
        pairs = zip(made, self.references, self.roundings, strict=True)
        return np.concatenate(
            [
                ((array.astype("float64") - reference) / max(rounding, 1e-300)).ravel()
                for array, reference, rounding in pairs
                if reference is not None
            ]
        )

    def _apart(self, distances: np.ndarray) -> float:
        return float(np.abs(distances).max(initial=0.0))

    def _told(self, ways: dict[Place, float]) -> str:
        names = ", ".join(dict.fromkeys(self.names[place] for place in ways))
        count = counted(len(ways), "number lies", "numbers lie")
        return f"{KINK}{count} where {names} has two slopes, and the reference takes the other"


def settled(
    rows: Sequence[Row], pairs: Sequence[np.ndarray], run: Callable[[], Sequence[np.ndarray]], module: nn.Module
) -> list[Row]:
    """Rows of gradients, those that differ by a choice at kinks alone with that as the reason why they are not judged.

    Args:
        rows: The rows.
        pairs: The reference's gradient of each.
        run: Gives ours of each, in float64.
        module: What is run by that.
    """
    wrong = [row.differs and not row.measured.wrong and np.isfinite(row.measured.difference) for row in rows]
    if not any(wrong) or any(row.differs and not one for row, one in zip(rows, wrong, strict=True)):
        return list(rows)
    references = [reference if one else None for reference, one in zip(pairs, wrong, strict=True)]
    note = Search(run, module, references, [row.measured.rounding for row in rows]).found()
    if note is None:
        return list(rows)
    return [
        replace(row, measured=replace(row.measured, note=note)) if one else row
        for row, one in zip(rows, wrong, strict=True)
    ]
