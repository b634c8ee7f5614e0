"""Names that only kerastorch has are free in a person's own classes: as attribute, weight, buffer, layer."""

from __future__ import annotations

import copy
import functools
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close
from test_all_layers import data, plain, run
from torch import Tensor, nn

import kerastorch as kt
from kerastorch import layers
from kerastorch.base.free_names import KERAS_NAMES
from kerastorch.base.layer import REGISTRY, Example, Layer
from kerastorch.errors import ArgumentError
from kerastorch.structure import leaves

TORCH = set(dir(nn.Module()))
KINDS = ("value", "list", "tensor", "parameter", "buffer", "module", "layer", "weight", "count")
CLASSES = {name: cls for name, cls in REGISTRY.items() if cls.EXAMPLES and name != "InputLayer"}


def free_names(cls: type[Layer]) -> list[str]:
    """Every public name of the class that is neither nn.Module's nor Keras's, nor an argument that it keeps."""
    own = set(dir(cls)) - TORCH - KERAS_NAMES - set(cls._config_keys())
    return sorted(name for name in own if not name.startswith("_"))


def put(layer: Any, kind: str, name: str) -> Any:
    """Let `layer` have `name`; returns what it must be then, None where it only names a weight."""
    inner = layers.Dense(1, name=name)
    inner.build((None, 1))
    value: Any = {
        "value": lambda: f"my {name}",
        "list": lambda: [name, 1],
        "tensor": lambda: torch.full((2,), 5.0),
        "parameter": lambda: nn.Parameter(torch.full((2,), 5.0)),
        "module": lambda: nn.Linear(1, 1),
        "layer": lambda: inner,
    }.get(kind, lambda: None)()
    if kind == "buffer":
        layer.register_buffer(name, torch.full((2,), 5.0))
        return layer._buffers[name]
    if kind in ("weight", "count"):
        layer.add_weight(shape=(2,), name=name, trainable=kind == "weight", regularizer="l2")
        return None
    setattr(layer, name, value)
    return value


def with_names(cls: type[Any], kind: str, when: str, names: list[str]) -> type[Any]:
    """A subclass that takes all the names in its constructor or in `build`."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        cls.__init__(self, *args, **kwargs)
        self.__dict__["mine"] = {name: put(self, kind, name) for name in names} if when == "__init__" else {}

    @functools.wraps(cls.build)  # what it takes counts
    def build(self: Any, *shapes: Any) -> None:
        cls.build(self, *shapes)
        if when == "build":
            self.__dict__["mine"].update({name: put(self, kind, name) for name in names})

    return type(cls.__name__, (cls,), {"__init__": __init__, "build": build, "__module__": __name__})


def without_names(config: Any) -> Any:
    """The config without the names that layers inside have got by themselves."""
    if isinstance(config, list):
        return [without_names(item) for item in config]
    if isinstance(config, dict):
        return {key: without_names(value) for key, value in plain(config).items() if key != "name"}
    return config


def check_names(layer: Any, names: list[str]) -> None:
    assert set(layer.mine) == set(names)
    for name, value in layer.mine.items():
        found = getattr(layer, name)
        if isinstance(value, Tensor):
            assert torch.equal(found, value)
        elif isinstance(value, (nn.Module, str)):
            assert found is value
        elif value is not None:
            assert list(found) == value
        else:
            assert isinstance(found, Tensor)
            assert tuple(found.shape) == (2,)


@pytest.mark.parametrize("name", CLASSES)
def test_a_subclass_takes_every_name_that_keras_leaves_free(name: str) -> None:
    """As each kind of attribute, taken in the constructor and in `build`."""
    cls = CLASSES[name]
    names = free_names(cls)
    assert "device" in names
    for example in cls.EXAMPLES:
        known = cls.from_config(dict(example.config)).eval()
        known.build(example.input_shape)
        with torch.no_grad():
            for tensor in known.parameters():
                tensor.copy_(torch.randn_like(tensor))
            x = data(example)
            wanted = leaves(run(known, x))
        for kind in KINDS if example is cls.EXAMPLES[0] else KINDS[:1]:
            for when in ("__init__", "build"):
                try:
                    check_class(example, known, (x, wanted), kind, when, names)
                except Exception as error:
                    raise AssertionError(f"{example.name}: a {kind} taken in {when}: {error!r}") from error


def check_class(
    example: Example, known: Layer, case: tuple[Any, list[Any]], kind: str, when: str, names: list[str]
) -> None:
    cls = type(known)
    x, wanted = case
    mine = with_names(cls, kind, when, names).from_config({**example.config, "name": known.name}).eval()
    run(mine, x)  # builds it
    missing, unexpected = mine.load_state_dict(known.state_dict(), strict=False)
    assert not unexpected
    assert all(key.split(".")[0] in names for key in missing)
    with torch.no_grad():
        assert all(map(torch.equal, leaves(run(mine, x)), wanted))
    check_names(mine, names)
    assert without_names(mine.get_config()) == without_names(known.get_config())
    assert mine.compute_output_shape(example.input_shape) == known.compute_output_shape(example.input_shape)
    copied = copy.deepcopy(mine)
    with torch.no_grad():
        assert all(map(torch.equal, leaves(run(copied, x)), wanted))
    assert set(copied.state_dict()) == set(mine.state_dict())
    before = len(known.get_weights())
    added = {"parameter": 1, "buffer": 1, "weight": 1, "count": 1, "module": 2, "layer": 2}.get(kind, 0) * len(names)
    assert len(mine.double().get_weights()) == before + added
    assert getattr(known, "device") == torch.device("cpu")  # noqa: B009 - the class itself has not changed


class Scale(Layer):
    """A layer in the Keras way that uses names which other layers of kerastorch have for themselves."""

    def __init__(self, kind: str = "times", **base: Any) -> None:
        super().__init__(**base)
        self.kind, self.device, self.states = kind, "gpu:7", [1, 2]
        self.input_shape = (9, 9)
        self.to_torch = layers.Dense(3, name="inner")

    def build(self, input_shape: Any) -> None:
        self.kernel_choice = self.add_weight(shape=input_shape[-1:], initializer="uniform", name="kernel_choice")
        self.add_weight(shape=(2,), initializer="uniform", name="CONFIG")
        self.get_gradients = self.add_weight(shape=(), initializer="uniform", name="count", trainable=False)
        self.to_torch.build(input_shape)

    def call(self, x: Any) -> Any:
        return self.to_torch(x * self.kernel_choice + self.get_gradients)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kind": self.kind}


class Net(kt.Model):
    """A model of one's own with such names."""

    def __init__(self, **base: Any) -> None:
        super().__init__(**base)
        self.training_config, self.kind, self.stateful, self.device = {"epochs": 3}, 5, "no", None
        self.input_names = ["a"]
        self.output_shape = layers.Dense(2, name="head")
        self.sublayers = [Scale(name="scale"), layers.LSTM(3, name="rnn")]

    def call(self, x: Any) -> Any:
        for layer in self.sublayers:
            x = layer(x)
        return self.output_shape(x)


class Steps(layers.LSTM):
    """A recurrent layer with such names."""

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(units, **options)
        self.CELL, self.device, self.run, self.kernel_choice = 7, "x", None, nn.Linear(2, 2)


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_model_of_such_layers_is_saved_and_loaded(tmp_path: Path, suffix: str) -> None:
    model = kt.Sequential([kt.Input((4, 3)), Scale(kind="a", name="scale"), Steps(5, name="steps"), layers.Dense(2)])
    model.set_weights([np.random.default_rng(1).normal(size=w.shape) for w in model.get_weights()])
    x = torch.randn(2, 4, 3)
    path = tmp_path / f"model.{suffix}"
    kt.save_model(model, path)
    again = kt.load_model(path, custom_objects={"Scale": Scale, "Steps": Steps})
    assert torch.equal(again(x), model(x))
    assert (again.layers[0].kind, again.layers[0].device, again.layers[1].CELL) == ("a", "gpu:7", 7)
    for got, wanted in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(got, wanted)
    shown: list[str] = []
    model.summary(print_fn=shown.append)
    assert "Scale" in "".join(shown)


def test_weights_of_a_model_of_ones_own(tmp_path: Path) -> None:
    x = torch.randn(2, 4, 3)
    first, second = Net(), Net()
    first(x), second(x)
    assert not torch.equal(first(x), second(x))
    kt.save_weights(first, tmp_path / "net.weights.h5")
    kt.load_weights(second, tmp_path / "net.weights.h5")
    assert torch.equal(first(x), second(x))
    assert first.predict(x.numpy()).shape == (2, 2)
    first.reset_states()  # none of its layers is stateful, whatever the model's attribute says
    assert first.stateful == "no"


def test_a_name_is_free_again_when_the_attribute_is_deleted() -> None:
    layer = with_names(layers.Dense, "value", "__init__", [])(2)
    layer.device = nn.Parameter(torch.zeros(1))
    assert "device" in dict(layer.named_parameters())
    del layer.device
    assert layer.device == torch.device("cpu")
    layer.device = "mine"
    assert layer.device == "mine"
    del layer.device
    assert layer.device == torch.device("cpu")


def test_such_a_layer_is_pickled_and_compiled(fresh_compiler: None) -> None:
    layer, x = Scale(), torch.randn(2, 3)
    expected = layer(x)
    assert torch.equal(pickle.loads(pickle.dumps(layer))(x), expected)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")(x)
    assert_close(compiled, expected)


def test_keras_names_are_not_free() -> None:
    class Mine(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.weights = layers.Dense(2)

    with pytest.raises(ArgumentError, match="Mine: the attribute 'weights' is taken"):
        Mine()


# ------------------------------------------------------------------------------------------------ add_weight


class Twice(Layer):
    """Two weights of one name, and others that are named as attributes which layers have."""

    def build(self, input_shape: Any) -> None:
        size = input_shape[-1]
        self.first = self.add_weight((size,), "uniform", name="w", regularizer="l1")
        self.second = self.add_weight((size,), "uniform", name="w", constraint="non_neg")
        self.add_weight((size,), "uniform", name="w", trainable=False)
        self.add_weight((1,), "uniform", name="activity", regularizer="l2")
        self.add_weight((1,), "uniform", name="name")

    def call(self, x: Any) -> Any:
        return x * self.first + self.second


def test_two_weights_of_one_name(tmp_path: Path) -> None:
    layer, other = Twice(name="twice"), Twice(name="twice")
    x = torch.randn(2, 3)
    assert not torch.equal(layer(x), other(x))
    assert [variable.name for variable in layer.weights] == ["w", "w", "activity", "name", "w"]
    assert layer.name == "twice"
    assert layer.activity_regularizer is None
    expected = [0.01 * layer.first.abs().sum(), 0.01 * layer.activity.square().sum()]  # Keras's l1 and l2
    assert_close(layer.losses, expected)
    with torch.no_grad():
        layer.first.fill_(-1.0), layer.second.fill_(-1.0)
    layer.apply_constraints()
    assert layer.first.eq(-1).all()
    assert layer.second.eq(0).all()
    layer.set_weights([np.full(w.shape, float(i)) for i, w in enumerate(layer.get_weights())])
    for suffix in ("weights.h5",):
        model, again = kt.Sequential([kt.Input((3,)), layer]), kt.Sequential([kt.Input((3,)), other])
        kt.save_weights(model, tmp_path / f"m.{suffix}")
        kt.load_weights(again, tmp_path / f"m.{suffix}")
        for index, array in enumerate(other.get_weights()):
            assert (array == index).all()


def test_add_weight_with_the_name_first() -> None:
    with pytest.raises(ArgumentError, match=r"name is given by keyword, .*add_weight\(shape=\.\.\., name='kernel'\)"):
        Layer().add_weight("kernel", shape=(2, 2))
    with pytest.raises(ArgumentError, match="shape is given twice: by position and by keyword"):
        Layer().add_weight((2, 2), shape=(2, 2))
    with pytest.raises(ArgumentError, match="only shape, initializer, dtype may stand without a name, got 4 values"):
        Layer().add_weight((2, 2), "zeros", "float32", False)


def test_dtypes_and_initializers_of_added_weights() -> None:
    layer = Layer()
    assert layer.add_weight((2,), dtype="int64", trainable=False).dtype == torch.int64
    count = layer.add_weight((2,), dtype="int32")
    assert not count.requires_grad
    assert count.eq(0).all()
    assert layer.add_weight((2, 3)).unique().numel() == 6
    assert layer.add_weight(dtype="float64").dtype == torch.float64
