"""What the commands print, and how."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import quote

if TYPE_CHECKING:
    from rich.console import Console


def add_width(parser: argparse.ArgumentParser) -> None:
    """The option --width."""
    parser.add_argument(
        "--width",
        type=int,
        metavar="N",
        help="characters in a line; the terminal's, and in a pipe all that are needed",
    )


_ENDLESS = 1000  # characters in a line of a pipe


def make_console(width: int | None = None, quiet: bool = False) -> Console:
    """Where a command prints; `quiet`: nowhere, as JSON is wanted alone."""
    from rich.console import Console

    # A pipe has no width: nothing is cut or wrapped there. Text of files is never read as rich's markup.
    # In a notebook rich would send HTML past sys.stdout.
    if width is None and not sys.stdout.isatty():
        width = _ENDLESS
    return Console(
        width=width, markup=False, highlight=False, emoji=False, soft_wrap=True, force_jupyter=False, quiet=quiet
    )


def say(console: Console, text: str, hanging: int = 2) -> None:
    """Print lines; what does not fit into one goes on below it, further in. A line of code stays one.

    Args:
        console: Where to.
        text: One line or several.
        hanging: How much further in.
    """
    for line in text.split("\n"):
        indent = " " * (len(line) - len(line.lstrip()) + hanging)
        if len(line) > console.width < _ENDLESS and not line.lstrip().startswith("kt."):
            width = max(console.width, len(indent) + 20)
            line = textwrap.fill(
                line, width, subsequent_indent=indent, replace_whitespace=False, break_on_hyphens=False
            )
        console.print(line, soft_wrap=True)


def print_table(
    console: Console, titles: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()
) -> None:
    from rich.table import Table

    from ..models.table_text import blocks, fits, least_widths

    if not fits(titles, rows, console.width):
        console.print(blocks(titles, rows, console.width))
        return
    table = Table()
    for index, (title, least) in enumerate(zip(titles, least_widths(titles, rows), strict=True)):
        table.add_column(title, justify="right" if index in right else "left", min_width=least, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table, soft_wrap=False)


def shown(text: object) -> str:
    """Text of a file as it may be printed: as it is where that is harmless."""
    text = str(text)
    return text if text.isprintable() and len(text) <= 200 else quote(text)
