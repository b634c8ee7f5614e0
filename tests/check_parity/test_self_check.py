"""`kerastorch self-check`: what ships is complete and right, every fault in a layer shows, and what is printed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from _keras_worker import KerasWorker
from _terminal import Terminal
from make_self_check import exact_of, judged, roundings_of

from kerastorch.base.layer import REGISTRY
from kerastorch.errors import ArgumentError
from kerastorch.layers import Dense
from kerastorch.parity.report import LIMIT
from kerastorch.self_check import Result, SelfCheckReport, checking, self_check
from kerastorch.self_check.trials import NOTHING_TO_COMPUTE, Trial, trials
from kerastorch.self_check.values import FILE, Expected, read, write

EVERY = {trial.key: trial for trial in trials()}
# Keras on a CPU has no kernel for these, or another result: see saving/test_keras3_live.py.
BY_NO_KERAS = {
    "Conv1D: same, groups, channels first",
    "Conv2D: channels first, no bias",
    "ConvLSTM2D: channels first, strides",
    "DepthwiseConv2D: channels first",
    "Conv2DTranspose: channels first",
}


@pytest.fixture(scope="module")
def shipped() -> dict[str, Expected]:
    return read()


@pytest.fixture(scope="module")
def report() -> SelfCheckReport:
    return self_check()


def test_every_example_ships(shipped: dict[str, Expected]) -> None:
    """What depends on a config, a shape or a seed has changed? `python tests/make_self_check.py`."""
    assert shipped.keys() == EVERY.keys()
    assert {key: item.digest for key, item in shipped.items()} == {key: trial.digest for key, trial in EVERY.items()}
    layers = {trial.cls for trial in EVERY.values()}
    assert {name for name, cls in REGISTRY.items() if cls.EXAMPLES and cls not in layers} == set(NOTHING_TO_COMPUTE)
    assert {key for key, item in shipped.items() if not item.judged_by} == BY_NO_KERAS
    in_float32 = [item for item in shipped.values() if item.judged_by.endswith("float32")]
    assert len(in_float32) < len(shipped) / 10
    assert FILE.stat().st_size < 1_000_000


def test_the_values_say_something(shipped: dict[str, Expected]) -> None:
    for key, item in shipped.items():
        assert item.outputs, key
        for output, rounding in zip(item.outputs, item.roundings, strict=True):
            assert output.dtype == np.float64
            assert np.isfinite(output).all()
            assert np.abs(output).max() > 0, key
            assert 0 < LIMIT * rounding < np.abs(output).max() / 1000, f"{key}: rounding hides a thousandth"


def test_float64_computes_them_here(shipped: dict[str, Expected]) -> None:
    found = self_check(dtype="float64")
    assert found.passed, str(found)


def test_the_roundings_are_those_of_this_processor(shipped: dict[str, Expected]) -> None:
    """Another order of sums moves them a little, and no wrong value is excused by a wide one."""
    for key in list(EVERY)[::12]:
        trial = EVERY[key]
        _, _, exact = exact_of(trial)
        for mine, theirs in zip(roundings_of(trial, exact), shipped[key].roundings, strict=True):
            assert theirs / 8 < mine < theirs * 8, key


@pytest.mark.parametrize("key", list(EVERY)[3::40])
def test_keras_computes_them(keras_worker: KerasWorker, tmp_path: Path, shipped: dict[str, Expected], key: str) -> None:
    """A few in every run; the script asks for all of them before it writes."""
    verdicts = dict(judged(keras_worker, tmp_path / "m.keras", EVERY[key]))
    assert next(iter(verdicts), "") == shipped[key].judged_by
    assert not any(verdicts.values()), verdicts


def test_it_passes_here(report: SelfCheckReport) -> None:
    assert report.passed, str(report)
    assert len({result.key for result in report.results}) == len(EVERY)
    assert max(result.multiple for result in report.results) < LIMIT / 4
    text = str(report)
    assert text.startswith(f"ALL RIGHT: {len(EVERY)} examples of {len({t.cls for t in EVERY.values()})} layers; ")
    assert "device cpu (" in text
    assert f"; {len(BY_NO_KERAS)} that no Keras has" in text


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_narrow_dtypes(dtype: str) -> None:
    found = self_check(dtype=dtype)
    assert found.passed, str(found)
    assert {result.layer for result in found.results if result.lacking} <= {"AveragePooling3D"}
    judged = {result.key for result in found.results if result.judged}
    assert len(judged) > len(EVERY) * (0.5 if dtype == "bfloat16" else 0.9)


def weighted() -> Iterator[str]:
    seen = set()
    for key, trial in EVERY.items():
        if trial.cls not in seen and trial.model().variables:
            seen.add(trial.cls)
            yield key


@pytest.mark.parametrize("key", list(weighted()))
def test_a_thousandth_is_seen(shipped: dict[str, Expected], monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """Each layer with weights, all of them a thousandth too large."""
    own = Trial.model

    def wrong(trial: Trial) -> object:
        model = own(trial)
        model.set_weights([array * np.float32(1.001) for array in model.get_weights()])
        return model

    monkeypatch.setattr(Trial, "model", wrong)
    found = checking.run_trial(EVERY[key], shipped[key], torch.device("cpu"), torch.float32)
    scale_free = ("SpectralNormalization",)  # divides its kernel by its size
    assert any(result.differs for result in found) or EVERY[key].cls._class_name in scale_free


def test_a_kernel_with_less_precision_is_seen(shipped: dict[str, Expected], monkeypatch: pytest.MonkeyPatch) -> None:
    """As of TF32, in float32 alone: our own float64 run would excuse it."""
    real = Dense.forward

    def coarse(layer: Dense, x: torch.Tensor) -> torch.Tensor:
        return real(layer, (x.view(torch.int32) & ~0x1FFF).view(torch.float32))  # 10 bits are left

    monkeypatch.setattr(Dense, "forward", coarse)
    (found,) = checking.run_trial(
        EVERY["Dense: default"], shipped["Dense: default"], torch.device("cpu"), torch.float32
    )
    assert found.differs
    assert found.multiple > 100


def test_what_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    keys = ["Dense: default", "Dense: no bias", "Flatten: default", "ReLU: default"]
    monkeypatch.setattr(checking, "trials", lambda: [EVERY[key] for key in keys])
    run = Terminal(capsys)
    assert run("self-check").startswith("ALL RIGHT: 4 examples of 3 layers; the farthest from its recorded value is ")
    real = Dense.forward
    monkeypatch.setattr(Dense, "forward", lambda layer, x: real(layer, x) * (1.01 if layer.use_bias else 1))
    text = run("self-check", status=1)
    assert text.startswith("WRONG: 1 of 4 examples of 3 layers is not what it shall be:\n  Dense: default, output 0: ")
    assert " times rounding: " in text
    assert " instead of " in text

    def fails(layer: Dense, x: torch.Tensor) -> torch.Tensor:
        raise failure("no kernel\nfor this device")

    monkeypatch.setattr(Dense, "forward", fails)
    failure: type[Exception] = RuntimeError
    text = run("self-check", status=1)
    assert text.startswith("WRONG: 2 of 4")
    assert "  Dense: no bias: it does not run: no kernel for this device\n" in text
    failure = NotImplementedError  # what torch raises where it has none
    text = run("self-check")
    assert text.startswith("ALL RIGHT: 4 examples")
    assert (
        "torch has no kernel on this device in this dtype for 2 of them:\n  Dense: default: it does not run: " in text
    )
    monkeypatch.setattr(checking, "trials", lambda: [EVERY["Dense: default"]])
    assert run("self-check", status=1).startswith("NOTHING JUDGED")


def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    monkeypatch.setattr(checking, "trials", lambda: [EVERY["Dense: default"], EVERY["LSTM: default"]])
    run = Terminal(capsys)
    run("self-check", "--dtype", "float64", "--json", tmp_path / "r.json")
    said = json.loads((tmp_path / "r.json").read_text())
    assert said["passed"] is True
    assert [result["trial"] for result in said["results"]] == ["Dense: default", "LSTM: default"]
    assert json.loads(run("self-check", "--dtype", "float64", "--json", "-")) == said
    assert "expected one of float32, float64" in run("self-check", "--dtype", "int8", status=2)
    assert "device: 'nowhere' with float32 does not work here: " in run("self-check", "--device", "nowhere", status=2)
    if not torch.cuda.is_available():
        assert "device: 'cuda' with float32 does not work here: " in run("self-check", "--device", "cuda", status=2)
    with pytest.raises(ArgumentError, match="meta"):
        self_check("meta")


def test_nothing_that_can_be_judged_is_no_pass() -> None:
    result = Result("a", "A", 0, difference=1.0, rounding=1.0, largest=2.0)
    report = SelfCheckReport((result,), {}, {})
    assert not report.passed
    assert str(report).startswith("NOTHING JUDGED")
    assert "Not judged, as rounding in this dtype decides them: a." in str(report)


def test_what_is_no_number_is_wrong(shipped: dict[str, Expected], monkeypatch: pytest.MonkeyPatch) -> None:
    for change in (lambda y: y * float("nan"), lambda y: y / 0, lambda y: y[:1]):
        monkeypatch.setattr(Dense, "forward", lambda layer, x, change=change: change(torch.ones(2, 5)))
        found = checking.run_trial(
            EVERY["Dense: default"], shipped["Dense: default"], torch.device("cpu"), torch.float32
        )
        assert [result.differs for result in found] == [True]


def test_the_file_is_written_the_same_again(shipped: dict[str, Expected], tmp_path: Path) -> None:
    write(shipped, tmp_path / "values.npz")
    with np.load(FILE) as one, np.load(tmp_path / "values.npz") as other:
        assert {key: one[key].tobytes() for key in one} == {key: other[key].tobytes() for key in other}
