"""A copy of the working tree, in which one module at a time is another."""

from __future__ import annotations

import ast
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Copy:
    """The copy, and what is known of its modules."""

    def __init__(self, folder: Path) -> None:
        self.root = (folder / "tree").resolve()
        if self.root in (ROOT, *ROOT.parents):
            raise SystemExit(f"{self.root} would be written over, and holds the checkout; give another --folder.")
        shutil.rmtree(self.root, ignore_errors=True)
        listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
        compiled = [str(path.relative_to(ROOT)) for path in (ROOT / "kerastorch" / "native").glob("*.so")]
        for name in (*names, *compiled):
            if (ROOT / name).is_file():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.root / name)
        shared = folder / "shared"
        if (ROOT.parent / "shared").is_dir() and not shared.exists():
            shared.symlink_to((ROOT.parent / "shared").resolve())
        self.functions: dict[str, list[tuple[int, int, str]]] = {}
        self.texts: dict[str, str] = {}

    def text(self, module: str) -> str:
        """A module as it is in the working tree."""
        return self.texts.setdefault(module, (self.root / module).read_text())

    def write(self, module: str, text: str) -> None:
        path = self.root / module
        path.write_text(text)
        for old in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            old.unlink()  # two mutants of one second and one size have the same stamp

    def function_at(self, module: str, line: int) -> str:
        """The qualified name of the innermost function or class around a line."""
        if module not in self.functions:
            self.functions[module] = []
            self._collect(ast.parse(self.text(module)), module, [])
        around = [(last - first, name) for first, last, name in self.functions[module] if first <= line <= last]
        return min(around)[1] if around else "<module>"

    def _collect(self, node: ast.AST, module: str, names: list[str]) -> None:
        for child in ast.iter_child_nodes(node):
            inner = names
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                inner = [*names, child.name]
                first = min([child.lineno, *(each.lineno for each in child.decorator_list)])
                assert child.end_lineno is not None
                self.functions[module].append((first, child.end_lineno, ".".join(inner)))
            self._collect(child, module, inner)
