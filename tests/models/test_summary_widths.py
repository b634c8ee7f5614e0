"""Tables at the widths of terminals, and further columns. The texts in `goldens/tables` are written anew, to be looked
at, by `PYTHONPATH=.:tests python -m models.test_summary_widths`.
"""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from _outcomes_info import NATIVE
from make_goldens import ROOT
from torch import nn

import kerastorch as kt
from kerastorch import Input, Model, Sequential, layers
from kerastorch.cli import main
from kerastorch.errors import ArgumentError
from kerastorch.models import table_text
from kerastorch.models.summary_columns import counts_in_torch, multiply_adds

DEMO = ROOT / "demo" / "tagger.keras"
FOLDER = ROOT / "tests" / "goldens" / "tables"
WIDTHS = (50, 80, 120)
COLUMNS = "dtype,trainable,memory,mult_adds,torch"


def printed(*command: str) -> str:
    with redirect_stdout(io.StringIO()) as text, mock.patch.multiple("kerastorch.native", **NATIVE):
        assert main(list(command)) == 0
    said = text.getvalue().replace(str(DEMO), "tagger.keras").partition("\nwhat next")[0].partition("\nnext:")[0]
    return "\n".join(line.rstrip() for line in said.splitlines()) + "\n"


def cases() -> dict[str, tuple[str, ...]]:
    found = {}
    for width in WIDTHS:
        found[f"info-{width}"] = ("info", str(DEMO), "--width", str(width))
        found[f"summary-{width}"] = ("summary", str(DEMO), "--width", str(width))
        found[f"columns-{width}"] = ("summary", str(DEMO), "--width", str(width), "--columns", COLUMNS)
    return found


@pytest.mark.parametrize("case", cases())
def test_tables_at_three_widths(case: str) -> None:
    text = printed(*cases()[case])
    assert text == (FOLDER / f"{case}.txt").read_text("utf-8")
    assert max(map(len, text.splitlines())) <= int(case.split("-")[1])


def test_every_golden_is_compared() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(cases())


def text_of(model: Any, **options: Any) -> str:
    found: list[str] = []
    model.summary(print_fn=found.append, **options)
    (text,) = found
    return text


def masked() -> Model:
    x = Input((5, 3), name="x")
    y = layers.LSTM(4, name="rnn", return_sequences=True)(layers.BatchNormalization(name="norm")(x))
    both = layers.Bidirectional(layers.GRU(2), name="both")(y)
    return Model(x, [layers.Dense(2, name="each")(y), layers.Dense(1, name="last")(both)])


def test_folded_in_the_middle_and_blocks_below() -> None:
    long = Sequential([Input((3,)), layers.Dense(2, name="a layer with a name of many words in it")], name="long")
    wide, folded, narrow = text_of(long), text_of(long, width=60), text_of(long, width=30)
    assert "a layer with a name of many words in it (Dense)" in wide
    assert max(map(len, folded.splitlines())) <= 60
    assert "Layer (type)" in folded
    assert "Layer (type)" not in narrow
    assert narrow.splitlines()[2:5] == [
        "a layer with a name of many",
        "  words in it (Dense)",
        "  Output Shape  (None, 2)",
    ]
    assert max(map(len, text_of(long, width=5).splitlines())) <= 40  # no terminal is that narrow


def test_a_terminal_has_its_own_width(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    model = masked()
    model.summary()
    assert "Connected to" in capsys.readouterr().out.splitlines()[2]
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert table_text.terminal_width() == 40
    model.summary()
    out = capsys.readouterr().out
    assert "rnn (LSTM)\n  Output Shape  (None, 5, 4)\n  Param #       128\n  Connected to  norm\n" in out
    assert "Layer (type)" in text_of(model)  # what goes to a function is not folded


def test_multiply_adds_are_those_of_the_matrix_products() -> None:
    model = masked()
    counts = {layer.name: count for layer in model.layers if (count := multiply_adds(model)[id(layer)])}
    both = 2 * 5 * 3 * 2 * (4 + 2)  # directions, steps, gates, units, inputs and units
    assert counts == {"rnn": 5 * 4 * 4 * (3 + 4), "both": both, "each": 5 * 4 * 2, "last": 4}
    assert next(p for p in model.parameters()).device.type == "cpu"


def test_parameters_in_torch() -> None:
    model = masked()
    found, second = counts_in_torch(model)
    assert found == sum(parameter.numel() for parameter in model.to_torch().parameters())
    assert second == 16  # an LSTM's; a GRU has two in Keras, too
    text = text_of(model, columns=["torch"])
    keras = model.count_params()
    assert text.endswith(
        f" parameters: Keras {keras}, torch {found}: torch adds a second bias to each LSTM and RNN; here it is zeros "
        "and never trains (16); Keras counts moving statistics, which are buffers in torch (6)"
    )
    plain = Sequential([Input((3,)), layers.Dense(2)])
    assert text_of(plain, columns=["torch"]).endswith(" Non-trainable params: 0")


def test_kernels_and_why() -> None:
    text = text_of(masked(), columns=["kernel"])
    (line,) = [line for line in text.splitlines() if line.strip().startswith("rnn")]
    assert "fused" in line
    assert line.rstrip().endswith(layers.LSTM(4).kernel_choice(training=False).reason[-20:]) or "torch's LSTM" in line


def test_what_columns_refuse() -> None:
    for wrong in (["colour"], "dtype"):
        with pytest.raises(ArgumentError, match="columns: expected a list of dtype, trainable, kernel, memory"):
            text_of(masked(), columns=wrong)
    with pytest.raises(ArgumentError, match="columns go with width=, not with line_length= or positions="):
        text_of(masked(), columns=["dtype"], line_length=90)
    with pytest.raises(ArgumentError, match="summary: width"):
        text_of(masked(), width=0)


# ---------------------------------------------------------------------------- any module of torch


def test_summary_of_any_module() -> None:
    found: list[str] = []
    kt.summary(nn.LSTM(1, 5), (2, 7, 1), print_fn=found.append)
    assert "[2, 7, 5]" in found[-1]
    last = "parameters: Keras 140, torch 160: torch has a second bias in each LSTM and RNN (20)"
    assert found[-1].splitlines()[-1] == last
    kt.summary(nn.Sequential(nn.Linear(3, 2), nn.GRU(2, 2)), print_fn=found.append)
    assert "parameters: Keras" not in found[-1]
    layer = layers.LSTM(5)
    layer(torch.zeros(1, 3, 1))
    kt.summary(layer, (1, 3, 1), print_fn=found.append)
    assert "parameters: Keras 140, torch 160: torch adds a second bias" in found[-1]
    model = masked()
    kt.summary(model, print_fn=found.append, width=50)
    assert found[-1] == text_of(model, width=50)
    kt.summary(model, (2, 5, 3), print_fn=found.append)
    assert "[2, 5, 4]" in found[-1]
    with pytest.raises(ArgumentError, match="summary: expected a module of torch, got 'int'"):
        kt.summary(3)  # type: ignore[arg-type]


def write(folder: Path) -> None:
    for case, command in cases().items():
        (folder / f"{case}.txt").write_text(printed(*command), "utf-8")


if __name__ == "__main__":
    write(FOLDER)
