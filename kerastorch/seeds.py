"""A source of seeds, for functions and initializers that draw other numbers at each call."""

from __future__ import annotations

import random as _python
from collections.abc import Mapping
from typing import Any

import torch

from .errors import ArgumentError, quote


def _whole(seed: Any) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise ArgumentError(f"SeedGenerator: seed is {quote(seed)}, expected an integer from 0 to 2**63 - 1, or None.")
    return seed


class SeedGenerator:
    """A source of seeds, for functions that draw other numbers at each call: `keras.random.SeedGenerator`.

    Args:
        seed: Where it begins; drawn from Python's `random` if None.
        name: Kept, without effect.
    """

    def __init__(self, seed: int | None = None, name: str | None = None) -> None:
        self._initial_seed = seed
        self.name = name or "seed_generator"
        begin = _python.randrange(2**31) if seed is None else _whole(seed)
        # Numbers of a generator are seeds of others; torch mixes the bits of a seed well enough for both.
        self._generator = torch.Generator().manual_seed(begin)

    def next(self) -> int:
        """The next seed."""
        return int(torch.randint(2**62, (), generator=self._generator, dtype=torch.int64, device="cpu"))

    def get_config(self) -> dict[str, Any]:
        """The seed that it was made with, and the name."""
        return {"seed": self._initial_seed, "name": self.name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> SeedGenerator:
        """A generator as `get_config` describes it, at its beginning."""
        return cls(**config)

    @staticmethod
    def of_config(config: Any) -> SeedGenerator:
        """The generator that a config with its class stands for, as initializers hold it.

        Raises:
            ArgumentError: It is none.
        """
        inner = config.get("config")
        if config.get("class_name") != "SeedGenerator" or not isinstance(inner, Mapping) or inner.keys() - _KEYS:
            raise ArgumentError(f"This is no config of a SeedGenerator: {quote(config)}.")
        if not isinstance(inner.get("name"), (str, type(None))):
            raise ArgumentError(f"SeedGenerator: name is {quote(inner['name'])}, expected a text or None.")
        return SeedGenerator.from_config(inner)


_KEYS = {"seed", "name"}
