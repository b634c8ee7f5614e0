"""Files of Keras before 2.0.6, which lists the state of an optimizer in the order of the names of the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

import kerastorch as kt
from kerastorch.errors import MismatchError

RNG = np.random.default_rng(6)
X, Y = RNG.normal(size=(8, 3, 2)).astype("float32"), RNG.normal(size=(8, 2)).astype("float32")


def _trained(optimizer: Any, frozen: bool = False) -> Any:
    """A model in whose file no weight stands where its name would put it: `b` before `a`, and biases come first."""
    x = kt.Input((3, 2))
    hidden = kt.layers.LSTM(2, name="b")(x)
    model = kt.Model(x, kt.layers.Dense(2, name="a_2")(kt.layers.Dense(2, name="a_10")(hidden)), name="net")
    model.get_layer("b").trainable = not frozen
    model.compile(optimizer, "mean_squared_error")
    for _ in range(3):
        model.train_on_batch(X, Y)
    return model


def _as_of(path: Path, version: str, *, by_names: bool) -> None:
    """Let an older Keras have written a file."""
    with h5py.File(path, "a") as file:
        file.attrs["keras_version"] = file["model_weights"].attrs["keras_version"] = version
        weights, group = file["model_weights"], file["optimizer_weights"]
        theirs = [name for layer in weights.attrs["layer_names"] for name in weights[layer].attrs["weight_names"]]
        names = list(group.attrs["weight_names"])
        slots = (len(names) - 1) // len(theirs)
        assert len(names) == 1 + slots * len(theirs)
        if by_names:
            order = sorted(range(len(theirs)), key=lambda index: theirs[index])
            assert order != sorted(order)
            blocks = [names[1 + at * len(theirs) :][: len(theirs)] for at in range(slots)]
            group.attrs["weight_names"] = names[:1] + [block[index] for block in blocks for index in order]


def _state(model: Any) -> list[np.ndarray]:
    held = [model.optimizer.state[part] for part in model.parameters()]
    return [value.numpy() for slots in held for value in slots.values()]


def _same(mine: list[np.ndarray], theirs: list[np.ndarray]) -> bool:
    return len(mine) == len(theirs) and all(np.array_equal(a, b) for a, b in zip(mine, theirs, strict=True))


@pytest.mark.parametrize("rule", ["Adam", "SGD"])
@pytest.mark.parametrize("version", ["1.2.2", "2.0.2", "2.0.5", "2.0.6", "2.1.6"])
def test_state_by_names(tmp_path: Path, version: str, rule: str) -> None:
    made = {"Adam": lambda: kt.optimizers.legacy.Adam(0.01), "SGD": lambda: kt.optimizers.legacy.SGD(0.1, momentum=0.5)}
    model = _trained(made[rule]())
    path = tmp_path / "a.h5"
    model.save(path, dialect="keras2")
    _as_of(path, version, by_names=version < "2.0.6")
    again: Any = kt.load_model(path)
    assert again.optimizer.iterations == 3
    assert _same(again.get_weights(), model.get_weights())
    assert _same(_state(again), _state(model))
    assert len({array.tobytes() for array in _state(model)}) == len(_state(model))

    # The same into an optimizer of one's own, from a model whose layers have other names.
    mine: Any = kt.optimizers.legacy.Adam(0.01) if rule == "Adam" else kt.optimizers.legacy.SGD(0.1, momentum=0.5)
    other = _trained(mine)
    report = kt.optimizers.load_keras_state(other, mine, path)
    assert report.steps == 3
    assert _same(_state(other), _state(model))


def test_frozen_layers_have_no_place_in_it(tmp_path: Path) -> None:
    model = _trained(kt.optimizers.legacy.Adam(0.01), frozen=True)
    path = tmp_path / "a.h5"
    model.save(path, dialect="keras2")
    with h5py.File(path, "a") as file:
        file.attrs["keras_version"] = file["model_weights"].attrs["keras_version"] = "2.0.5"
        group = file["optimizer_weights"]
        first, *names = group.attrs["weight_names"]  # of a_10 (kernel, bias) and a_2, m and then v
        group.attrs["weight_names"] = [first, *(names[at] for at in (1, 0, 3, 2, 5, 4, 7, 6))]
    again: Any = kt.load_model(path)
    for name in ("a_10", "a_2"):
        for mine, theirs in zip(again.get_layer(name).parameters(), model.get_layer(name).parameters(), strict=True):
            for slot, value in model.optimizer.state[theirs].items():
                assert torch.equal(again.optimizer.state[mine][slot], value)


def test_a_state_in_the_other_order_is_seen(tmp_path: Path) -> None:
    """A file in which the biases do not come first says that it is of another Keras."""
    path = tmp_path / "a.h5"
    _trained(kt.optimizers.legacy.Adam(0.01)).save(path, dialect="keras2")
    _as_of(path, "2.0.5", by_names=False)
    with pytest.warns(UserWarning, match="its state is left out, and it begins anew: .* has shape"):
        model: Any = kt.load_model(path)
    assert not model.optimizer.built
    with pytest.raises(MismatchError, match="has shape"):
        kt.optimizers.load_keras_state(model, torch.optim.Adam(model.parameters()), path)
