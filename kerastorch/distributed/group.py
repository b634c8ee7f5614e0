"""The processes that work together, as torch knows them."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch import distributed as dist

from . import part
from .packing import pack, unpack

_working_alone: list[bool] = []


@dataclass(frozen=True)
class Processes:
    """Two or more processes.

    Attributes:
        rank: The number of this one, counted from 0.
        count: How many there are.
    """

    rank: int
    count: int

    @property
    def is_first(self) -> bool:
        """Whether this one writes, prints and calls callbacks."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes."""
        total = values.detach().clone()
        dist.all_reduce(total)
        return total

    def of_first(self, values: Tensor) -> Tensor:
        """A tensor of the first process in all of them; they give one of its shape."""
        found = values.detach().clone().contiguous()
        dist.broadcast(found, 0)
        return found

    def said_by_first(self, message: Any = None) -> Any:
        """What the first process says, in all of them.

        Args:
            message: Nested lists, tuples and dicts of tensors, arrays and plain values; only of the first process.
        """
        data = pack(message) if self.is_first else b""
        length = int(self.of_first(torch.tensor(len(data), device=_device())))
        given = torch.zeros(length, dtype=torch.uint8, device=_device())
        if self.is_first:
            given = torch.from_numpy(np.frombuffer(data, np.uint8).copy()).to(given.device)
        found = self.of_first(given)
        return message if self.is_first else unpack(found.cpu().numpy().tobytes())

    def part_of(self, rows: int) -> tuple[int, int]:
        """Where the rows of this process begin in a batch, and how many they are; the first processes have one more."""
        each, more = divmod(rows, self.count)
        return self.rank * each + min(self.rank, more), each + (self.rank < more)


def processes() -> Processes | None:
    """The processes that train together; None if there is one.

    They are those of torch's default group. Where `torchrun` has started several and nobody has joined them, they are
    joined here: by NCCL for tensors on GPUs and by gloo for others.
    """
    if _working_alone or not dist.is_available():
        return None
    if not dist.is_initialized():
        if not dist.is_torchelastic_launched() or int(os.environ.get("WORLD_SIZE", "1")) < 2:
            return None
        gpus = torch.cuda.is_available() and dist.is_nccl_available()
        dist.init_process_group("cpu:gloo,cuda:nccl" if gpus else "gloo")
        atexit.register(_part)
    count = dist.get_world_size()
    return Processes(dist.get_rank(), count) if count > 1 else None


@contextmanager
def alone() -> Iterator[None]:
    """For a while this process works for itself, as callbacks of the first process do, which the others wait for."""
    _working_alone.append(True)
    try:
        with part.whole():
            yield
    finally:
        _working_alone.pop()


def _part() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def _device() -> torch.device:
    """Where messages travel: NCCL alone takes no tensors of the CPU."""
    return torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")
