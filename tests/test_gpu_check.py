"""`make gpu-check` without a device: the same code on the CPU, and a fault that it must see."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from kerastorch import layers

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "benchmarks" / "gpu_check"
ROWS = (
    *("GRU, float32, gradients", "LSTM recurrent dropout, float64, gradients", "layout of lstm, 6 features"),
    *("states cut out of a larger tensor", "stateful", "batch of 0, LSTM", "one step, GRU", "after deepcopy"),
    *("after to the CPU and back", "after load_state_dict", "after an optimizer step", "mixed_float16, LSTM"),
    *("mixed_bfloat16, masked Bidirectional", "autocast bfloat16, masked Bidirectional", "ConvLSTM2D, channels_first"),
    *("the same bits twice, masked LSTM", "torch.compile", "time, masked, training", "time, masked Bidirectional"),
    "predict names an id that is out of range",
)
# What the script may need on a machine that was lent for minutes.
PACKAGES = {"torch", "numpy", "pytest", "h5py", "rich", "safetensors", "hypothesis", "kerastorch"}


def test_the_dry_run_finds_nothing_wrong(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--device", "cpu"]
    env = {"PYTHONPATH": str(ROOT), "PATH": "", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, env=env)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert run.stdout.splitlines()[-1].endswith("failed: none")
    for name in ROWS:
        assert f"| {name}" in run.stdout
    assert not list(tmp_path.iterdir())


def imported(path: Path, seen: set[Path]) -> set[str]:
    """What a file of tests, and the modules of tests that it imports, need when they are imported."""
    if path in seen:
        return set()
    seen.add(path)
    found: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        names = [item.name for item in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        for name in names:
            homes = [folder / f"{name.replace('.', '/')}.py" for folder in (path.parent, ROOT / "tests")]
            home = next((home for home in homes if home.exists()), None)
            found |= {name.partition(".")[0]} if home is None else imported(home, seen)
    return found


@pytest.mark.usefixtures("agreement")
def test_the_tests_that_it_runs_need_no_more_than_a_bare_machine_has() -> None:
    """Collecting all others would fail there, and take a minute."""
    spec = importlib.util.spec_from_file_location("gpu_check_main", SCRIPT / "__main__.py")
    assert spec is not None
    assert spec.loader is not None
    script: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    marked = [ROOT / name for name in script.marked_files()]
    names = {path.name for path in marked}
    assert {"test_no_reading.py", "test_user_script.py", "test_predict.py"} <= names
    assert not {"test_cudnn.py", "test_imports.py"} & names
    around = [folder / "conftest.py" for path in marked for folder in path.parents if ROOT in folder.parents]
    seen: set[Path] = set()
    for path in [*marked, *(path for path in around if path.exists())]:
        assert imported(path, seen) <= PACKAGES | sys.stdlib_module_names, path


def test_without_a_device_it_says_so() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a device")
    run = subprocess.run(
        [sys.executable, str(SCRIPT)], capture_output=True, text=True, timeout=300, env={"PYTHONPATH": str(ROOT)}
    )
    assert run.returncode == 2
    assert "torch sees no CUDA device" in run.stderr


@pytest.fixture
def agreement(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(SCRIPT))
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    for name in ("rows", "agreement", "behaviour", "timing"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import agreement as found  # pyright: ignore[reportMissingImports]

    return found


def test_a_weight_that_is_a_thousandth_wrong_is_seen(agreement: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import rows  # pyright: ignore[reportMissingImports]

    class Wrong(layers.LSTM):
        """A layer whose forget gate changes a little when it is moved: the reference was computed before."""

        def to(self, *args: Any, **options: Any) -> Any:
            with torch.no_grad():
                self.weight_hh_l0[7:14] *= 1.001
            return super().to(*args, **options)

    monkeypatch.setattr(agreement, "KINDS", {"LSTM": Wrong, "right": layers.LSTM})
    monkeypatch.setattr(agreement.layers, "Bidirectional", lambda layer: layer)
    found = rows.Rows()
    agreement.agreement(found, torch.device("cpu"), True)
    assert [name for name in found.failed() if name.startswith("right")] == []
    assert len([name for name in found.failed() if name.startswith("LSTM")]) == 4


def test_an_error_is_a_row_and_the_others_go_on(agreement: Any) -> None:
    import rows  # pyright: ignore[reportMissingImports]

    found = rows.Rows()
    with found.guarded("first"):
        raise RuntimeError("cuDNN error")
    found.gap("second", 1e-9, 1e-6)
    assert found.failed() == ["first"]
    assert "RuntimeError" in found.table({})
    assert "cuDNN error" in found.table({})
