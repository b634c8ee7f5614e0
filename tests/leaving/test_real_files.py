"""Real files that people saved, as generated code: outputs and gradients are ours. Skipped without them."""

from __future__ import annotations

import ast
import warnings
from pathlib import Path
from typing import Any

import torch
from _close import GRADIENT, apart
from _needs import SHARED_FILES, needs
from test_corpus import MANIFEST, RIGHT, STOCHASTIC, load

from kerastorch.leaving import to_source, to_torch
from kerastorch.leaving.example import recorded_example

from ._cases import from_text, text_of
from .test_to_torch import differences, run

pytestmark = needs(MANIFEST, SHARED_FILES)
_ALLOWED = {"torch", "safetensors", "math", "collections", "functools", "pathlib", "typing", "__future__"}


def imported(text: str) -> set[str]:
    """The packages that code imports."""
    nodes = list(ast.walk(ast.parse(text)))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in names}


def test_every_real_file_becomes_code_that_computes_the_same() -> None:
    wrong: list[str] = []
    assert len(RIGHT) == 69
    for file in RIGHT:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = load(file).eval()
            inputs, _ = recorded_example(model)
        # In float64: what people trained magnifies rounding, each model as much as its weights do; compared as float32.
        live = to_torch(model.double())
        inputs = [x.double() if x.is_floating_point() else x for x in inputs]
        inputs = [x[:2] for x in inputs] if not model.stateful else inputs
        assert imported(text_of(live)) <= _ALLOWED
        made = from_text(live)
        if file == STOCHASTIC:
            assert not torch.equal(made(*inputs), made(*inputs))
            continue
        outputs, gradients = run(model, inputs)
        theirs, expected = run(live, inputs, len(outputs))
        mine, own = run(made, inputs, len(outputs))
        gaps = [apart(a.float(), b.float()) for found in (theirs, mine) for a, b in zip(found, outputs, strict=True)]
        gaps += differences(own, expected)
        shared = [key for key in own.keys() & gradients.keys() if isinstance(key, int)]
        gaps += [apart(own[key].float(), gradients[key].float(), GRADIENT) for key in shared]
        wrong += [f"{file}: {gap}" for gap in gaps if gap]
    assert not wrong, "\n".join(wrong)


def test_dropout_that_acts_in_evaluation_is_replayed(tmp_path: Path) -> None:
    model: Any = load(STOCHASTIC)
    to_source(model, tmp_path / "out")
    text = (tmp_path / "out" / "model.py").read_text()
    assert "torch.manual_seed(0)  # dropout acts in evaluation, too" in text
    names: dict[str, Any] = {"__name__": "generated", "__file__": str(tmp_path / "out" / "model.py")}
    exec(compile(text, "model.py", "exec"), names)
    for computed, recorded in names["replay"]():
        assert apart(computed, recorded) is None
