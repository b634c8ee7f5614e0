"""`make gpu-check` without a device: the same code on the CPU, and a fault that it must see."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from kerastorch import layers

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "benchmarks" / "gpu_check"


def test_the_dry_run_finds_nothing_wrong(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--device", "cpu"]
    run = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=600, env={"PYTHONPATH": str(ROOT), "PATH": ""}
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert run.stdout.splitlines()[-1].endswith("failed: none")
    for name in ("GRU, float32, gradients", "stateful", "after an optimizer step", "time, masked, training"):
        assert f"| {name}" in run.stdout
    assert not list(tmp_path.iterdir())


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
    for name in ("rows", "agreement"):
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
