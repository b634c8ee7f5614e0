"""What the commands print, and how."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import quote

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
