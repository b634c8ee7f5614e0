"""What is measured, kept in a JSON file after each row: one row a line, so that a change shows in a diff."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from _rows import Row

_KINDS = ("rows", "memory")
# A run on another machine or with other versions is not gone on with.
_SAME = ("machine", "threads", "device", "preferred", "python", "versions")


class Results:
    """The file.

    Args:
        path: Where it is, or will be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.facts: dict[str, Any] = {}
        self.found: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in _KINDS}
        if path.exists():
            content = json.loads(path.read_text())
            self.facts = content["facts"]
            self.found = {kind: content[kind] for kind in _KINDS}

    def begin(self, facts: Mapping[str, Any]) -> None:
        """Go on with what is there, if it was measured in the same way."""
        if self.facts:
            for key in _SAME:
                was, now = self.facts.get(key), facts[key]
                if key == "versions":
                    was = {name: version for name, version in was.items() if name in now}
                    now = {name: version for name, version in now.items() if name in was}
                if was != now:
                    raise SystemExit(
                        f"{self.path} was measured with {key} = {was}, this is {now}. Remove it, or give another --out."
                    )
            facts = {**facts, "versions": {**self.facts["versions"], **facts["versions"]}}
        self.facts = dict(facts)

    def has(self, kind: str, row: Row, columns: Iterable[str]) -> bool:
        """Whether the row has something in each of these columns."""
        return set(columns) <= set(self.cells(kind, row))

    def cells(self, kind: str, row: Row) -> dict[str, Any]:
        return self.found[kind].get(row.key, {}).get("cells", {})

    def put(self, kind: str, row: Row, cells: Mapping[str, Any], commit: str) -> None:
        """Keep the row; another process that reads the file sees it before or after, never half of it."""
        self.found[kind][row.key] = {**row.describe(), "commit": commit, "cells": dict(cells)}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text(self._text())
        os.replace(part, self.path)

    def _text(self) -> str:
        parts = [f'"facts": {json.dumps(self.facts)}']
        for kind in _KINDS:
            lines = [f"  {json.dumps(key)}: {json.dumps(entry)}" for key, entry in self.found[kind].items()]
            parts.append(f'"{kind}": {{\n' + ",\n".join(lines) + "\n}")
        return "{" + ",\n".join(parts) + "}\n"
