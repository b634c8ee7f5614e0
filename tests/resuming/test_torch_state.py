"""The state in a file of Keras in optimizers of torch.optim: the next steps, and what is said of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _close import apart, assert_close
from torch import optim

import kerastorch as kt
from kerastorch.errors import ArgumentError, MismatchError, UnsupportedFileError

RNG = np.random.default_rng(6)
X = torch.from_numpy(RNG.normal(size=(8, 3, 2)).astype("float32"))
Y = torch.from_numpy(RNG.normal(size=(8, 2)).astype("float32"))
RATE = 2.0**-7


def _model() -> Any:
    x = kt.Input((3, 2))
    return kt.Model(x, kt.layers.Dense(2)(kt.layers.GRU(3)(x)))


def _saved(path: Path, optimizer: Any) -> Any:
    model = _model()
    model.compile(optimizer, "mean_squared_error")
    for _ in range(5):
        model.train_on_batch(X, Y)
    model.save(path)
    return model


# Of the movement of ten steps: float32 rounds weights that are some ten times as large, and what multiplies them.
FLOOR = 1e-5


def _moved(model: Any, optimizer: optim.Optimizer) -> list[np.ndarray]:
    """How far ten steps of torch move the weights."""
    before = model.get_weights()
    for _ in range(10):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(X), Y).backward()
        optimizer.step()
    return [after - start for after, start in zip(model.get_weights(), before, strict=True)]


# Where the rules differ by epsilon's place alone it is too small to count, so that what is seen is the state.
CASES: list[tuple[str, Any, Any, list[str]]] = [
    (
        "SGD",
        kt.optimizers.SGD(RATE, momentum=0.5, nesterov=True),
        lambda p: optim.SGD(p, RATE, momentum=0.5, nesterov=True),
        [],
    ),
    ("Nadam", kt.optimizers.Nadam(RATE), lambda p: optim.NAdam(p, RATE, eps=1e-7, momentum_decay=1.0), []),
    ("Adadelta", kt.optimizers.Adadelta(1.0), lambda p: optim.Adadelta(p, 1.0, rho=0.95, eps=1e-7), []),
    ("Adagrad", kt.optimizers.Adagrad(RATE), lambda p: optim.Adagrad(p, RATE, eps=1e-7), ["under the root"]),
    (
        "Adam",
        kt.optimizers.Adam(RATE, amsgrad=True, epsilon=1e-14),
        lambda p: optim.Adam(p, RATE, eps=1e-14, amsgrad=True),
        ["before its bias is corrected"],
    ),
    (
        "AdamW",
        kt.optimizers.AdamW(RATE, epsilon=1e-14),
        lambda p: optim.AdamW(p, RATE, eps=1e-14, weight_decay=0.004),
        ["before its bias is corrected"],
    ),
    (
        "Adamax",
        kt.optimizers.Adamax(RATE, epsilon=1e-14),
        lambda p: optim.Adamax(p, RATE, eps=1e-14),
        ["largest gradient"],
    ),
    (
        "RMSprop",
        kt.optimizers.RMSprop(RATE, epsilon=1e-14, centered=True, momentum=0.5),
        lambda p: optim.RMSprop(p, RATE, alpha=0.9, eps=1e-14, centered=True, momentum=0.5),
        ["under the root"],
    ),
]


@pytest.mark.parametrize(("name", "keras", "make", "said"), CASES, ids=[case[0] for case in CASES])
def test_the_next_steps(tmp_path: Path, name: str, keras: Any, make: Any, said: list[str]) -> None:
    kt.set_seed(1)
    path = tmp_path / "a.keras"
    keras_model = _saved(path, keras)
    mine, fresh = (kt.load_model(path, compile=False) for _ in range(2))
    optimizer = make(mine.parameters())
    report = kt.optimizers.load_keras_state(mine, optimizer, path)
    assert (report.optimizer, report.steps, len(report.filled), report.left) == (name, 5, 6, ())
    assert len(report.apart) == len(said)
    assert all(part in text for part, text in zip(said, report.apart, strict=True))
    assert f"{name} after 5 steps: the state of 6 parameters is set" in str(report)
    before = keras_model.get_weights()
    for _ in range(10):
        keras_model.train_on_batch(X, Y)
    expected = [after - start for after, start in zip(keras_model.get_weights(), before, strict=True)]
    largest = max(float(np.abs(array).max()) for array in expected)
    assert_close(_moved(mine, optimizer), expected, FLOOR, scale=largest)
    lost = zip(_moved(fresh, make(fresh.parameters())), expected, strict=True)
    assert any(apart(got, array, 100 * FLOOR, scale=largest) for got, array in lost), (
        "without the state nothing changes"
    )


def test_what_differs_is_said(tmp_path: Path) -> None:
    _saved(tmp_path / "a.keras", kt.optimizers.Adam(RATE, clipnorm=0.5, weight_decay=0.25))
    model = kt.load_model(tmp_path / "a.keras")
    report = kt.optimizers.load_keras_state(model, optim.Adam(model.parameters(), 0.5), tmp_path / "a.keras")
    assert list(report.apart) == [
        "lr is 0.5 here and 0.0078125 in the file",
        "eps is 1e-08 here and 1e-07 in the file",
        "weight_decay is 0 here and 0.25 in the file",
        "epsilon: Keras adds it to the root of the mean square before its bias is corrected, torch behind it",
        "clipnorm is 0.5 in the file, and torch's optimizers have none",
    ]


def test_into_an_optimizer_of_kerastorch(tmp_path: Path) -> None:
    original = _saved(tmp_path / "a.keras", kt.optimizers.Adam(RATE))
    model = kt.load_model(tmp_path / "a.keras", compile=False)
    optimizer = kt.optimizers.Adam(RATE, amsgrad=False, params=model)
    report = kt.optimizers.load_keras_state(model, optimizer, tmp_path / "a.keras")
    assert (report.steps, report.apart, len(report.filled)) == (5, (), 6)
    model.compile(optimizer, "mean_squared_error")
    for other in (model, original):
        other.train_on_batch(X, Y)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), original.get_weights(), strict=True))


def test_what_is_refused(tmp_path: Path) -> None:
    _saved(tmp_path / "a.keras", kt.optimizers.Adam(RATE))
    model = kt.load_model(tmp_path / "a.keras", compile=False)
    load, sgd = kt.optimizers.load_keras_state, optim.SGD(model.parameters(), 0.1)
    with pytest.raises(ArgumentError, match=r"SGD cannot take: expected torch.optim.Adam or torch.optim.AdamW or kt"):
        load(model, sgd, tmp_path / "a.keras")
    with pytest.raises(
        ArgumentError, match=r"expected a model and an optimizer: load_keras_state\(model, optimizer, path\)"
    ):
        load(sgd, model, tmp_path / "a.keras")
    other = kt.Sequential([kt.Input((3,)), kt.layers.Dense(2)])
    adam = optim.Adam(other.parameters())
    with pytest.raises(MismatchError, match="it has 12 arrays, and Adam of this model 6"):
        load(other, adam, tmp_path / "a.keras")
    assert not adam.state
    _model().save(tmp_path / "b.keras")
    with pytest.raises(UnsupportedFileError, match="the file holds no optimizer and its state"):
        load(model, optim.Adam(model.parameters()), tmp_path / "b.keras")


def test_a_part_of_the_parameters(tmp_path: Path) -> None:
    _saved(tmp_path / "a.keras", kt.optimizers.SGD(RATE, momentum=0.5))
    model = kt.load_model(tmp_path / "a.keras")
    other = torch.nn.Parameter(torch.zeros(7))
    optimizer = optim.SGD([*model.layers[-1].parameters(), other], RATE, momentum=0.5)
    report = kt.optimizers.load_keras_state(model, optimizer, tmp_path / "a.keras")
    assert report.left == ("a parameter of shape (7,) that is not the model's",)
    assert [name.rpartition(".")[2] for name in report.filled] == ["weight", "bias"]
    assert other not in optimizer.state or not optimizer.state[other]
