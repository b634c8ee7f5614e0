"""`kerastorch export FILE OUT --to onnx|torch`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from _close import assert_close

import kerastorch as kt
from export._onnx import needs_onnx, ran
from kerastorch.cli import main

DEMO = Path(__file__).resolve().parents[2] / "demo" / "tagger.keras"
WORDS = np.array([[3, 1, 2, 0, 0], [4, 1, 0, 0, 0], [5, 2, 3, 1, 4]])


@needs_onnx
def test_onnx(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "tagger.onnx"
    assert main(["export", str(DEMO), str(out), "--to", "onnx"]) == 0
    said = capsys.readouterr().out
    assert str(out) in said.replace("\n", "")
    assert "int32 (batch, " in said
    assert_close(
        ran(out.read_bytes(), [torch.from_numpy(WORDS.astype("int32"))]), kt.load_model(DEMO).predict(WORDS, verbose=0)
    )


def test_torch(tmp_path: Path) -> None:
    out = tmp_path / "tagger.pt2"
    assert main(["export", str(DEMO), str(out), "--to", "torch"]) == 0
    program = torch.export.load(out).module()
    assert_close(program(torch.from_numpy(WORDS)), kt.load_model(DEMO).predict(WORDS, verbose=0))


@pytest.mark.parametrize(
    ("out", "kind", "message"),
    [
        ("model.pt", "torch", "--to torch writes .pt2"),
        ("model", "onnx", "--to onnx writes .onnx"),
        ("there.onnx", "onnx", "is there already; --force replaces it"),
    ],
)
def test_places(out: str, kind: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "there.onnx").write_bytes(b"before")
    assert main(["export", str(DEMO), str(tmp_path / out), "--to", kind]) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["there.onnx"]
    assert (tmp_path / "there.onnx").read_bytes() == b"before"


def test_what_is_read_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(DEMO), str(DEMO), "--to", "onnx", "--force"]) == 2
    assert "is what is read; give another name" in capsys.readouterr().err
