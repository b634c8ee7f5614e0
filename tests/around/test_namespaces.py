"""The namespaces of Keras: which names they show, and what is said of those that are not here."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import kerastorch as kt
from kerastorch import namespaces
from kerastorch.errors import UnsupportedError

NAMESPACES = (
    *("activations", "backend", "callbacks", "constraints", "convert", "dtype_policies", "errors", "export"),
    *("initializers", "layers", "losses", "metrics", "models", "ops", "optimizers", "preprocessing", "random"),
    *("recipes", "regularizers", "saving", "utils"),
)


def module(name: str) -> ModuleType:
    return importlib.import_module(f"kerastorch.{name}")


@pytest.mark.parametrize("name", NAMESPACES)
def test_dir_shows_public_names_only(name: str) -> None:
    shown = dir(module(name))
    assert shown == sorted(shown)
    for item in shown:
        value = getattr(module(name), item)
        assert not item.startswith("_"), item
        assert not namespaces.is_absent(value), item
        home = value.__name__ if isinstance(value, ModuleType) else value.__module__
        assert home.startswith("kerastorch."), f"{item} is of {home}"


def test_dir_of_the_package() -> None:
    shown = dir(kt)
    assert {"layers", "models", "utils", "saving", "errors", "load_model", "Layer", "__version__"} <= set(shown)
    assert not {"np", "Any", "namespaces", "matching", "spec"} & set(shown)
    assert all(hasattr(kt, name) for name in shown)
    assert {name for name in shown if isinstance(getattr(kt, name), ModuleType)} == set(NAMESPACES)
    assert kt.version() == kt.__version__


def test_names_from_above() -> None:
    from kerastorch.layers import Input, InputLayer, Layer
    from kerastorch.models import Model, Sequential, clone_model, load_model, model_from_json, save_model
    from kerastorch.saving import load_model as again

    assert (Input, Layer, Model, Sequential) == (kt.Input, kt.Layer, kt.Model, kt.Sequential)
    assert (load_model, save_model, model_from_json) == (kt.load_model, kt.save_model, kt.model_from_json)
    assert again is load_model
    assert clone_model is kt.clone_model
    assert isinstance(Sequential([Input((3,))])._input_layers[0], InputLayer)  # type: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("place", "name", "instead"),
    [
        ("layers", "STFTSpectrogram", "use torch.stft, in the model as Lambda(function)."),
        ("layers", "RandomFlip", "images are changed before the model, by torchvision.transforms."),
        ("utils", "Progbar", "use tqdm; model.predict shows its own progress."),
        ("saving", "KerasFileEditor", "open the file with h5py"),
        ("preprocessing", "image", "images are read by torchvision.io or PIL"),
    ],
)
def test_what_is_not_here_says_what_to_use(place: str, name: str, instead: str) -> None:
    found: Any = getattr(module(place), name)  # an old import line works, its use does not
    assert name not in dir(module(place))
    text = "^" + re.escape(f"keras.{place}.{name} is not in kerastorch: {instead}")
    with pytest.raises(UnsupportedError, match=text):
        found("model", to_file="m.png")
    with pytest.raises(UnsupportedError, match=text):
        found.from_config({})
    with pytest.raises(UnsupportedError, match=text):
        type("Mine", (found,), {})
    assert not hasattr(found, "__wrapped__")
    assert f"{place}.{name} is not in kerastorch" in repr(found)


def test_whole_namespaces_that_are_not_here() -> None:
    with pytest.raises(UnsupportedError, match=r"^keras\.applications is not in kerastorch: use torchvision's"):
        kt.applications.ResNet50()
    with pytest.raises(UnsupportedError, match=r"^keras\.Function is not in kerastorch: use Model"):
        kt.Function([1.0])
    assert not hasattr(kt, "explode")


@pytest.mark.parametrize(
    ("place", "name", "meant"),
    [("layers", "Lstm", "LSTM"), ("layers", "TimeDistribute", "TimeDistributed"), ("utils", "pad_sequence", None)],
)
def test_a_misspelt_name_gets_a_suggestion(place: str, name: str, meant: str | None) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(module(place), name)
    assert str(caught.value) == (
        f"module 'kerastorch.{place}' has no attribute {name!r}; did you mean {meant or name + 's'!r}?"
    )
    with pytest.raises(AttributeError, match=r"has no attribute 'qqqq'$"):
        _ = module(place).qqqq


def test_a_model_from_its_config() -> None:
    model = kt.Sequential([kt.Input((3, 2)), kt.layers.LSTM(4)])
    made = kt.models.model_from_config({"class_name": "Sequential", "config": model.get_config()})
    assert made.get_config() == model.get_config()
    with pytest.raises(ValueError, match=r"expected a dict with 'class_name' and 'config', got .*from_config"):
        kt.models.model_from_config(model.get_config())
    with pytest.raises(ValueError, match=r"the config holds what JSON cannot: .*set"):
        kt.models.model_from_config({"class_name": "Sequential", "config": {1, 2}})


def test_no_module_of_ours_takes_the_name_of_what_is_not_here() -> None:
    """`import kerastorch.distribution` would make `kt.distribution` something else than Keras's."""
    folder = Path(kt.__file__).parent
    assert [name for name in kt._ABSENT if (folder / name).exists() or (folder / f"{name}.py").exists()] == []
