"""What a load did: translated, assigned, left out."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import counted
from .files import Skipped
from .spec import Rule


@dataclass(frozen=True)
class LoadReport:
    """What a load did.

    Attributes:
        path: The file.
        format: What kind of file it is.
        writer: Which Keras wrote it.
        rules: What was translated from that Keras's spelling and meaning.
        assigned: For each variable of the model, its label and where its array stands in the file.
        values: How many values were set.
        skipped: What is in the file and was not used (assets, a loss that is not here), with the reason.
        unset: Variables of the model that were left as they were, with the reason; only if the caller allowed it.
        unused: Arrays of the file that were not loaded, with the reason; only if the caller allowed it.
        differences: Arguments that make the model compute otherwise than the one in the file, `load_weights` only.
        optimizer: The optimizer that the model was given, and how many steps it has done.
    """

    path: str
    format: str
    writer: str
    rules: tuple[Rule, ...]
    assigned: tuple[tuple[str, str], ...]
    values: int
    skipped: tuple[Skipped, ...]
    unset: tuple[Skipped, ...] = ()
    unused: tuple[Skipped, ...] = ()
    differences: tuple[Rule, ...] = ()
    optimizer: str | None = None

    def __str__(self) -> str:
        lines = [
            f"{self.path}: {self.format}, {self.writer}: {counted(len(self.assigned), 'array')}, "
            f"{counted(self.values, 'value')}"
        ]
        lines += [f"  compiled with {self.optimizer}"] if self.optimizer else []
        lines += [f"  layer {rule.layer!r}: {rule.text}" for rule in self.rules]
        lines += [f"  not loaded: {item.what} ({item.reason})" for item in (*self.skipped, *self.unused)]
        lines += [f"  left as it was: {item.what} ({item.reason})" for item in self.unset]
        lines += [f"  not as in the file: layer {rule.layer!r}: {rule.text}" for rule in self.differences]
        return "\n".join(lines)
