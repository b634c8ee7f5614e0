"""What a scan has found."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, TextIO

from ..errors import counted, quote

# The exit statuses of `kerastorch scan`; 2 is that of wrong use, too.
LOADS, OWN_CODE, NOTHING, UNSAFE, REFUSED = 0, 1, 2, 3, 4
VERDICTS = {LOADS: "loads", OWN_CODE: "own code", UNSAFE: "unsafe", REFUSED: "refused"}


@dataclass(frozen=True)
class Finding:
    """One thing that stands in a file.

    Attributes:
        status: 0 for a note, 1 where the file needs code of one's own, 3 where a loader that runs what a file says
            would have run, imported, opened or fetched something, 4 where the file is damaged or not supported.
        what: The class, function or kind of file.
        where: Its place: in the config, in the archive, in the HDF5 file; "" for the whole file.
        why: One sentence.
    """

    status: int
    what: str
    where: str
    why: str

    def to_dict(self) -> dict[str, Any]:
        """The finding as plain values."""
        return {"status": self.status, "class": self.what, "place": self.where, "why": self.why}

    def __str__(self) -> str:
        place = f" at {self.where}" if self.where else ""
        return f"{self.what}{place}: {self.why}"


@dataclass(frozen=True)
class ScannedFile:
    """One file, or a folder that is one model.

    Attributes:
        path: Its path.
        format: What kind of file it is; "" where that is not known.
        findings: What was found, the worst first.
    """

    path: str
    format: str
    findings: tuple[Finding, ...] = ()

    @property
    def status(self) -> int:
        """3 if anything is unsafe, whatever else there is; else the highest of the findings, 0 without one."""
        found = {finding.status for finding in self.findings}
        return UNSAFE if UNSAFE in found else max(found, default=LOADS)

    @property
    def verdict(self) -> str:
        """The status in words: "loads", "own code", "unsafe" or "refused"."""
        return VERDICTS[self.status]

    def to_dict(self) -> dict[str, Any]:
        """The file as plain values."""
        found = [finding.to_dict() for finding in self.findings]
        return {
            "path": self.path,
            "format": self.format,
            "status": self.status,
            "verdict": self.verdict,
            "findings": found,
        }


@dataclass(frozen=True)
class ScanReport:
    """What `kt.scan` has found.

    Attributes:
        files: Every file that may be a model, in the order of the paths; none of them was loaded.
        passed_over: Paths that were not looked into: links to folders. Files of no kind that holds models are counted
            in `others`.
        others: How many files of the folders are no models.
        strict: Whether a file that needs code of one's own counts as unsafe.
    """

    files: tuple[ScannedFile, ...]
    passed_over: tuple[str, ...] = ()
    others: int = 0
    strict: bool = False
    counts: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_verdict = Counter(file.verdict for file in self.files)
        object.__setattr__(self, "counts", {verdict: by_verdict[verdict] for verdict in VERDICTS.values()})

    @property
    def status(self) -> int:
        """The exit status of the command: the highest of the files; of `strict` ones 3 in the place of 1.

        2 where no file was found that may be a model: a job that looks at the wrong folder must not pass.
        """
        if not self.files:
            return NOTHING
        found = {file.status for file in self.files}
        return max(UNSAFE if self.strict and status == OWN_CODE else status for status in (LOADS, *found))

    @property
    def findings(self) -> tuple[tuple[ScannedFile, Finding], ...]:
        """Every finding with its file."""
        return tuple((file, finding) for file in self.files for finding in file.findings)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values, which JSON can hold."""
        return {
            "status": self.status,
            "strict": self.strict,
            "counts": dict(self.counts),
            "others": self.others,
            "passed_over": list(self.passed_over),
            "files": [file.to_dict() for file in self.files],
        }

    def print(self, file: TextIO | None = None) -> None:
        """Print the report.

        Args:
            file: Where to; `sys.stdout` if None.
        """
        print(self, file=sys.stdout if file is None else file)

    def __str__(self) -> str:
        lines = []
        for file in self.files:
            lines.append(f"{file.verdict:<9} {_plain(file.path)}{f' ({file.format})' if file.format else ''}")
            lines += [f"  {_plain(str(finding))}" for finding in file.findings]
        lines += [f"not followed: {_plain(path)} (a link to a folder)" for path in self.passed_over]
        return "\n".join([*lines, self.summary()])

    def summary(self) -> str:
        """The last line: how many files of each verdict."""
        number = len(self.files)
        told = ", ".join(f"{count} {verdict}" for verdict, count in self.counts.items() if count)
        others = f"; {counted(self.others, 'other file, no model', 'other files, no models')}" if self.others else ""
        return f"{counted(number, 'file')}: {told or 'none that may be a model'}{others}"


def _plain(text: str) -> str:
    """Text as it may be printed on one line: what acts on a terminal is spelt out."""
    line = " ".join(text.split())
    return line if line.isprintable() else quote(line, 1000)
