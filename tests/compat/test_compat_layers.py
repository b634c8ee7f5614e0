"""Keys, shapes, wrappers and classes of single layers and of Sequential models."""

from __future__ import annotations

from typing import Any

import pytest
from _compat_made import Config, chain, item, last, one, read, refused, sequential, source

from kerastorch.compat import forms
from kerastorch.errors import CorruptFileError, LoadError
from kerastorch.spec import LayerSpec, ModelSpec

VERSIONS = {"keras2": "2.3.1", "tf.keras": "2.15.0", "keras3": "3.15.1"}

# ---------------------------------------------------------------------------------------------- keys


def test_keys_that_mean_nothing_are_dropped() -> None:
    config = one("LSTM", "2.15.0", units=3, time_major=False, recurrent_activation="tanh", activity_regularizer=None)
    assert config == {"units": 3, "recurrent_activation": "tanh"}
    config = one("BatchNormalization", "3.15.1", axis=-1, renorm=False, renorm_clipping=None, renorm_momentum=0.99)
    assert config == {"axis": -1}
    config = one("Dense", "3.15.1", units=3, quantization_config=None, lora_rank=None)
    assert config == {"units": 3}
    config = one("LayerNormalization", "3.5.0", axis=[2], rms_scaling=False)
    assert config == {"axis": 2}
    assert one("LayerNormalization", "3.5.0", axis=[1, 2], rms_scaling=True) == {"axis": [1, 2], "rms_scaling": True}


@pytest.mark.parametrize(
    ("layer", "match"),
    [
        (
            item("LSTM", "l", units=3, recurrent_activation="tanh", time_major=True),
            "time_major = True: .*put the batch first",
        ),
        (item("GRU", "l", units=3, num_constants=2), "num_constants = 2: no cell of Keras's own takes constants"),
        (item("InputLayer", "l", batch_input_shape=[None, 3], sparse=True), "sparse = True: sparse inputs"),
        (item("BatchNormalization", "l", virtual_batch_size=3), "virtual_batch_size = 3"),
        (item("BatchNormalization", "l", axis=[1, 2]), r"one axis is supported, got \[1, 2\]"),
    ],
)
def test_keys_that_mean_something_are_refused(layer: Config, match: str) -> None:
    refused(sequential(layer), match, "2.15.0")


SWITCHES = [
    (name, key, era)
    for name, form in forms.LAYERS.items()
    for era, version in VERSIONS.items()
    if era in form.eras and name != "InputLayer"
    for key in sorted((form.keys if version[0] == "3" else form.keys_of_old) & forms.BOOLEANS - form.numbers)
]


@pytest.mark.parametrize(("name", "key", "era"), SWITCHES)
def test_zero_and_one_are_false_and_true(name: str, key: str, era: str) -> None:
    """Every boolean of every layer, in every Keras; what the two mean is what `false` and `true` mean."""
    inner: Config = {"layer": item("LSTM", "i", units=2, recurrent_activation="tanh")}
    inner["cell"] = item("SimpleRNNCell", "c", units=2)
    form = forms.LAYERS[name]
    needed = {needed: inner.get(needed, 1) for needed in form.required}
    if "equation" in needed:
        needed |= {"equation": "ab,bc->ac", "output_shape": [3]}
    for given in (0, 1, 0.0, 1.0, None):
        if given is None and key in forms.UNDECIDED:
            continue
        meant = outcome(item(name, "l", **needed, **{key: bool(given)}), VERSIONS[era])
        found = outcome(item(name, "l", **needed, **{key: given}), VERSIONS[era])
        assert found == meant


def outcome(layer: Config, version: str) -> Any:
    """The arguments of the layer, or the message that refuses it."""
    try:
        found = last(sequential(layer), version)
    except LoadError as error:
        return str(error)
    return {key: (type(value), value) for key, value in found.config.items()}  # 1 == True


@pytest.mark.parametrize("key", ["sparse", "ragged", "optional"])
def test_zero_in_an_input(key: str) -> None:
    layer = item("InputLayer", "l", batch_input_shape=[None, 3], **{key: 0})
    assert last(sequential(layer), "2.15.0").config == {"batch_shape": (None, 3), "dtype": "float32"}
    one = sequential(item("InputLayer", "l", batch_input_shape=[None, 3], **{key: 1}))
    if key != "sparse":
        assert last(one, "2.15.0").config == {"batch_shape": (None, 3), "dtype": "float32", key: True}
    else:
        refused(one, f"{key} = True: ", "2.15.0")


def test_all_unknown_keys_are_listed() -> None:
    model = sequential(
        item("Dense", "a", units=3, wings=2, paws=4),
        item("TimeDistributed", "b", layer=item("Dense", "c", units=3, tail=1)),
        colour="red",
    )
    refused(model, "Sequential 's': 'colour'; Dense 'a': 'paws', 'wings'; Dense 'c': 'tail'. Take them out", "3.1.0")


def test_old_keys_are_unknown_to_keras_3() -> None:
    refused(sequential(item("LSTM", "l", units=3, time_major=False)), "LSTM 'l': 'time_major'", "3.1.0")


@pytest.mark.parametrize(
    ("layer", "match"),
    [
        (
            item("Dense", "l", units=True),
            r"Layer 'l' \(Dense\), units: expected a whole number of 1 or more, got True",
        ),
        (item("Dense", "l", units="3"), "expected a whole number"),
        (item("Dense", "l", units=3.0), "expected a whole number"),
        (item("RepeatVector", "l", n=0), "expected a whole number of 1 or more, got 0"),
        (item("Dense", "l", units=3, use_bias=2), "use_bias: expected true or false, got 2"),
        (item("Dense", "l", units=3, use_bias=1.5), "use_bias: expected true or false, got 1.5"),
        (item("Dense", "l", units=3, use_bias="1"), "use_bias: expected true or false, got '1'"),
        (item("Dense", "l", units=3, trainable=1), "Layer 'l', trainable: expected true or false, got 1"),
        (item("Dense", "l", units=3, trainable="no"), "trainable: expected true or false"),
        (item("Dense", "l"), r"Layer 'l' \(Dense\) lacks units in its config"),
        (item("Bidirectional", "l"), "lacks layer"),
        (item("Reshape", "l", target_shape="ab"), "target_shape: expected a list"),
        (item("Dense", "", units=3), "expected a name, got ''"),
        (item("Dense", 7, units=3), "expected a name, got 7"),  # type: ignore[arg-type]
        (item("InputLayer", "l"), "Input layer 'l' states no shape"),
        (item("InputLayer", "l", batch_input_shape=[None, True]), "expected sizes or null"),
        (item("InputLayer", "l", batch_input_shape=[None, -3]), "expected sizes or null"),
        ({"class_name": "Dense", "config": [1]}, "expected an object, got"),
        ({"class_name": 3, "config": {}}, "The class of a layer: expected a name"),
        ([], "A layer: expected an object"),
    ],
)
def test_wrong_values(layer: Any, match: str) -> None:
    refused(sequential(layer), match, "2.2.4", CorruptFileError)


# ---------------------------------------------------------------------------------------------- unknown layers


def test_all_unknown_layers_are_listed() -> None:
    model = sequential(
        item("RandomZoom", "c"),
        item("TimeDistributed", "t", layer=item("RandomFlip", "d")),
        item("Lambda", "f", function=["4wEA", None, None]),
        sequential(item("Swish", "w")) | {"name": "s"},
        {**item("LSTM", "mine", units=3), "module": "mine.layers", "registered_name": "mine>LSTM"},
    )
    refused(
        model,
        r"kerastorch does not have: 'RandomZoom' 'c', 'RandomFlip' 't/d', 'Lambda' 'f', 'Swish' 's/w', "
        r"'LSTM' \(a class of one's own\) 'mine'\. "
        r"Code in files \(Lambda\) is never run\. Pass their classes \(custom_objects=\)",
        None,
    )


def test_a_model_takes_numbers_as_trainable() -> None:
    """As both Kerases do, and both refuse them in a layer."""
    for version in VERSIONS.values():
        for given in (0, 1):
            assert read(sequential(item("Dense", "d", units=3), trainable=given), version).trainable is bool(given)


def test_model_of_a_class_of_ones_own() -> None:
    refused(item("Seq2SeqLSTM", "q"), "class 'Seq2SeqLSTM', expected Sequential or Functional", "3.1.0")
    refused({}, "class None", "3.1.0")


@pytest.mark.parametrize(
    "module",
    ["keras", "keras.layers", "keras.src.layers.core.dense", "tf_keras.layers", "tensorflow.python.keras.layers",
     "tensorflow.keras.layers"],
)  # fmt: skip
def test_modules_of_keras(module: str) -> None:
    read(sequential({**item("Dense", "d", units=2), "module": module, "registered_name": None}), "2.15.0")


@pytest.mark.parametrize("module", [None, "", "kerasx.layers", "keras_cv.layers", "os", "tensorflow", 3])
def test_other_modules(module: Any) -> None:
    refused(
        sequential({**item("Dense", "d", units=2), "module": module}), "'Dense' .a class of one's own. 'd'", "2.15.0"
    )


def test_cudnn_layers_belong_to_keras_2() -> None:
    assert last(sequential(item("CuDNNLSTM", "l", units=3, time_major=False)), "2.1.6-tf").class_name == "CuDNNLSTM"
    refused(sequential(item("CuDNNLSTM", "l", units=3)), r"Keras 3\.1\.0 has no class CuDNNLSTM", "3.1.0")


# ---------------------------------------------------------------------------------------------- Sequential


@pytest.mark.parametrize(
    ("layer", "shape", "dtype"),
    [
        (item("LSTM", "l", units=3, batch_input_shape=[2, 7, 4], dtype="float64"), (2, 7, 4), "float64"),
        (item("LSTM", "l", units=3, input_shape=[None, 4], batch_size=5), (5, None, 4), "float32"),
        (item("LSTM", "l", units=3, input_dim=4, input_length=7), (None, 7, 4), "float32"),
        (item("LSTM", "l", units=3, input_dim=4), (None, None, 4), "float32"),
        (item("Dense", "l", units=3, input_dim=4), (None, 4), "float32"),
        (item("Dense", "l", units=3, input_dim=4, dtype="mixed_float16"), (None, 4), "float32"),
        (item("Embedding", "l", input_dim=9, output_dim=3), (None, None), "float32"),
        (item("Embedding", "l", input_dim=9, output_dim=3, input_length=7, dtype="int32"), (None, 7), "int32"),
    ],
)
def test_shape_of_the_first_layer(layer: Config, shape: tuple[int | None, ...], dtype: str) -> None:
    layer["config"].setdefault("recurrent_activation", "tanh") if layer["class_name"] == "LSTM" else None
    spec = read(sequential(layer, item("Dense", "d", units=2, batch_input_shape=[None, 99])))
    source_, first, _ = spec.layers
    assert isinstance(source_, LayerSpec)
    assert source_.name == "l_input"
    assert source_.config == {"batch_shape": shape, "dtype": dtype}
    assert isinstance(first, LayerSpec)
    assert "input_length" not in first.config
    if layer["class_name"] == "Embedding":
        assert "dtype" not in first.config or first.config["dtype"] == "float32"


def test_no_shape_no_input_layer() -> None:
    assert [layer.name for layer in read(sequential(item("Dense", "d", units=2))).layers] == ["d"]
    layers = read(sequential(item("Embedding", "e", input_dim=3, output_dim=2)), "3.1.0").layers
    assert [layer.name for layer in layers] == ["e"]


def test_build_input_shape() -> None:
    spec = read(sequential(item("Dense", "d", units=2), build_input_shape=[None, 4]), "3.1.0")
    assert spec.layers[0] == LayerSpec("InputLayer", "s_input", {"batch_shape": (None, 4), "dtype": "float32"})


def test_sequential_as_a_list() -> None:
    layers = [
        item("Dense", "a", units=2, batch_input_shape=[None, 4]),
        item("Dense", None, units=2),
        item("Dense", None, units=3),
    ]
    spec = read({"class_name": "Sequential", "config": layers}, "2.0.2")
    assert (spec.kind, spec.name) == ("Sequential", "sequential")
    assert [layer.name for layer in spec.layers] == ["a_input", "a", "dense", "dense_1"]


def test_input_layer_in_the_middle() -> None:
    refused(sequential(item("Dense", "d", units=2), source()), "is not the first layer", "2.4.0", CorruptFileError)


def test_two_layers_of_one_name() -> None:
    model = sequential(item("Dense", "d", units=2), item("Dense", "d", units=2))
    refused(model, "Model 's' has more than one layer of the name 'd'", "2.4.0", CorruptFileError)


def test_model_first_in_a_sequential() -> None:
    inner = chain(item("Dense", "d", units=2))
    spec = read(sequential(inner | {"name": "m"}, item("Dense", "e", units=2)))
    assert spec.layers[0].name == "m_input"
    assert isinstance(spec.layers[1], ModelSpec)


def test_trainable() -> None:
    spec = read(
        sequential(item("Dense", "a", units=2, trainable=False), sequential(trainable=False) | {"name": "s"}), "2.4.0"
    )
    assert [layer.trainable for layer in spec.layers] == [False, False]


# ---------------------------------------------------------------------------------------------- wrappers


def test_wrapped_layers() -> None:
    forward = item("LSTM", "f", units=3, recurrent_activation="sigmoid", batch_input_shape=[None, 7, 4])
    backward = item("GRU", "b", units=3, recurrent_activation="sigmoid", reset_after=True, go_backwards=True)
    layer = last(
        sequential(item("Bidirectional", "l", layer=forward, backward_layer=backward, merge_mode="mul")), "2.15.0"
    )
    assert layer.config["merge_mode"] == "mul"
    assert layer.config["layer"] == LayerSpec(
        "LSTM", "f", {"units": 3, "recurrent_activation": "sigmoid"}, era="tf.keras"
    )
    assert layer.config["backward_layer"].class_name == "GRU"
    inner = chain(item("Dense", "d", units=2))
    layer = last(sequential(item("TimeDistributed", "l", layer=inner)))
    assert isinstance(layer.config["layer"], ModelSpec)


def test_layer_shared_by_two_wrappers() -> None:
    def wrapped(name: str, inner: Config) -> Config:
        return item("TimeDistributed", name, layer=inner)

    plain = item("Dense", "d", units=2)
    shared = {**plain, "shared_object_id": 5}

    def numbers(*inner: Config) -> list[int | None]:
        model = read(sequential(*(wrapped(f"w{index}", part) for index, part in enumerate(inner))), "3.1.0")
        return [layer.config["layer"].shared for layer in model.layers]  # type: ignore[union-attr]

    assert numbers(shared, shared) == [5, 5]
    assert numbers(plain, shared) == [5, 5]  # Keras marks the second place only
    assert numbers(item("Dense", "other", units=2), shared) == [None, None]
    assert numbers(plain, plain) == [None, None]
    model = sequential(wrapped("a", plain), wrapped("b", plain), wrapped("c", shared))
    refused(model, "Layer 's/c/d' is one and the same layer as one of 2 before it", "3.1.0")
    model = sequential(wrapped("a", shared), wrapped("b", {**item("Dense", "d", units=3), "shared_object_id": 5}))
    refused(model, "Layer 's/a/d' and others have one shared_object_id", "3.1.0", CorruptFileError)
