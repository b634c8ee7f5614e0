"""The recorder's script: one file for every Python, that needs nothing of ours."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from kerastorch.parity import recorder_script
from kerastorch.parity.recorder.capture import is_of_rows, to_array
from kerastorch.parity.recorder.probes import arrays, describe_weights, digest, plan, random_weights

IDS = {"name": "ids", "shape": [None, None], "dtype": "int32", "ids": 9, "pad": 0}
VALUES = {"name": "x", "shape": [None, None, 3], "dtype": "float32", "ids": None, "pad": -1.0}
# What Python 2.7 does not have.
NEWER = (
    ast.AnnAssign, ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await, ast.JoinedStr, ast.MatMult,
    ast.NamedExpr, ast.Nonlocal, ast.Starred, ast.YieldFrom, ast.Match,
)  # fmt: skip


def newer_syntax(text: str) -> list[str]:
    """What stands in a text that Python 2.7 cannot read, or reads otherwise."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, NEWER) and not (isinstance(node, ast.Starred) and node.lineno in _calls(text)):
            found.append(f"{node.lineno}: {type(node).__name__}")  # type: ignore[attr-defined]
        if isinstance(node, ast.arguments):
            typed = [arg.arg for arg in (*node.args, *node.kwonlyargs) if arg.annotation is not None]
            found += [f"{name}: annotated" for name in typed] + [f"{arg.arg}: by name only" for arg in node.kwonlyargs]
        if isinstance(node, ast.Raise) and node.cause is not None:
            found.append(f"{node.lineno}: raise from")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super" and not node.args:
            found.append(f"{node.lineno}: super()")
        if isinstance(node, ast.Dict) and None in node.keys:
            found.append(f"{node.lineno}: ** in a dict")
    return found


def _calls(text: str) -> set[int]:
    """The lines of `call(*args)`, which every Python has."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    return {part.lineno for call in calls for part in call.args if isinstance(part, ast.Starred)}


def test_it_is_written_for_old_pythons() -> None:
    text = recorder_script()
    assert newer_syntax(text) == []
    ast.parse(text, feature_version=(3, 7))
    text.encode("ascii")  # Python 2.7 asks for a declaration above anything else
    imported = {
        name.name.partition(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import)
        for name in node.names
    }
    assert "kerastorch" not in imported
    assert "from ." not in text


@pytest.mark.parametrize(
    "code",
    ["f'{x}'", "def f(x: int): pass", "def f(*, x): pass", "raise A from b", "super().f()", "a = {**b}", "x: int"],
)
def test_planted_newer_syntax_is_seen(code: str) -> None:
    assert newer_syntax(code)


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.8"])
def test_old_pythons_compile_it(tmp_path: Path, version: str) -> None:
    homes = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    python = shutil.which(f"python{version}") if not homes else str(homes[0])
    if python is None or subprocess.run([python, "-c", ""], capture_output=True).returncode != 0:
        pytest.skip(f"there is no Python {version} here")
    path = tmp_path / "recorder.py"
    path.write_text(recorder_script(), encoding="utf-8")
    run = subprocess.run([python, "-m", "py_compile", str(path)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_it_runs_where_nothing_of_ours_is(tmp_path: Path) -> None:
    path = tmp_path / "recorder.py"
    path.write_text(recorder_script(), encoding="utf-8")
    run = subprocess.run([sys.executable, "-I", str(path), "--help"], capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0
    assert "layer by layer" in run.stdout
    (tmp_path / "keras.py").write_text("raise ImportError('no tensorflow')")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, str(path), "m.h5", "r.npz", "--arch", "a.json", "--keras", "keras"]
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert run.returncode == 4
    assert "recorder: error: there is no Keras in" in run.stdout
    assert "keras: no tensorflow" in run.stdout


# ---------------------------------------------------------------------------- probes


def test_probes_are_the_same_everywhere() -> None:
    """The stream of RandomState is frozen in numpy: a recording of one process is compared in another."""
    probe = next(item for item in plan([IDS, VALUES], False, 7, 5) if item["name"] == "holes")
    ids, values = arrays([IDS, VALUES], probe)
    assert ids[0].tolist() == [2, 0, 5, 8, 0, 2, 4]
    assert (values.shape, values.dtype) == ((4, 7, 3), np.float32)
    assert digest(values)[:16] == digest(arrays([IDS, VALUES], probe)[1])[:16]


def masked_steps(name: str, spec: dict[str, object]) -> np.ndarray:
    probe = next(item for item in plan([spec], False, 7, 0) if item["name"] == name)
    (values,) = arrays([spec], probe)
    steps = values == spec["pad"]
    return steps.all(-1) if steps.ndim == 3 else steps


@pytest.mark.parametrize("spec", [IDS, VALUES])
def test_masks_of_every_kind(spec: dict[str, object]) -> None:
    right, left = masked_steps("right", spec), masked_steps("left", spec)
    assert right.tolist() == left[:, ::-1].tolist()
    assert right.sum(1).tolist() == [0, 1, 3, 5]  # of 7 steps
    assert right[:, 0].sum() == 0
    holes = masked_steps("holes", spec)
    assert holes.any(1).all()
    assert not holes.all(1).any()
    assert ((holes[:, :-1] < holes[:, 1:]).any(1) & (holes[:, :-1] > holes[:, 1:]).any(1)).all()
    assert masked_steps("none", spec).all(1).tolist() == [False, False, False, True]
    assert not masked_steps("normal", spec).any()


def test_the_plan_follows_the_inputs() -> None:
    def names(*specs: dict[str, object], stateful: bool = False) -> list[str]:
        return [probe["name"] for probe in plan(list(specs), stateful, 7, 0)]

    fixed = {"name": "x", "shape": [2, 5, 3], "dtype": "float32", "ids": None, "pad": None}
    stateful = ["normal", "again", "small", "large", "random weights", "pieces", "second piece"]
    assert names(fixed, stateful=True) == stateful
    assert "small" not in names(IDS)
    assert names(IDS)[1:5] == ["right", "left", "holes", "none"]
    assert {"one step", "longer", "one row", "small", "large"} <= set(names(VALUES))
    seeds = [probe["seed"] for probe in plan([IDS], False, 7, 40)]
    assert seeds == list(range(40, 40 + len(seeds)))
    assert len(arrays([IDS], next(p for p in plan([IDS], False, 7, 0) if p["name"] == "one step"))[0][0]) == 1


def test_random_weights_are_such_that_a_model_can_have_them() -> None:
    rng = np.random.RandomState(0)
    names = ["lstm/kernel:0", "batch_normalization/moving_variance:0", "batch_normalization/gamma:0", "bias", "count"]
    held = [rng.normal(size=(5, 8)) * 3, np.ones(4), np.ones(4), np.zeros(4), np.array([3])]
    held = [array.astype("float32") for array in held[:4]] + held[4:]
    described = describe_weights(names, held)
    made = random_weights(described, 1)
    assert made[4] is None
    assert [array.shape for array in made[:4]] == [array.shape for array in held[:4]]
    assert all(array.dtype == np.float32 for array in made[:4])
    assert 2 < made[0].std() < 4
    assert all((made[place] > 0).all() for place in (1, 2))
    assert len(np.unique(made[3])) == 4
    assert all((a == b).all() for a, b in zip(made[:4], random_weights(described, 1)[:4], strict=True))
    assert described["sha256"][0] == digest(held[0])
    assert digest(held[3]) != digest(held[3].reshape(2, 2))


def test_values_of_torch_are_arrays() -> None:
    """The backend torch of Keras 3: its dense tensors have the methods of sparse ones."""
    values = torch.arange(6.0).reshape(2, 3)
    assert_array_equal(to_array(values.requires_grad_()), values.detach().numpy())
    narrow = to_array(values.bfloat16())
    assert narrow is not None
    assert narrow.dtype == "float32"
    assert_array_equal(narrow, values.detach().numpy())
    assert to_array(values.to_sparse()) is None
    assert not is_of_rows(values), "a dense gradient: it has methods called indices and values"
    assert is_of_rows(types.SimpleNamespace(indices=[0], values=[1.0]))


def test_a_backend_is_that_of_keras_3(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another Keras does not stand in for one with the backend that is asked for."""

    def made(name: str, version: str, backend: str) -> types.ModuleType:
        module = types.ModuleType(name)
        module.__version__ = version  # type: ignore[attr-defined]
        module.backend = types.SimpleNamespace(backend=lambda: backend)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, module)
        return module

    two, three = made("tf_keras", "2.21.0", "tensorflow"), made("keras", "3.15.1", "tensorflow")
    assert recorder_main().find_keras("auto", True) is three
    assert recorder_main().find_keras("auto", False) is two
    for wanted in ("auto", "keras", "tf_keras"):
        with pytest.raises(Exception, match=r"there is no Keras with the backend jax in .* has another"):
            recorder_main().find_keras(wanted, False, "jax")
    jax = made("keras", "3.15.1", "jax")
    assert recorder_main().find_keras("auto", False, "jax") is jax


def recorder_main() -> types.SimpleNamespace:
    """The recorder's command line, from its one file; kerastorch never imports it."""
    namespace: dict[str, object] = {"__name__": "recorder"}
    exec(compile(recorder_script(), "recorder.py", "exec"), namespace)
    return types.SimpleNamespace(**namespace)
