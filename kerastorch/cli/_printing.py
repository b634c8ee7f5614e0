"""What the commands print, and how."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, quote

if TYPE_CHECKING:
    from rich.console import Console


def make_console() -> Console:
    from rich.console import Console

    # A pipe has no width: nothing is cut or wrapped there. Text of files is never read as rich's markup.
    # In a notebook rich would send HTML past sys.stdout.
    width = None if sys.stdout.isatty() else 1000
    return Console(width=width, markup=False, highlight=False, emoji=False, soft_wrap=True, force_jupyter=False)


def print_table(
    console: Console, titles: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()
) -> None:
    from rich.table import Table

    table = Table()
    for index, title in enumerate(titles):
        table.add_column(title, justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table, soft_wrap=False)


def shown(text: object) -> str:
    """Text of a file as it may be printed: as it is where that is harmless."""
    text = str(text)
    return text if text.isprintable() and len(text) <= 200 else quote(text)


def write_json(said: Mapping[str, Any], to: str) -> None:
    """Write a report to the place that --json names; `-` is the terminal."""
    text = json.dumps(said, indent=1)
    if to == "-":
        print(text)
        return
    try:
        Path(to).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise ArgumentError(f"--json {quote(to)} cannot be written: {error}") from error
