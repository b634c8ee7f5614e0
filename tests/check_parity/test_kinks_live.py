"""Gradients at kinks beside real Keras: another choice of the slope there is named a kink, and a fault is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _recordings import Recordings

import kerastorch as kt
from kerastorch import layers as L
from kerastorch.parity import compare
from kerastorch.parity.kinks import KINK

Plant = Callable[[kt.Model], object]


def filled(*parts: Any) -> kt.Model:
    model = kt.Sequential([kt.Input((6, 3)), *parts])
    rng = np.random.default_rng(3)
    model.set_weights([rng.uniform(-0.9, 0.9, size=array.shape) for array in model.get_weights()])
    return model


def zeroed(layer: Any, unit: int, bias: float) -> None:
    """A unit that gets the same number at every step of every input: that of its bias."""
    arrays = layer.get_weights()
    for array in arrays[:-1]:
        array[..., unit] = 0.0
    arrays[-1][..., unit] = bias
    layer.set_weights(arrays)


def relu() -> kt.Model:
    """Two units of the Dense are 0 whatever goes in."""
    model = filled(L.Dense(4, activation="relu", name="it"), L.LSTM(2, name="lstm"), L.Dense(1, name="out"))
    zeroed(model.get_layer("it"), 1, 0.0)
    zeroed(model.get_layer("it"), 3, 0.0)
    return model


def hard_sigmoid() -> kt.Model:
    """The input gate of one unit is 1 at the border."""
    model = filled(L.LSTM(3, recurrent_activation="hard_sigmoid", name="it"), L.Dense(1, name="out"))
    zeroed(model.get_layer("it"), 2, 3.0)
    return model


def maximum() -> kt.Model:
    """One channel has the same number at every step."""
    model = filled(L.Dense(3, name="dense"), L.MaxPooling1D(2, name="it"), L.LSTM(2, name="lstm"))
    zeroed(model.get_layer("dense"), 1, 0.5)
    return model


def last_of_equals(model: kt.Model) -> None:
    model.get_layer("it").register_forward_pre_hook(lambda _, args: (args[0].flip(1), *args[1:]))
    model.get_layer("it").register_forward_hook(lambda _, args, out: out.flip(1))


CASES: dict[str, tuple[Callable[[], kt.Model], Plant, str]] = {
    "relu": (
        relu,
        lambda model: setattr(model.get_layer("it"), "activation", lambda x: torch.maximum(x, x * 0)),
        "maximum",
    ),
    "hard_sigmoid": (
        hard_sigmoid,
        lambda model: setattr(model.get_layer("it"), "recurrent_activation", lambda x: (x / 6 + 0.5).clamp(0, 1)),
        "clip",
    ),
    "max-pooling": (maximum, last_of_equals, "maximum"),
}


@pytest.fixture(scope="module")
def recorded(recordings: Recordings) -> Callable[[str], tuple[Any, Path]]:
    def record(name: str) -> tuple[Any, Path]:
        path = recordings.folder / f"kink-{name}.keras"
        if not path.exists():
            model = CASES[name][0]()
            model.compile(kt.optimizers.SGD(0.01), "mse")
            kt.save_model(model, path)
        return recordings.of_file("keras3", path, steps=3), path

    return record


@pytest.mark.parametrize("name", CASES)
def test_another_slope_is_a_kink(recorded: Callable[[str], tuple[Any, Path]], tmp_path: Path, name: str) -> None:
    recording, path = recorded(name)
    report = compare(recording, kt.load_model(path))
    assert report.passed, str(report)
    model = kt.load_model(path)
    CASES[name][1](model)
    report = compare(recording, model, self_check=False)
    kinks = [row for row in report.rows if row.measured.note.startswith(KINK)]
    # Equal numbers that are moved by one unit in the last place are equal no longer: that is rounding, and seen before.
    alone = set() if name == "max-pooling" else {"gradient alone"}
    assert {row.where for row in kinks} >= {"gradient", "training gradient"} | alone, str(report)
    assert CASES[name][2] in kinks[0].measured.note
    assert report.passed, str(report)
    reason = f"{kinks[0].name}: {kinks[0].measured.note}"
    count = sum(row.measured.note == kinks[0].measured.note for row in report.rows)
    assert f"Not judged:\n  {count} arrays, first {reason}" in str(report)
    report.to_html(tmp_path / "r.html")
    assert reason in (tmp_path / "r.html").read_text()
    # Not every gradient lies there, and those of random weights do not.
    judged = [row for row in report.gradients if row.judged]
    assert {row.probe for row in judged} > {"random weights"}
    assert [row for row in report.trained if row.where == "update" and row.judged]


FAULTS: dict[str, Plant] = {
    "one row alone": lambda model: model.get_layer("it").weight.register_hook(
        lambda grad: torch.cat([grad[:1] * 1.001, grad[1:]])
    ),
    "a slope elsewhere": lambda model: setattr(
        model.get_layer("it"), "activation", lambda x: x.relu() + (x - x.detach()) * (x < -0.3) * 0.01
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_beside_a_kink_is_none(recorded: Callable[[str], tuple[Any, Path]], fault: str) -> None:
    recording, path = recorded("relu")
    model = kt.load_model(path)
    FAULTS[fault](model)
    report = compare(recording, model, training=False, self_check=False)
    assert not report.passed
    assert not [row for row in report.rows if row.measured.note.startswith(KINK)]
    # The kink and the fault together are a fault, too.
    model = kt.load_model(path)
    CASES["relu"][1](model)
    if fault != "a slope elsewhere":
        FAULTS[fault](model)
        assert not compare(recording, model, training=False, self_check=False).passed
