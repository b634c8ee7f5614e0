"""Write the generated parts of docs/leave.md: what one way or another refuses, by layer, golden model and real file.

`PYTHONPATH=.:tests python tests/make_leave_table.py`
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kerastorch.self_check.trials import Trial, trials

PAGE = Path(__file__).resolve().parents[1] / "docs" / "leave.md"
TESTS = Path(__file__).resolve().parent
LEAVING = TESTS.parent / "kerastorch" / "leaving"
KEPT = TESTS / "export" / "onnx.json"  # what the sweeps by hand found: by set and model, None for the same numbers
REFUSED = TESTS / "leaving" / "refused.json"  # what has no code, by model
END = "<!-- until here -->\n"


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


def step_loop_lines() -> Iterator[str]:
    """The part about step loops, line by line."""
    yield "| layer | examples that run in a step loop |"
    yield "|---|---|"
    for name, refused in step_loops().items():
        every = refused == examples_of(name)
        yield f"| {name} | {'all' if every else ', '.join(refused)} |"


def refusal_lines() -> Iterator[str]:
    """The part about what is refused, or differs, line by line."""
    yield "| what was exported | models | refused, or other numbers |"
    yield "|---|---|---|"
    for kind, found in json.loads(KEPT.read_text(encoding="utf-8")).items():
        wrong = {name: said for name, said in found.items() if said}
        yield f"| {kind}, as ONNX | {len(found)} | {_listed(wrong)} |"
    yield f"| golden models and examples of layers, as source | all | {_listed(json.loads(REFUSED.read_text()))} |"


def source_lines() -> Iterator[str]:
    """The part about what has no code: every message that a translator has, where `...` stands for what it names."""
    yield "| what | as it is said behind the name of the layer |"
    yield "|---|---|"
    for path in sorted(LEAVING.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        said = [_said(node) for node in ast.walk(tree) if isinstance(node, ast.Call)]
        about = (ast.get_docstring(tree) or "").split("\n")[0].rstrip(".").partition(":")[0]
        if path.parent == LEAVING:
            about = "Every layer"
        for reason in dict.fromkeys(filter(None, said)):
            yield f"| {about} | {reason} |"


def _said(call: ast.Call) -> str:
    """The reason in a call of `refusal(layer, reason)` or `self.refused(reason)`; "" for another call."""
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    if name not in ("refusal", "refused"):
        return ""
    reason = call.args[-1]
    if isinstance(reason, ast.Constant):
        return f"the operation ... {reason.value}" if name == "refused" else str(reason.value)
    if not isinstance(reason, ast.JoinedStr):
        return ""
    text = "".join(str(part.value) if isinstance(part, ast.Constant) else "..." for part in reason.values)
    return "" if text == "the operation ... ..." else text  # that is `refused` itself


def _listed(wrong: dict[str, str]) -> str:
    return "; ".join(f"{name}: {said}".replace("|", "\\|") for name, said in sorted(wrong.items())) or "none"


PARTS: dict[str, Callable[[], Iterator[str]]] = {
    "step loops": step_loop_lines,
    "refusals": refusal_lines,
    "no code": source_lines,
}


def begin(part: str) -> str:
    """The line in front of a part."""
    return f"<!-- {part}: written by tests/make_leave_table.py -->\n"


def written(page: str) -> str:
    """The page with its parts as they have to be."""
    for part, lines in PARTS.items():
        before, _, rest = page.partition(begin(part))
        _, _, behind = rest.partition(END)
        page = before + begin(part) + "\n".join(lines()) + "\n" + END + behind
    return page


def keep(kind: str, found: dict[str, str | None]) -> None:
    """Keep what a sweep found; of models that it did not see, what was kept stays."""
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    kept[kind] = dict(sorted({**kept.get(kind, {}), **found}.items()))
    KEPT.write_text(json.dumps(dict(sorted(kept.items())), indent=0, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
