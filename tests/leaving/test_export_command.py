"""`kerastorch export`."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

import kerastorch as kt
from kerastorch import Input, Sequential, layers
from kerastorch.cli import main

DEMO = Path(__file__).parent.parent.parent / "demo" / "tagger.keras"


def test_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "tagger"
    assert main(["export", str(DEMO), str(out), "--to", "source", "--class-name", "Words", "--no-shapes"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == str(out / "model.py")
    assert printed[-1] == f"python {out / 'model.py'} computes the recorded example again."
    text = (out / "model.py").read_text()
    digest = hashlib.sha256(DEMO.read_bytes()).hexdigest()
    assert f"From tagger.keras (SHA-256 {digest}), written by Keras 3" in text
    assert "class Words(nn.Module):" in text
    assert "# (B" not in text
    assert main(["export", str(DEMO), str(out), "--to", "source"]) == 2
    assert "already" in capsys.readouterr().err
    assert main(["export", str(DEMO), str(out), "--to", "source", "--force"]) == 0
    assert "# (B, T, 12)" in (out / "model.py").read_text()
    kept = (out / "model.py").read_bytes()
    command = ["export", str(DEMO), str(out), "--to", "source", "--force", "--keep-shapes-comments"]
    assert main(command) == 0
    assert (out / "model.py").read_bytes() == kept


@pytest.mark.parametrize("command", ["convert", "export"])
def test_help_says_where_one_can_go(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    said = capsys.readouterr().out
    others = {"convert": ["kerastorch export"], "export": ["kerastorch convert", "to_torch()"]}[command]
    assert [way for way in ("kt.copy_weights", "docs/leave.md", *others) if way not in said] == []


def test_what_has_no_translation_is_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = Sequential([Input((6,)), layers.SpectralNormalization(layers.EinsumDense("bf,fu->bu", 2), name="held")])
    kt.save_model(model, tmp_path / "model.keras")
    assert main(["export", str(tmp_path / "model.keras"), str(tmp_path / "out"), "--to", "source"]) == 2
    said = capsys.readouterr().err
    assert "SpectralNormalization 'held' cannot become plain torch: the kernel of a EinsumDense inside has no" in said
    assert not (tmp_path / "out").exists()
