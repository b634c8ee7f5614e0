"""The rows of the report: what was checked, what was found, what is allowed."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class Row:
    """One check; `holds` is None where a number is reported that has no bound, such as a time."""

    name: str
    found: str
    allowed: str
    holds: bool | None


class Rows:
    """All checks, in their order."""

    def __init__(self) -> None:
        self._rows: list[Row] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, name: str, found: object, allowed: str = "", holds: bool | None = None) -> None:
        self._rows.append(Row(name, str(found), allowed, holds))

    def gap(self, name: str, found: float, bound: float) -> None:
        """A difference relative to the largest value."""
        self.add(name, f"{found:.1e}", f"{bound:.1e}", found <= bound)

    @contextmanager
    def guarded(self, name: str) -> Iterator[None]:
        """An error is a row that failed, and the other checks go on: a device is lent for minutes."""
        try:
            yield
        except (RuntimeError, ValueError, TypeError, AttributeError, AssertionError, Warning) as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            message = str(error).strip().split("\n")[0]
            self.add(name, f"{type(error).__name__} at {where.name}: {message}"[:200], "no error", False)

    def failed(self) -> list[str]:
        return [row.name for row in self._rows if row.holds is False]

    def as_data(self) -> list[dict[str, Any]]:
        return [asdict(row) for row in self._rows]

    def table(self, machine: dict[str, object]) -> str:
        """A table in Markdown."""
        head = "; ".join(f"{key} {value}" for key, value in machine.items())
        lines = [head, "", "| check | found | allowed | holds |", "|---|---|---|---|"]
        words = {True: "yes", False: "**no**", None: ""}
        lines += [
            f"| {row.name} | {row.found.replace('|', '/')} | {row.allowed} | {words[row.holds]} |" for row in self._rows
        ]
        return "\n".join(lines) + "\n"
