"""Where a command writes to."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable

from ..errors import ArgumentError, quote


def refuse_place(out: str, read: Iterable[str | None], force: bool) -> None:
    """Refuse a place that must not be written to, before anything is read.

    Args:
        out: The place.
        read: What the command reads, as far as it is given.
        force: Whether what stands there may be replaced.
    """
    for known in filter(None, read):
        if _same(known, out):
            raise ArgumentError(f"OUT {quote(out)} is what is read; give another name.")
    if os.path.lexists(out) and not force:
        raise ArgumentError(f"OUT {quote(out)} is there already; --force replaces it.")


def refuse_reports(options: argparse.Namespace) -> None:
    """Refuse a report (--json, --html) in the place of what the command reads or writes."""
    given = vars(options)
    places = {name: given.get(name) for name in ("json", "html")}
    reports = {name: place for name, place in places.items() if isinstance(place, str) and place != "-"}
    others = {name: given[name] for name in ("file", "out", "arch", "recording", "golden") if given.get(name)}
    for name, place in reports.items():
        for other, known in (*others.items(), *((each, at) for each, at in reports.items() if each != name)):
            if _same(known, place):
                raise ArgumentError(f"--{name} {quote(place)} is the place of {other.upper()}, too; give another name.")


def _same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other) or (
        os.path.exists(one) and os.path.exists(other) and os.path.samefile(one, other)
    )
