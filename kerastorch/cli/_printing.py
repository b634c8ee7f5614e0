"""What the commands print, and how."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, quote

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


def make_console(width: int | None = None) -> Console:
    from rich.console import Console

    # A pipe has no width: nothing is cut or wrapped there. Text of files is never read as rich's markup.
    # In a notebook rich would send HTML past sys.stdout.
    if width is None and not sys.stdout.isatty():
        width = 1000
    return Console(width=width, markup=False, highlight=False, emoji=False, soft_wrap=True, force_jupyter=False)


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


def show_report(report: Any, json_to: str | None, html_to: str | None = None) -> None:
    """Print a report, write it where --json and --html say, and say that it was written.

    It is printed first: a place that cannot be written does not cost what it took minutes to find.
    """
    alone = json_to == "-"  # then nothing else is on stdout
    if not alone:
        make_console().print(str(report))
    if json_to is not None:
        write_json(report.to_dict(), json_to)
    if html_to is not None:
        report.to_html(html_to)
    written = [shown(path) for path in (json_to, html_to) if path not in (None, "-")]
    if written:
        print(f"Written: {', '.join(written)}", file=sys.stderr if alone else sys.stdout)


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
