"""Where a command writes to."""

from __future__ import annotations

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
        if os.path.realpath(known) == os.path.realpath(out) or (
            os.path.exists(known) and os.path.exists(out) and os.path.samefile(known, out)
        ):
            raise ArgumentError(f"OUT {quote(out)} is what is read; give another name.")
    if os.path.lexists(out) and not force:
        raise ArgumentError(f"OUT {quote(out)} is there already; --force replaces it.")
