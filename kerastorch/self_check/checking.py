"""The trials on this machine, beside the values that ship."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import native
from ..errors import ArgumentError, KerasTorchError, counted, plural, quote
from ..parity.plain_arithmetic import plain_arithmetic
from ..parity.report import LIMIT, times
from ..parity.running import to_numpy
from ..structure import leaves
from .trials import Trial, trials
from .values import Expected, read

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16, "float16": torch.float16}
BEGIN, LONGEST = 3, 120


@dataclass(frozen=True)
class Result:
    """One output of one trial.

    Attributes:
        key: The trial.
        layer: The class of the layer.
        place: Which output.
        difference: The largest absolute difference; infinite where one is not finite, or the shapes differ.
        rounding: What rounding does to it in this dtype.
        largest: The largest value that it shall have.
        at: Where the largest difference is.
        ours: The value there.
        expected: What it shall be.
        error: Why it could not be run; empty if it was.
        lacking: Whether torch has no kernel for it on this device in this dtype: no number is wrong then.
    """

    key: str
    layer: str
    place: int
    difference: float = 0.0
    rounding: float = 0.0
    largest: float = 0.0
    at: tuple[int, ...] = ()
    ours: float = 0.0
    expected: float = 0.0
    error: str = ""
    lacking: bool = False

    @property
    def multiple(self) -> float:
        """The difference in multiples of what rounding does."""
        if self.difference == 0:
            return 0.0
        return self.difference / self.rounding if self.rounding > 0 else float("inf")

    @property
    def judged(self) -> bool:
        """Whether anything can be told: not where rounding may move it by as much as it is large."""
        if self.error:
            return not self.lacking
        return self.largest == 0 or LIMIT * self.rounding < self.largest

    @property
    def differs(self) -> bool:
        """Whether it is not what it shall be."""
        return self.judged and (bool(self.error) or not self.multiple <= LIMIT)

    def __str__(self) -> str:
        if self.error:
            return f"{self.key}: it does not run: {self.error}"
        return (
            f"{self.key}, output {self.place}: {times(self.multiple)} times rounding: {self.ours:.9g} at "
            f"{list(self.at)} instead of {self.expected:.9g}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "trial": self.key,
            "layer": self.layer,
            "output": self.place,
            "differs": self.differs,
            "judged": self.judged,
            "lacking": self.lacking,
            **({"error": self.error} if self.error else {}),
            "difference": str(self.difference),
            "multiple": str(self.multiple),
            "at": list(self.at),
        }


@dataclass(frozen=True)
class SelfCheckReport:
    """What `self_check` has found; `print(report)` shows it.

    Attributes:
        results: One for each output of each trial.
        here: Versions, device, dtype.
        judges: How many trials each Keras has computed, too; "" for those that none can.
    """

    results: tuple[Result, ...]
    here: Mapping[str, str]
    judges: Mapping[str, int]

    @property
    def passed(self) -> bool:
        """Whether everything that can be judged is what it shall be."""
        return not self.wrong and any(result.judged for result in self.results)

    @property
    def wrong(self) -> tuple[Result, ...]:
        """What differs or does not run, the worst first."""
        return tuple(sorted((item for item in self.results if item.differs), key=lambda item: -item.multiple))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        here = {"passed": self.passed, "here": dict(self.here), "judges": dict(self.judges)}
        return {**here, "results": [result.to_dict() for result in self.results]}

    def __str__(self) -> str:
        layers = len({result.layer for result in self.results})
        count = len({result.key for result in self.results})
        unjudged = sorted({item.key for item in self.results if not (item.judged or item.lacking)})
        lacking = [item for item in self.results if item.lacking]
        worst = max(
            (item for item in self.results if item.judged and not item.error), key=lambda x: x.multiple, default=None
        )
        lines = []
        if self.passed and worst is not None:
            lines.append(
                f"ALL RIGHT: {counted(count, 'example')} of {counted(layers, 'layer')}; the farthest from its "
                f"recorded value is {worst.key}, "
                f"{times(worst.multiple)} times rounding (allowed: {LIMIT:g})."
            )
        elif self.wrong:
            bad = list(dict.fromkeys(item.key for item in self.wrong))
            lines.append(
                f"WRONG: {len(bad)} of {counted(count, 'example')} of {counted(layers, 'layer')} "
                f"{plural(len(bad), 'is not what it', 'are not what they')} shall be:"
            )
            lines += [f"  {item}" for item in self.wrong]
        else:
            lines.append("NOTHING JUDGED: rounding in this dtype decides everything.")
        if unjudged:
            lines.append(f"Not judged, as rounding in this dtype decides them: {', '.join(unjudged)}.")
        if lacking:
            lines.append(f"torch has no kernel on this device in this dtype for {len(lacking)} of them:")
            lines += [f"  {item}" for item in lacking]
        lines.append("here      " + ", ".join(f"{key} {value}" for key, value in self.here.items()))
        by = [f"{count} by {name}" for name, count in self.judges.items() if name]
        alone = self.judges.get("", 0)
        lines.append(
            f"recorded  in float64; computed too {', '.join(by)}" + (f"; {alone} that no Keras has" if alone else "")
        )
        return "\n".join(lines)


def self_check(
    device: str | torch.device = "cpu", dtype: str = "float32", progress: Callable[[str], None] | None = None
) -> SelfCheckReport:
    """Run every example of every layer here, and compare with values that ship with the package.

    float32 is float32: TF32 is off while this runs.

    Args:
        device: Where to run: "cpu", "cuda", "cuda:1", "mps".
        dtype: "float32", "float64", "bfloat16" or "float16".
        progress: Called with a line on what is being done, now and then.

    Returns:
        The report; `report.passed` is the verdict.

    Raises:
        ArgumentError: There is no such device or dtype here.
    """
    where = _device(device, dtype)
    expected = read()
    results: list[Result] = []
    judges: dict[str, int] = {}
    every = trials()
    for number, trial in enumerate(every):
        if progress is not None and number % 50 == 0:
            progress(f"example {number + 1} of {len(every)}")
        wanted = expected[trial.key]
        judges[wanted.judged_by] = judges.get(wanted.judged_by, 0) + 1
        results += run_trial(trial, wanted, where, DTYPES[dtype])
    name = torch.cuda.get_device_name(where) if where.type == "cuda" else platform.processor() or platform.machine()
    here = {
        "torch": torch.__version__,
        "Python": platform.python_version(),
        "device": f"{where} ({name})",
        "dtype": dtype,
        "compiled": native.level or "nothing",
    }
    return SelfCheckReport(tuple(results), here, dict(sorted(judges.items(), key=lambda item: -item[1])))


def _device(device: str | torch.device, dtype: str) -> torch.device:
    if dtype not in DTYPES:
        raise ArgumentError(f"self_check: dtype: expected one of {', '.join(DTYPES)}, got {quote(dtype)}.")
    try:
        where = torch.device(device)
        torch.zeros(2, dtype=DTYPES[dtype], device=where).add_(1).cpu()
    except (RuntimeError, AssertionError, TypeError) as error:
        said = str(error).strip().splitlines() or ["no reason is given"]
        raise ArgumentError(
            f"self_check: device: {quote(str(device))} with {dtype} does not work here: {said[0]}"
        ) from error
    return where


def run_trial(trial: Trial, wanted: Expected, device: torch.device, dtype: torch.dtype) -> list[Result]:
    """The outputs of a trial on a device, beside what they shall be."""
    name = trial.cls._class_name
    try:
        model = trial.model().to(device=device, dtype=dtype)
        tensors = [torch.from_numpy(array).to(device) for array in trial.inputs()]
        given = [tensor.to(dtype) if tensor.is_floating_point() else tensor for tensor in tensors]
        with plain_arithmetic(), torch.inference_mode():
            made: list[Tensor] = leaves(model(*given))
    except (KerasTorchError, RuntimeError, TypeError) as error:
        said = " ".join(str(error).split())
        said = said if len(said) <= LONGEST else f"{said[:LONGEST]}…"
        return [Result(trial.key, name, 0, error=said, lacking=isinstance(error, NotImplementedError))]
    if len(made) != len(wanted.outputs):
        return [
            Result(
                trial.key, name, 0, error=f"it makes {counted(len(made), 'output')} instead of {len(wanted.outputs)}"
            )
        ]
    return [
        _beside(trial, place, to_numpy(mine), theirs, rounding, dtype)
        for place, (mine, theirs, rounding) in enumerate(zip(made, wanted.outputs, wanted.roundings, strict=True))
    ]


def _beside(
    trial: Trial, place: int, mine: np.ndarray, theirs: np.ndarray, rounding: float, dtype: torch.dtype
) -> Result:
    name = trial.cls._class_name
    largest = float(np.abs(theirs).max(initial=0.0))
    scaled = rounding * torch.finfo(dtype).eps / torch.finfo(torch.float32).eps
    if mine.shape != theirs.shape:
        said = f"output {place} has the shape {mine.shape} instead of {theirs.shape}"
        return Result(trial.key, name, place, error=said)
    distances = np.abs(mine.astype("float64") - theirs)
    distances = np.where(np.isfinite(distances), distances, np.inf)
    if not distances.size:
        return Result(trial.key, name, place)
    at = np.unravel_index(int(np.argmax(distances)), distances.shape)
    found = (float(distances[at]), scaled, largest, tuple(map(int, at)), float(mine[at]), float(theirs[at]))
    return Result(trial.key, name, place, *found)
