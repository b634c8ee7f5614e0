"""One module for each framework: `make(row, arrays)` -> a case with `call()` and `numbers()`; `versions()`."""

from __future__ import annotations


class NotThere(Exception):
    """The framework has nothing that computes this row; the text says what it lacks."""
