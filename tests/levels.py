"""The comparing tests under each level of the processor's vector units: `make test-levels`.

A processor with fewer units sums in another order. One that has many can play the others: torch, oneDNN, MKL and the
compiled library each have a switch. MKL has two, and both work: MKL_CBWR goes down to COMPATIBLE, which is less than
SSE4.2, where MKL_ENABLE_INSTRUCTIONS ends. oneDNN ends at SSE4.1. Then the levels of the compiled library
alone, and none, beside a torch that uses everything.

    python tests/levels.py [--live] [--level NAME]... [ARGUMENTS OF PYTEST]

Files, folders or tests among the arguments are run in the place of all comparing ones.
"""

from __future__ import annotations

import argparse
import ast
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

TESTS = Path(__file__).parent
SWITCHES = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_CBWR", "KERASTORCH_COMPILED")
LEVELS = {  # from the lowest
    "default": ("default", "SSE41", "COMPATIBLE", "default"),
    "avx2": ("avx2", "AVX2", "AVX2", "avx2"),
    "avx512": ("avx512", "AVX512_CORE", "AVX512", "avx512"),
}
REQUIRES = ("CI", "KERASTORCH_REQUIRE_ALL")  # of `_needs.py`
COMPILED = ("avx2", "default", "none")  # each alone, where it is lower than the processor
JUDGE = TESTS / "_close.py"
OTHER_JUDGES = {"test_corpus.py", "saving/test_corpus_saved.py", "saving/test_keras2_corpus.py"}  # 1e-5 of the size


def environments(highest: str) -> dict[str, dict[str, str]]:
    """The variables of each level, for a processor whose highest is `highest`, as torch calls it."""
    names = list(LEVELS)
    here = names[: names.index(highest.lower()) + 1] if highest.lower() in names else names[:1]
    found = {name: dict(zip(SWITCHES, LEVELS[name], strict=True)) for name in here}
    for level in COMPILED:
        if level == "none" or level in here[:-1]:
            found[f"compiled {level}"] = {"KERASTORCH_COMPILED": level}
    return found


def comparing() -> list[str]:
    """The test files that compare rounded numbers, by themselves or with the help of another file that does."""
    imported = {file: _imported(file) for file in sorted(TESTS.rglob("*.py"))}
    found = {JUDGE, *(TESTS / name for name in OTHER_JUDGES)}
    while more := {file for file, others in imported.items() if others & found} - found:
        found |= more
    return [str(file) for file in sorted(found) if file.stem.startswith("test_")]


def _imported(file: Path) -> set[Path]:
    """The files of the tests that one of them imports."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {(0, alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = [alias.name for alias in node.names] if node.module is None else [node.module]
            names |= {(node.level, part) for part in parts}
    homes = {level: [TESTS, file.parent] if level == 0 else [file.parents[level - 1]] for level, _ in names}
    paths = (home / f"{name.replace('.', '/')}.py" for level, name in names for home in homes[level])
    return {path for path in paths if path.exists()}


def arguments_of_pytest(live: bool, rest: list[str]) -> list[str]:
    """What pytest is called with: all comparing files, unless `rest` names what to run."""
    named = any(Path(argument.split("::")[0]).exists() for argument in rest if not argument.startswith("-"))
    return [*([] if named else comparing()), *([] if live else ["-m", "not live"]), *rest]


def run(switches: dict[str, str], arguments: list[str]) -> tuple[int, str]:
    """Run pytest in a process of that level; the exit status and what it printed."""
    # A level without compiled code lacks it on purpose: what needs it is skipped there, also where all is required.
    other = (*SWITCHES, *REQUIRES) if switches.get("KERASTORCH_COMPILED") == "none" else SWITCHES
    environment = {name: value for name, value in os.environ.items() if name not in other}
    environment |= {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", **switches}
    command = [sys.executable, "-m", "pytest", "-q", "--tb=short", "--show-capture=no", *arguments]
    # Inductor keeps what it compiled for all processes, and what it kept for another level gives wrong numbers here.
    with tempfile.TemporaryDirectory() as kept:
        environment["TORCHINDUCTOR_CACHE_DIR"] = kept
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def main() -> int:
    known = environments(torch.backends.cpu.get_cpu_capability())
    parser = argparse.ArgumentParser(description="The comparing tests under each level of the processor.")
    parser.add_argument("--live", action="store_true", help="those with live Keras too: an hour instead of minutes")
    parser.add_argument("--level", action="append", choices=list(known), help="of these alone; all of them otherwise")
    options, rest = parser.parse_known_args()
    failed = 0
    for name in options.level or known:
        start = time.monotonic()
        status, output = run(known[name], arguments_of_pytest(options.live, rest))
        failed += status != 0
        lines = output.rstrip().splitlines()
        if status:
            print("\n".join(line for line in lines if line.startswith(("E  ", "FAILED", "ERROR"))))
        print(f"{name:17} {lines[-1] if lines else 'nothing was run'}  ({time.monotonic() - start:.0f} s)", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
