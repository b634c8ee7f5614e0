"""custom_objects and replace: what each takes, what it makes of it, and that a file reaches nothing else."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pytest
import torch
from _own_layers import EVERYTHING, Attention, Backwards, Residual, Scale, wave
from torch import Tensor, nn

import kerastorch as kt
from kerastorch import Input, Model, Sequential, layers
from kerastorch.errors import ArgumentError, LoadError, MissingLayersError, UnsupportedFileError


def item(class_name: str, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": {"name": name, **config}}


def text_of(*items: dict[str, Any], version: str = "2.2.4", shape: tuple[int, ...] = (5, 3)) -> str:
    source = item("InputLayer", "x", batch_input_shape=[None, *shape])
    model = {"class_name": "Sequential", "config": {"name": "s", "layers": [source, *items]}}
    return json.dumps({**model, "keras_version": version, "backend": "tensorflow"})


def made(*items: dict[str, Any], **options: Any) -> Any:
    """The last layer of a model of these."""
    return kt.model_from_json(text_of(*items), **options).layers[-1]


# ---------------------------------------------------------------------------- what a class or function gets


def test_a_class_with_from_config_gets_the_config_as_a_dict() -> None:
    seen: list[Any] = []

    class Own(layers.Layer):
        @classmethod
        def from_config(cls, config: Any) -> Any:
            seen.append(config)
            return cls(name="another")

        def call(self, x: Tensor) -> Tensor:
            return x

    layer = made(item("Own", "own", trainable=True, depth=3, table={"a": [1, None]}), custom_objects={"Own": Own})
    assert seen == [{"name": "own", "trainable": True, "depth": 3, "table": {"a": [1, None]}}]
    assert layer.name == "own"


def test_everything_else_gets_it_by_name() -> None:
    seen: list[Any] = []

    def make(depth: int, dtype: str, **rest: Any) -> nn.Module:
        seen.append((depth, dtype, rest))
        return nn.Linear(3, depth)

    layer = made(item("Own", "own", trainable=False, dtype="float32", depth=4), custom_objects={"Own": make})
    assert seen == [(4, "float32", {"name": "own", "trainable": False})]
    assert isinstance(layer, layers.TorchModuleWrapper)
    assert not any(parameter.requires_grad for parameter in layer.parameters())
    # name, trainable and dtype only where there are such arguments; every other key must be taken.
    config = item("Own", "own", trainable=True, in_features=3, out_features=2)
    assert made(config, custom_objects={"Own": nn.Linear}).output_shape == (None, 5, 2)
    config["config"]["extra"] = 1
    with pytest.raises(LoadError, match=r"'own' \(Own\): custom_objects\['Own'\] does not take the config .*'extra'"):
        made(config, custom_objects={"Own": nn.Linear})


def test_a_function_may_make_a_function() -> None:
    layer = made(item("Own", "own", by=2.0), custom_objects={"Own": lambda by: lambda x: x * by})
    assert torch.equal(layer(torch.ones(1, 2)), torch.full((1, 2), 2.0))
    with pytest.raises(LoadError, match="expected a layer, a torch module or a function on tensors, got 3"):
        made(item("Own", "own"), custom_objects={"Own": lambda: 3})


def test_what_is_keras_in_the_config_has_the_meaning_of_its_writer() -> None:
    config = item(
        "Attention",
        "a",
        units=4,
        activation="hard_sigmoid",
        W_regularizer={"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.5}},
    )
    old = kt.model_from_json(text_of(config), {"Attention": Attention}).layers[-1]
    new = kt.model_from_json(text_of(config, version="3.5.0").replace("batch_input_shape", "batch_shape"), EVERYTHING)
    assert old.activation is kt.activations.hard_sigmoid_keras2
    assert new.layers[-1].activation is kt.activations.hard_sigmoid
    assert old.W_regularizer == kt.regularizers.L1L2(0.0, 0.5)
    # A subclass of a layer of the table: all of that layer's arguments, defaults and idle keys of the time too.
    config = item("Backwards", "b", units=2, gain=3.0, time_major=False, return_sequences=True)
    layer = made(config, custom_objects={"Backwards": Backwards})
    assert layer.recurrent_activation is kt.activations.hard_sigmoid_keras2
    assert (layer.units, layer.gain) == (2, 3.0)
    config["config"]["time_major"] = True
    with pytest.raises(UnsupportedFileError, match="time_major = True"):
        made(config, custom_objects={"Backwards": Backwards})


def test_what_is_not_keras_stays_as_it_is() -> None:
    seen: dict[str, Any] = {}

    def make(**config: Any) -> Any:
        seen.update(config)
        return lambda x: x

    odd = {"class_name": "Other", "config": {"q": 1}}
    config = item(
        "Own",
        "own",
        activation="my mode",
        u_constraint=odd,
        code={"class_name": "__lambda__", "config": {"code": "4wEA"}},
        pair={"class_name": "__tuple__", "items": [1, {"class_name": "__tuple__", "items": []}]},
        nested=[odd, {"deep": odd}],
        mine="wave",
    )
    made(config, custom_objects={"Own": make, "wave": wave})
    assert seen.pop("name") == "own"
    assert seen == {
        "activation": "my mode",
        "u_constraint": odd,
        "code": {"class_name": "__lambda__", "config": {"code": "4wEA"}},
        "pair": (1, ()),
        "nested": [odd, {"deep": odd}],
        "mine": wave,  # a function's name in any argument is the function, as in tf.keras
    }


def test_layers_in_the_config_become_layers() -> None:
    inner = item("LSTM", "in", units=3, return_sequences=True, recurrent_activation="hard_sigmoid")
    layer = made(item("Residual", "r", inner=inner, factors=[2.0, 3.0]), custom_objects={"Residual": Residual})
    assert isinstance(layer.inner, layers.LSTM)
    assert layer.inner.recurrent_activation is kt.activations.hard_sigmoid_keras2
    assert layer.inner.name == "in"
    own = item("Scale", "sc")
    stacked = made(item("Residual", "r", inner=own), custom_objects={"Residual": Residual, "Scale": Scale})
    assert isinstance(stacked.inner, Scale)
    model = {"class_name": "Sequential", "config": {"name": "m", "layers": [inner]}}
    assert isinstance(made(item("Residual", "r", inner=model), custom_objects=EVERYTHING).inner, Sequential)
    again = Residual.from_config(layer.get_config())
    assert isinstance(again.inner, layers.LSTM)
    assert again.inner is not layer.inner


def test_objects_of_ones_own_in_layers_of_the_table() -> None:
    class Init:
        def __init__(self, value: float) -> None:
            self.value = value

        def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
            return torch.full(tuple(shape), self.value, dtype=dtype)

    class Twice(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * x

    config = item(
        "Dense",
        "d",
        units=2,
        activation={"class_name": "Twice", "config": {}},
        kernel_initializer={"class_name": "Init", "config": {"value": 0.25}},
        bias_initializer="half",
    )
    given = {"Twice": Twice, "Init": Init, "half": lambda shape, dtype=None: np.full(shape, 0.5)}
    layer = made(config, custom_objects=given)
    assert torch.equal(layer(torch.ones(1, 3)), torch.full((1, 2), 2 * (0.75 + 0.5)))
    for key, value in (
        ("activation", "mine"),
        ("kernel_initializer", "mine"),
        ("kernel_constraint", item("Mine", "m")),
    ):
        with pytest.raises(
            UnsupportedFileError, match=r"never looked up: if it is yours, pass custom_objects=\{'[mM]ine"
        ):
            made(item("Dense", "d", units=2, **{key: value}))


def test_names_of_keras_may_mean_ones_own() -> None:
    layer = made(item("Dense", "d", units=2), custom_objects={"Dense": lambda units: lambda x: x * units})
    assert isinstance(layer, layers.Lambda)
    layer = made(item("Activation", "a", activation="relu"), custom_objects={"relu": wave})
    assert layer.activation is wave
    layer = made(item("LSTM", "l", units=2, return_sequences=True), custom_objects={"LSTM": Backwards})
    assert isinstance(layer, Backwards)
    with pytest.raises(ArgumentError, match="InputLayer is an input of the model"):
        made(item("Dense", "d", units=2), custom_objects={"InputLayer": layers.Dense})


def test_what_is_not_needed_may_be_passed() -> None:
    assert made(item("Dense", "d", units=2), custom_objects=EVERYTHING, replace={}).name == "d"


# ---------------------------------------------------------------------------- replace


def test_replace_takes_layers_modules_and_functions() -> None:
    config = item("Lambda", "f", function=["4wEA", None, None], function_type="lambda")
    dense = layers.Dense(4)
    for thing, shape in ((dense, (None, 5, 4)), (nn.Linear(3, 2), (None, 5, 2)), (torch.relu, (None, 5, 3))):
        layer = made(config, replace={"f": thing})
        assert layer.name == "f"
        assert layer.output_shape == shape
    assert made(config, replace={"f": dense}) is dense


def test_replace_finds_layers_inside_models_and_wrappers() -> None:
    inside = item("Lambda", "f", function="code")
    nested = {"class_name": "Sequential", "config": {"name": "n", "layers": [item("Dense", "d", units=3), inside]}}
    wrapped = item("TimeDistributed", "t", layer=item("Lambda", "g", function="code"))
    text = text_of(nested, wrapped)
    model = kt.model_from_json(text, replace={"n/f": torch.relu, "t/g": torch.tanh})
    assert isinstance(model.layers[0].layers[-1], layers.Lambda)
    assert model.layers[1].layer.function is torch.tanh
    assert kt.model_from_json(text, replace={"f": torch.relu, "g": torch.tanh}).output_shape == (None, 5, 3)
    assert len(kt.model_from_json(text, replace={"n": nn.Linear(3, 2), "t": torch.relu}).layers) == 2


def test_wrong_names_in_replace() -> None:
    def nested(name: str) -> dict[str, Any]:
        return {"class_name": "Sequential", "config": {"name": name, "layers": [item("Dense", "d", units=3)]}}

    text = text_of(nested("m"), nested("n"))
    for replace, match in [
        ({"e": torch.relu}, "replace: the model has no layer 'e'; its layers are 'x', 'm', 'm/d', 'n', 'n/d'"),
        ({"d": torch.relu}, "more than one layer has the name 'd'; give one of 'm/d', 'n/d'"),
        ({"x": torch.relu}, "'x' is an input of the model, which nothing can stand for"),
        ({"m": torch.relu, "m/d": torch.tanh}, "'m/d' stands in 'm', which is replaced itself"),
        ({"": torch.relu}, "expected names as keys"),
        ([("e", torch.relu)], "replace: expected a dict, got 'list'"),
        ({"m/d": nn.Linear}, "got the class 'Linear'; give an object of it, or custom_objects="),
        ({"m/d": 3}, "expected a layer, a torch module or a function on tensors, got 3"),
    ]:
        with pytest.raises(ArgumentError, match=match):
            kt.model_from_json(text, replace=replace)  # type: ignore[arg-type]
    shared = nn.Linear(3, 3)
    with pytest.raises(ArgumentError, match=r"'m/d' and 'n/d' are one and the same module; .*copy\.deepcopy"):
        kt.model_from_json(text, replace={"m/d": shared, "n/d": shared})
    text = text_of({"class_name": "Sequential", "config": {"name": "m", "layers": [item("Dense", "x2", units=3)]}})
    with pytest.raises(ArgumentError, match="'m/x2' and 'x2' name the same layer"):
        kt.model_from_json(text, replace={"m/x2": torch.relu, "x2": torch.relu})


def test_wrong_custom_objects() -> None:
    for given, match in [
        ({"Own": nn.Linear(2, 2)}, r"custom_objects\['Own'\]: .*'Linear', which is made already"),
        ({"Own": 3}, "expected a class or a function, got 3"),
        ({3: len}, "expected names as keys, got 3"),
        ("Own", "custom_objects: expected a dict, got 'str'"),
    ]:
        with pytest.raises(ArgumentError, match=match):
            made(item("Own", "own"), custom_objects=given)


# ---------------------------------------------------------------------------- models


def test_from_config_takes_custom_objects() -> None:
    x = Input((5, 3))
    model = Model(x, Attention(2, name="a")(Scale(name="s")(x)))
    for original in (model, Sequential([Input((5, 3)), Scale(name="s"), Attention(2, name="a")])):
        with pytest.raises(MissingLayersError, match=r"'Scale' \(a class of one's own\) 's', 'Attention'"):
            type(original).from_config(original.get_config())
        again = type(original).from_config(original.get_config(), custom_objects=EVERYTHING)
        again.set_weights(original.get_weights())
        data = torch.randn(2, 5, 3)
        assert torch.equal(again(data), original(data))
        clone = kt.clone_model(original)
        clone.set_weights(original.get_weights())
        assert torch.equal(clone(data), original(data))


def test_wrappers_hold_ones_own_layers() -> None:
    config = layers.TimeDistributed(Attention(2, activation="tanh")).get_config()
    assert config["layer"]["module"] is None
    assert isinstance(layers.TimeDistributed.from_config(config).layer, Attention)
    plain = json.loads(json.dumps(config))  # as text it has no class any more
    with pytest.raises(ArgumentError, match="unknown layer class 'Attention'"):
        layers.TimeDistributed.from_config(plain)
    assert isinstance(layers.deserialize(plain["layer"], {"Attention": Attention}), Attention)
    both = layers.Bidirectional(Backwards(2, return_sequences=True, activation=wave))
    assert [type(direction) for direction in both._directions] == [Backwards, Backwards]
    assert both.backward_layer.activation is wave


# ---------------------------------------------------------------------------- a file reaches nothing else

HOSTILE = (
    "os.system",
    "builtins.eval",
    "posix>system",
    "__import__",
    "__class__",
    "kerastorch.layers",
    "torch.nn>Linear",
    "this.s",  # of a module that nothing has imported
)


def file_that_names(name: str, place: str) -> str:
    """The text of a model whose file names something in one of the places where names stand."""
    module, _, last = name.replace(">", ".").rpartition(".")
    found: dict[str, Any] = {"module": "keras.layers", "class_name": "Dense", "config": {"name": "d", "units": 2}}
    if place == "class_name":
        found["class_name"] = name
    elif place == "function":
        found = item("Lambda", "d", function=last, function_type="function", module=module)
    elif place == "activation":
        function = {"module": module or None, "class_name": "function", "config": last, "registered_name": name}
        found["config"]["activation"] = function
    else:
        found[place] = name
    return text_of(found, version="2.15.0")


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("place", ["class_name", "registered_name", "module", "function", "activation"])
def test_hostile_names_lead_nowhere(name: str, place: str) -> None:
    def refused(name: str) -> None:
        for given in ({}, EVERYTHING):
            with pytest.raises(LoadError):
                kt.model_from_json(file_that_names(name, place), given)

    refused("nobody.here>Own")  # what a refusal needs comes on use, some of it from torch
    before = set(sys.modules)
    refused(name)
    assert set(sys.modules) == before


def test_only_the_entry_itself_is_reached() -> None:
    class Holder(layers.Layer):
        Inner = nn.Linear

        def call(self, x: Tensor) -> Tensor:
            return x

    for name in ("Holder.Inner", "Holder>Inner", "Holder.from_config", "Holder.__init__"):
        with pytest.raises(MissingLayersError):
            made(item(name, "h", in_features=3, out_features=2), custom_objects={"Holder": Holder})


def test_code_of_a_lambda_is_carried_as_text() -> None:
    seen: dict[str, Any] = {}

    def make(**config: Any) -> Any:
        seen.update(config)
        return lambda x: x

    code = "4wAAAAAAAAAAAAAAAAEAAABDAAAA\n" * 40
    made(item("Lambda", "f", function=[code, None, None], function_type="lambda"), custom_objects={"Lambda": make})
    assert seen["function"] == [code, None, None]
    with pytest.raises(MissingLayersError) as caught:
        made(item("Lambda", "f", function=[code, None, None], function_type="lambda"))
    assert code[:60] not in str(caught.value)
    assert "Python code, which is never run" in str(caught.value)


def test_a_deep_config_is_refused() -> None:
    deep: Any = 1
    for _ in range(150):
        deep = [deep]
    with pytest.raises(UnsupportedFileError, match="nested more than 100 deep"):
        made(item("Own", "own", deep=deep), custom_objects={"Own": lambda deep: lambda x: x})


def test_a_bomb_in_a_config_of_ones_own_makes_no_values(tmp_path: Any) -> None:
    """The weights of a layer in the Keras way have no memory until the file was seen to hold them."""
    import h5py

    config = {"class_name": "Sequential", "config": {"name": "s", "layers": json.loads(text_of(
        item("Attention", "a", units=2**40, activation="tanh", W_regularizer=None)
    ))["config"]["layers"]}}  # fmt: skip
    with h5py.File(tmp_path / "bomb.h5", "w") as file:
        file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(config), "2.2.4"
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"a"]
        group.create_group("a").attrs["weight_names"] = [b"a/W:0"]
        group["a/a/W:0"] = np.zeros((3, 2), "float32")
    with pytest.raises(LoadError, match="expected 3 arrays"):
        kt.load_model(tmp_path / "bomb.h5", EVERYTHING)
