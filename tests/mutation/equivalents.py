"""Mutants that are another text and the same program, each with the reason; the key is `Mutant.key`."""

from __future__ import annotations

EQUIVALENT: dict[str, str] = {}
