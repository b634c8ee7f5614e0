"""Numbers that are not finite: weights are named, and how a model was compiled may hold any."""

from __future__ import annotations

import json
import math
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

import kerastorch as kt
from kerastorch.cli import main
from kerastorch.errors import LoadError
from kerastorch.files import Limits
from kerastorch.files.strict_json import parse_model
from kerastorch.matching.finite import is_finite

FORMS = ["keras", "h5", "json"]


# ---------------------------------------------------------------------- how a model was compiled


def compiled(folder: Path, form: str, change: Callable[[str], str]) -> Any:
    """Load a compiled model, after a change of the text that says how it was compiled."""
    model = kt.Sequential([kt.Input((3,)), kt.layers.Dense(2)])
    model.compile(kt.optimizers.Adam(0.25, beta_1=0.75), "mse", metrics=["mae"])
    if form == "json":
        text = json.loads(model.to_json())
        words = change(json.dumps(text.pop("compile_config")))
        return kt.model_from_json(f'{json.dumps(text)[:-1]}, "compile_config": {words}}}')
    path = folder / f"m.{form}"
    model.save(path)
    if form == "h5":
        with h5py.File(path, "r+") as file:
            file.attrs["training_config"] = change(str(file.attrs["training_config"]))
        return kt.load_model(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    words = change(json.dumps(config.pop("compile_config")))
    members["config.json"] = f'{json.dumps(config)[:-1]}, "compile_config": {words}}}'.encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return kt.load_model(path)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_model_is_compiled_with_what_keras_compiles_it_with(tmp_path: Path, form: str, number: str) -> None:
    """Keras 3.15 takes each of them: `json.loads` reads them, and its optimizers look at no learning rate."""
    model = compiled(tmp_path, form, lambda text: text.replace('"learning_rate": 0.25', f'"learning_rate": {number}'))
    assert model.compiled
    found, wanted = float(model.optimizer.learning_rate), float(number)
    assert found == wanted or (math.isnan(found) and math.isnan(wanted))
    assert model.optimizer.beta_1 == 0.75


RATE = '"learning_rate": 0.25'
BROKEN: list[tuple[Callable[[str], str], str]] = [
    (lambda text: text.replace(RATE, f"{RATE}, {RATE}"), "the key 'learning_rate' twice"),
    (lambda text: text.replace(RATE, f'"learning_rate": {"9" * 21}'), "a whole number of 21 digits"),
    (lambda text: text.replace('"mae"', r'"\ud800"'), "is not UTF-8"),
    (lambda text: f"[{text}]", "expected an object"),
    (lambda text: '"x"', "expected an object"),
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("change", "says"), BROKEN)
def test_a_broken_one_does_not_cost_the_model(
    tmp_path: Path, form: str, change: Callable[[str], str], says: str
) -> None:
    with pytest.warns(UserWarning, match=says) as caught:
        model = compiled(tmp_path, form, change)
    assert len(caught) == 1
    assert not model.compiled
    assert model(torch.ones(1, 3)).shape == (1, 2)


def test_other_numbers_must_be_finite_and_inner_models_are_no_exception() -> None:
    inner = '{"class_name": "Dense", "config": {"units": 2}, "compile_config": {"a": NaN, "a": 1}}'
    outer = f'{{"class_name": "Sequential", "config": {{"layers": [{inner}]}}, "compile_config": null}}'
    found, problem = parse_model(outer, "f", Limits())
    assert problem is None
    layer = {"class_name": "Dense", "config": {"units": 2}, "compile_config": None}
    assert found == {"class_name": "Sequential", "config": {"layers": [layer]}, "compile_config": None}
    for text in (outer.replace('"units": 2', '"units": Infinity'), '{"config": {"compile_config": {"a": NaN}}}'):
        with pytest.raises(LoadError, match="expected finite numbers"):
            parse_model(text, "f", Limits())


def test_what_was_compiled_so_is_written_again(tmp_path: Path) -> None:
    model = compiled(tmp_path, "keras", lambda text: text.replace('"clipnorm": null', '"clipnorm": Infinity'))
    model.save(tmp_path / "again.keras")
    model.save(tmp_path / "again.h5")
    for name in ("again.keras", "again.h5"):
        assert kt.load_model(tmp_path / name).optimizer.clipnorm == math.inf


# ---------------------------------------------------------------------- weights


def spoiled(values: dict[int, float]) -> kt.Sequential:
    """A model of 5 arrays; in those by number one value is replaced."""
    layers = kt.layers
    model = kt.Sequential([kt.Input((None, 3)), layers.LSTM(4, name="lstm"), layers.Dense(2, name="dense")], name="m")
    arrays = model.get_weights()
    for index, value in values.items():
        arrays[index].flat[-1] = value
    model.set_weights(arrays)
    return model


def saved(model: kt.Model, path: Path) -> Path:
    model.save_weights(path) if path.name.endswith(".weights.h5") else model.save(path)
    return path


def loaded(path: Path) -> kt.Model:
    if not path.name.endswith(".weights.h5"):
        return kt.load_model(path)
    model = spoiled({})
    model.load_weights(path)
    return model


ONE = r": 1 array of weights holds NaN or infinity: 'm/lstm/lstm_cell/bias'\.$"
FOUR = (
    r": 4 arrays of weights hold NaN or infinity: 'm/lstm/lstm_cell/kernel', 'm/lstm/lstm_cell/recurrent_kernel', "
    r"'m/dense/kernel' and 1 more\.$"
)


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.weights.h5"])
@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({2: math.nan}, ONE),
        ({2: -math.inf}, ONE),
        ({0: math.nan, 1: math.inf, 3: math.nan, 4: math.nan}, FOUR),
    ],
)
def test_weights_that_are_not_finite_are_named(tmp_path: Path, name: str, values: dict[int, float], says: str) -> None:
    model = spoiled(values)
    with pytest.warns(UserWarning, match=says) as caught:
        path = saved(model, tmp_path / name)
    assert len(caught) == 1
    with pytest.warns(UserWarning, match=says) as caught:
        back = loaded(path)
    assert len(caught) == 1
    for old, new in zip(model.get_weights(), back.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_large_ones_are_finite(tmp_path: Path) -> None:
    """Their sums and products are not."""
    largest = float(np.finfo(np.float32).max)
    model = spoiled({0: largest, 1: -largest, 3: largest})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded(saved(model, tmp_path / "m.keras"))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_every_dtype_and_place(dtype: str, value: float) -> None:
    tensor = torch.full((1025, 1030), float(torch.finfo(getattr(torch, dtype)).max), dtype=getattr(torch, dtype))

    def bits() -> np.ndarray:
        return tensor.view(torch.int16).numpy().view("uint16") if dtype == "bfloat16" else tensor.numpy()

    assert is_finite(bits())
    for place in ((0, 0), (512, 7), (1024, 1029)):
        kept = tensor[place].clone()
        tensor[place] = value
        assert not is_finite(bits())
        tensor[place] = kept
    assert is_finite(bits()[:0])


class Scale(kt.layers.Layer):
    """Keeps its weight under a name of its own."""

    def build(self, input_shape: Any) -> None:
        self.factor = self.add_weight(shape=(3,), name="factor")

    def call(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor

    def save_own_variables(self, store: dict[str, Any]) -> None:
        store["theirs"] = self.factor.numpy()

    def load_own_variables(self, store: Any) -> None:
        self.factor.assign(store["theirs"])


def test_a_layer_of_ones_own_says_it_too(tmp_path: Path) -> None:
    model = kt.Sequential([kt.Input((3,)), Scale(name="scale")])
    model.set_weights([np.array([1, math.inf, 2], "float32")])
    says = r"1 array of weights holds NaN or infinity: 'scale/theirs'\.$"
    with pytest.warns(UserWarning, match=says):
        model.save(tmp_path / "m.keras")
    with pytest.warns(UserWarning, match=says):
        kt.load_model(tmp_path / "m.keras", custom_objects={"Scale": Scale})


def test_the_command_line_says_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.warns(UserWarning, match="1 array"):
        path = saved(spoiled({4: math.nan}), tmp_path / "m.keras")
    assert main(["convert", str(path), str(tmp_path / "n.h5")]) == 0
    assert capsys.readouterr().out.count("1 array of weights holds NaN or infinity: 'm/dense/bias'") == 2


# ---------------------------------------------------------------------- values that nobody has written


@pytest.mark.parametrize("isolate", [False, True])
def test_values_that_nobody_has_written_are_the_fill_value_and_named(tmp_path: Path, isolate: bool) -> None:
    """As in Keras, which does not say so: a program that was stopped leaves such a file."""
    model = kt.Sequential([kt.Input((3,)), kt.layers.Dense(4, name="d"), kt.layers.Dense(2, name="e")], name="m")
    path = tmp_path / "m.h5"
    model.save(path)
    with h5py.File(path, "r+") as file:
        for name in ("d/d/kernel", "e/e/bias"):
            shape = file[f"model_weights/{name}"].shape
            del file[f"model_weights/{name}"]
            chunks = {"chunks": (2, 2)} if len(shape) == 2 else {}
            made = file.create_dataset(f"model_weights/{name}", shape, "float32", fillvalue=0.25, **chunks)
            if chunks:
                made[:2] = np.arange(8).reshape(2, 4)
    said = "2 arrays of weights have values that were never written, so the file's fill value: 'm/d/kernel', 'm/e/bias'"
    with pytest.warns(UserWarning, match=said):
        loaded = kt.load_model(path, isolate=isolate)
    kernel, _, _, bias = loaded.get_weights()
    np.testing.assert_array_equal(kernel, [[0, 1, 2, 3], [4, 5, 6, 7], [0.25] * 4])
    np.testing.assert_array_equal(bias, [0.25] * 2)
