"""Tables as text, at the width of a terminal: folded where that can be read, else one block for each row."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from io import StringIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

_READABLE = 14  # characters of a column, below which folded text is hard to read
_NARROWEST = 20


def terminal_width() -> int | None:
    """Characters in a line of the terminal that is printed to; None where nothing is folded, as it is none."""
    import shutil

    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def fits(titles: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> bool:
    """Whether a table of that width can be read: each column has its longest text, or enough of it."""
    if width is None:
        return True
    return sum(least + 3 for least in least_widths(titles, rows)) + 1 <= width


def least_widths(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """Characters that each column needs to be read: its longest text, or enough of it, and no word broken."""
    found = []
    for column in zip(titles, *rows, strict=True):
        words = max((len(word) for cell in column for word in cell.split()), default=0)
        found.append(max(min(max(map(len, column)), _READABLE), words))
    return found


def blocks(titles: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> str:
    """One block for each row: its first cell, and below it the others, each with its title."""
    width = max(width, _NARROWEST)
    label = max((len(title) for title in titles[1:]), default=0) + 4
    lines: list[str] = []
    for first, *rest in rows:
        depth = first[: len(first) - len(first.lstrip())]
        lines += textwrap.wrap(first.strip(), width, initial_indent=depth, subsequent_indent=depth + "  ")
        for title, cell in zip(titles[1:], rest, strict=True):
            if cell and cell != "-":
                begin, after = f"{depth}  {title}".ljust(label + len(depth)), " " * (label + len(depth))
                lines += textwrap.wrap(cell, width, initial_indent=begin, subsequent_indent=after)
    return "\n".join(line.rstrip() for line in lines)


def rendered(table: Table, width: int | None) -> str:
    """A rich table as text without spaces at the ends of lines."""
    from rich.console import Console

    buffer = StringIO()
    console = Console(file=buffer, width=width or 10_000, markup=False, emoji=False, highlight=False)
    console.print(table)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()).rstrip("\n")
