"""Write the generated part of docs/leave.md: which examples of which layers one way or another refuses.

`PYTHONPATH=.:tests python tests/make_leave_table.py`
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kerastorch.self_check.trials import Trial, trials

PAGE = Path(__file__).resolve().parents[1] / "docs" / "leave.md"
BEGIN, END = "<!-- written by tests/make_leave_table.py -->\n", "<!-- until here -->\n"


def step_loops() -> dict[str, list[str]]:
    """The examples that run in a step loop, by the class of the layer."""
    found: dict[str, list[str]] = {}
    for trial in _recurrent():
        if any(_loops(layer) for layer in trial.model().layers):
            found.setdefault(trial.cls._class_name, []).append(trial.example.name)
    return found


def examples_of(name: str) -> list[str]:
    """The names of all examples of a class."""
    return [trial.example.name for trial in _recurrent() if trial.cls._class_name == name]


def _recurrent() -> list[Trial]:
    return [t for t in trials() if not t.masked and t.cls.__module__.startswith("kerastorch.layers.rnn")]


def _loops(layer: Any) -> bool:
    choice = getattr(layer, "kernel_choice", None)
    return choice is not None and choice().path == "step loop"


def lines() -> Iterator[str]:
    """The part, line by line."""
    yield "| layer | examples that run in a step loop |"
    yield "|---|---|"
    for name, refused in step_loops().items():
        every = refused == examples_of(name)
        yield f"| {name} | {'all' if every else ', '.join(refused)} |"


def written(page: str) -> str:
    """The page with the part as it has to be."""
    before, _, rest = page.partition(BEGIN)
    _, _, behind = rest.partition(END)
    return before + BEGIN + "\n".join(lines()) + "\n" + END + behind


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
