"""Who wrote a config, and what names, arguments and small objects meant there."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from _compat_made import Config, item, last, one, refused, sequential

from kerastorch.compat import detect_writer, forms, to_spec
from kerastorch.errors import CorruptFileError
from kerastorch.spec import LayerSpec

# ---------------------------------------------------------------------------------------------- who wrote it


@pytest.mark.parametrize(
    ("version", "era"),
    [
        ("0.3.3", "keras1"),
        ("1.2.2", "keras1"),
        ("2.0.0", "keras2"),
        ("2.3.1", "keras2"),
        ("2.1.6-tf", "tf.keras"),
        ("2.2.4-tf", "tf.keras"),
        ("2.3.0-tf", "tf.keras"),
        ("2.4.0", "tf.keras"),
        ("2.15.0", "tf.keras"),
        ("2.21.0", "tf.keras"),
        ("3.0.0", "keras3"),
        ("3.16.0.dev2026010203", "keras3"),
        ("2.12.0-rc1", "tf.keras"),
    ],
)
def test_stated_version(version: str, era: str) -> None:
    writer = detect_writer({}, version, "tensorflow")
    assert (writer.era, writer.version, writer.backend) == (era, version, "tensorflow")
    assert detect_writer({"keras_version": version, "backend": "jax"}, None, None).backend == "jax"


@pytest.mark.parametrize(
    ("config", "era"),
    [
        (sequential(item("Dense", "d", units=3, batch_input_shape=[None, 4])), "keras2"),
        (sequential(item("InputLayer", "i", batch_shape=[None, 4]), item("Dense", "d", units=3)), "keras3"),
        (sequential(item("LSTM", "d", units=3, time_major=False)), "tf.keras"),
        (
            sequential({**item("Dense", "d", units=3, batch_input_shape=[None, 4]), "module": "keras.layers"}),
            "tf.keras",
        ),
        (sequential({**item("Dense", "d", units=3), "module": "keras.layers"}), "keras3"),
        (sequential(item("Dense", "d", output_dim=3)), "keras1"),
        (sequential(item("Embedding", "e", input_dim=5, output_dim=3, input_length=7)), "keras3"),
        (sequential(item("TimeDistributedDense", "d", output_dim=3)), "keras1"),
        (sequential(item("Dense", "d", units=3)), "keras3"),
        (
            sequential(item("Dense", "d", units=3, kernel_initializer=item("GlorotUniform"), implementation=1)),
            "tf.keras",
        ),
    ],
)
def test_version_from_the_form(config: Config, era: str) -> None:
    writer = detect_writer(config, None, None)
    assert (writer.era, writer.version) == (era, None)


def test_versions_that_are_not_read() -> None:
    model = sequential(item("Dense", "d", units=3))
    refused(model, r"written by Keras '4\.0\.0'; versions 1 to 3 are read\. .* save it with Keras 2 or 3", "4.0.0")
    refused(model, r"written by Keras 0\.3\.3; versions 1 to 3 are read", "0.3.3")
    refused(model, r"keras_version is 'new', expected one such as '2\.15\.0'", "new")
    with pytest.raises(CorruptFileError, match="keras_version is 3, expected text"):
        to_spec({**model, "keras_version": 3})
    mixed = sequential(
        item("InputLayer", "i", batch_shape=[None, 4]), item("Dense", "d", units=3, batch_input_shape=[4])
    )
    refused(mixed, "mixes what different Keras versions write .*: add keras_version", None)


# ---------------------------------------------------------------------------------------------- meanings


@pytest.mark.parametrize("version", ["2.0.2", "2.2.4", "2.3.1", "2.1.6-tf", "2.2.4-tf", "2.4.0", "2.21.0"])
def test_hard_sigmoid_before_keras_3(version: str) -> None:
    # tf_keras 2.21: activations.hard_sigmoid(1.0) = 0.7; Keras 3.15: 0.6666667.
    model = sequential(
        item("LSTM", "a", units=3, activation="hard_sigmoid", recurrent_activation="hard_sigmoid"),
        item("Activation", "b", activation="hard_sigmoid"),
        item("TimeDistributed", "c", layer=item("Dense", "d", units=2, activation="hard_sigmoid")),
    )
    spec, _, rules = to_spec(model, version)
    a, b, c = (layer for layer in spec.layers if isinstance(layer, LayerSpec))
    assert a.config["activation"] == a.config["recurrent_activation"] == b.config["activation"] == "hard_sigmoid_keras2"
    assert c.config["layer"].config["activation"] == "hard_sigmoid_keras2"
    assert sorted(rule.layer for rule in rules) == ["a", "a", "b", "d"]
    assert "clip(0.2 x + 0.5, 0, 1)" in rules[0].text


def test_hard_sigmoid_of_keras_3() -> None:
    assert one("Activation", "3.15.1", activation="hard_sigmoid")["activation"] == "hard_sigmoid"


def test_hard_sigmoid_of_nobody_knows_whom() -> None:
    plain = sequential(item("Activation", "l", activation="hard_sigmoid"))
    refused(plain, r"Layer 'l': activation 'hard_sigmoid' means .*add keras_version", None)
    known = sequential(item("Activation", "l", activation="hard_sigmoid", batch_input_shape=[None, 3]))
    assert last(known, None).config["activation"] == "hard_sigmoid_keras2"


@pytest.mark.parametrize(
    ("version", "recurrent", "reset_after"),
    [
        ("2.0.2", "hard_sigmoid_keras2", False),
        ("2.2.4", "hard_sigmoid_keras2", False),
        ("2.3.1", "sigmoid", False),
        ("2.1.6-tf", "hard_sigmoid_keras2", False),
        ("2.3.0-tf", "sigmoid", True),
        ("2.15.0", "sigmoid", True),
        ("3.0.0", "sigmoid", True),
    ],
)
def test_defaults_of_the_gates(version: str, recurrent: str, reset_after: bool) -> None:
    # Constructors of Keras 2.0.2, 2.2.4, 2.3.1, tf_keras 2.21 (v1 and v2 classes) and 3.15.
    config = one("GRU", version, units=3)
    assert (config["recurrent_activation"], config["reset_after"]) == (recurrent, reset_after)
    assert one("LSTM", version, units=3)["recurrent_activation"] == recurrent
    assert "recurrent_activation" not in one("SimpleRNN", version, units=3)
    assert one("GRU", version, units=3, reset_after=not reset_after)["reset_after"] is not reset_after


def test_defaults_that_nobody_can_know() -> None:
    refused(sequential(item("LSTM", "l", units=3)), "a missing recurrent_activation means .*TensorFlow 1.*", "2.2.4-tf")
    bare = sequential(item("GRU", "l", units=3, recurrent_activation="sigmoid", batch_input_shape=[None, 7, 4]))
    refused(bare, r"a missing reset_after means .*\(keras2, version not stated\): add keras_version", None)


def test_supplied_defaults_are_reported() -> None:
    _, _, rules = to_spec(sequential(item("GRU", "g", units=3)), "2.2.4")
    assert [rule.text for rule in rules] == [
        "recurrent_activation 'hard_sigmoid' is clip(0.2 x + 0.5, 0, 1), as before Keras 3",
        "recurrent_activation is not in the file: 'hard_sigmoid', the default of Keras 2.2.4",
        "reset_after is not in the file: False, the default of Keras 2.2.4",
    ]
    assert to_spec(sequential(item("GRU", "g", units=3)), "3.1.0")[2] == ()


# ---------------------------------------------------------------------------------------------- activations


def layer(class_name: str, **config: Any) -> Config:
    """How an activation that stays a layer comes out."""
    return {"module": "keras.layers", "class_name": class_name, "config": config}


@pytest.mark.parametrize(
    ("given", "version", "expected"),
    [
        (None, "2.2.4", "linear"),
        ("relu", "2.2.4", "relu"),
        ("swish", "2.15.0", "silu"),
        ("softmax_v2", "2.4.0", "softmax"),
        ("relu6", "2.15.0", "relu6"),
        ("hard_swish", "3.15.1", "hard_silu"),
        ("celu", "3.15.1", "celu"),
        (
            {"module": "builtins", "class_name": "function", "config": "relu", "registered_name": "function"},
            "2.15.0",
            "relu",
        ),
        (
            {"class_name": "function", "config": "log_softmax_v2", "registered_name": "function"},
            "2.15.0",
            "log_softmax",
        ),
        (
            {"module": "keras.activations", "class_name": "function", "config": "gelu", "registered_name": "gelu"},
            "3.1.0",
            "gelu",
        ),
        (item("ReLU", "r", max_value=None, negative_slope=0.0, threshold=0.0), "2.15.0", "relu"),
        (item("ReLU", "r", max_value=6.0, negative_slope=0.0, threshold=0.0, dtype="float32"), "3.1.0", "relu6"),
        (item("LeakyReLU", "r", alpha=0.20000000298023224), "2.15.0", "leaky_relu"),
        (item("Softmax", "r", axis=-1), "3.1.0", "softmax"),
        (item("LeakyReLU", "r", alpha=0.1, dtype="float32"), "2.15.0", layer("LeakyReLU", negative_slope=0.1)),
        (item("LeakyReLU", "r", negative_slope=0.1), "3.1.0", layer("LeakyReLU", negative_slope=0.1)),
        (item("LeakyReLU", "r"), "2.15.0", layer("LeakyReLU")),
        (item("ELU", "r", alpha=0.5), "2.2.4", layer("ELU", alpha=0.5)),
        (item("ThresholdedReLU", "r", theta=0.5), "2.15.0", layer("ReLU", threshold=0.5)),
        (item("ThresholdedReLU", "r"), "2.15.0", layer("ReLU", threshold=1.0)),
        (item("Softmax", "r", axis=[1, 2], robust_masking=True), "2.15.0", layer("Softmax", axis=[1, 2])),
        (
            item("ReLU", "r", max_value={"type": "ndarray", "value": 3.0}, negative_slope=0.5, threshold=0.0),
            "2.2.4",
            layer("ReLU", max_value=3.0, negative_slope=0.5, threshold=0.0),
        ),
    ],
)
def test_activations(given: Any, version: str, expected: Any) -> None:
    assert one("Dense", version, units=2, activation=given)["activation"] == expected


def test_another_spelling_of_an_argument_that_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    renamed = dataclasses.replace(forms.LAYERS["Dense"], aliases={"features": "units"})
    monkeypatch.setitem(forms.LAYERS, "Dense", renamed)  # type: ignore[arg-type]
    assert one("Dense", "3.15.1", features=2)["units"] == 2
    with pytest.raises(CorruptFileError, match="lacks units in its config"):
        one("Dense", "3.15.1", activation="relu")


@pytest.mark.parametrize(
    ("given", "version", "match"),
    [
        ("swish", "2.2.4", r"Layer 'l', activation: 'swish' is no activation of Keras 2\.2\.4"),
        ("celu", "2.15.0", "'celu' is no activation of Keras 2.15.0"),
        ("hard_sigmoid_keras2", "3.15.1", "is no activation of Keras 3.15.1"),
        ("__import__('os')", "3.15.1", "is no activation"),
        (item("LeakyReLU", "r", slope=0.3), "2.15.0", "LeakyReLU has no argument 'slope'"),
        (item("PReLU", "r"), "2.15.0", "PReLU has weights. Make the activation linear"),
        (
            {"class_name": "__lambda__", "config": {"value": "4wEA"}},
            "3.1.0",
            "Python code inside the file, .* never run",
        ),
        (
            {"module": "builtins", "class_name": "function", "config": "gelu", "registered_name": "mine>gelu"},
            "3.1.0",
            r"'function' is not Keras's own \(module 'builtins', registered_name 'mine>gelu'\)",
        ),
        (
            {"module": "os", "class_name": "function", "config": "system", "registered_name": "function"},
            "3.1.0",
            "is not Keras's own .*never looked up",
        ),
    ],
)
def test_activations_that_are_refused(given: Any, version: str, match: str) -> None:
    refused(sequential(item("Dense", "l", units=2, activation=given)), match, version)


# ---------------------------------------------------------------------------------------------- small objects


@pytest.mark.parametrize(
    ("given", "version", "expected"),
    [
        ("glorot_uniform", "2.2.4", ("GlorotUniform", {})),
        ("uniform", "2.0.2", ("RandomUniform", {})),
        ("normal", "2.0.2", ("RandomNormal", {})),
        ("one", "2.2.4", ("Ones", {})),
        (item("Zeros", dtype="float32"), "2.1.6-tf", ("Zeros", {})),
        (item("GlorotUniformV2", seed=3), "2.2.4-tf", ("GlorotUniform", {"seed": 3})),
        (item("OrthogonalInitializer", gain=1.5, seed=None), "3.0.5", ("Orthogonal", {"gain": 1.5, "seed": None})),
        (
            item("GlorotUniform", seed=None, input_axes=None, output_axes=None),
            "3.15.1",
            ("GlorotUniform", {"seed": None}),
        ),
        (
            item("VarianceScaling", scale=2.0, mode="fan_in", distribution="normal", seed=None),
            "2.2.4",  # tf_keras 2.21 turns "normal" into "truncated_normal" likewise
            ("VarianceScaling", {"scale": 2.0, "mode": "fan_in", "distribution": "truncated_normal", "seed": None}),
        ),
        (
            item("Constant", value={"class_name": "__numpy__", "config": {"value": [1.0, 2.0], "dtype": "float32"}}),
            "3.15.1",
            ("Constant", {"value": [1.0, 2.0]}),
        ),
        (
            {
                **item("HeNormal", seed=1),
                "module": "keras.initializers",
                "registered_name": None,
                "shared_object_id": 7,
            },
            "2.15.0",
            ("HeNormal", {"seed": 1}),
        ),
    ],
)
def test_initializers(given: Any, version: str, expected: tuple[str, Config]) -> None:
    found = one("Dense", version, units=2, kernel_initializer=given)["kernel_initializer"]
    assert (found["class_name"], found["config"]) == expected


@pytest.mark.parametrize(
    ("given", "version", "expected"),
    [
        # tf_keras 2.21: regularizers.get("l1_l2") is L1L2(0.01, 0.01) and get("L1L2") is L1L2(0, 0).
        ("l1_l2", "2.15.0", ("L1L2", {"l1": 0.01, "l2": 0.01})),
        ("l1_l2", "3.15.1", ("L1L2", {})),
        ("L1L2", "2.15.0", ("L1L2", {})),
        ("l2", "2.2.4", ("L2", {})),
        (item("L1L2", l1=0.0, l2=0.02), "2.2.4", ("L1L2", {"l1": 0.0, "l2": 0.02})),
    ],
)
def test_regularizers(given: Any, version: str, expected: tuple[str, Config]) -> None:
    found = one("LSTM", version, units=2, recurrent_activation="sigmoid", recurrent_regularizer=given)
    assert tuple(found["recurrent_regularizer"].values()) == expected


def test_constraints() -> None:
    found = one("Dense", units=2, kernel_constraint=item("MaxNorm", max_value=3, axis=[0, 1]), bias_constraint="nonneg")
    assert found["kernel_constraint"] == {"class_name": "MaxNorm", "config": {"max_value": 3, "axis": [0, 1]}}
    assert found["bias_constraint"] == {"class_name": "NonNeg", "config": {}}


@pytest.mark.parametrize(
    ("key", "given", "match"),
    [
        (
            "kernel_initializer",
            "mine",
            "Layer 'l', kernel_initializer: 'mine' is no initializer of Keras. It has Zeros",
        ),
        ("kernel_initializer", item("Zeros", seed=1), "Zeros has no argument 'seed'; it takes none"),
        ("kernel_regularizer", item("L2", l2=0.1, l1=0.1), "L2 has no argument 'l1'; it takes l2"),
        (
            "kernel_constraint",
            {**item("MaxNorm"), "module": "mine.constraints"},
            "is not Keras's own .module 'mine.con",
        ),
        ("kernel_constraint", {**item("MaxNorm"), "module": None}, r"is not Keras's own \(no module\)"),
        ("kernel_initializer", {"class_name": "__lambda__", "config": {}}, "never run"),
    ],
)
def test_small_objects_that_are_refused(key: str, given: Any, match: str) -> None:
    refused(sequential(item("Dense", "l", units=2, **{key: given})), match)


# ---------------------------------------------------------------------------------------------- dtypes


@pytest.mark.parametrize(
    "given",
    [
        "bfloat16",
        item("DTypePolicy", "bfloat16"),
        item("FloatDTypePolicy", "bfloat16"),
        item("Policy", "bfloat16"),
        item("PolicyV1", "bfloat16", loss_scale=None),
    ],
)
def test_dtypes(given: Any) -> None:
    assert one("Dense", "2.15.0", units=2, dtype=given)["dtype"] == "bfloat16"


def test_dtype_of_nothing() -> None:
    assert "dtype" not in one("Dense", units=2, dtype=None)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ("float31", "Layer 'l', dtype: expected a dtype such as 'float32', got 'float31'"),
        (
            "int8_from_float32",
            "quantized policy 'int8_from_float32' is not supported; save the model before quantizing it",
        ),
        (item("QuantizedDTypePolicy", mode="int8"), r"quantized policy QuantizedDTypePolicy \('int8'\)"),
        (item("DTypePolicyMap"), "'DTypePolicyMap' is no dtype policy that is read"),
    ],
)
def test_dtypes_that_are_refused(given: Any, match: str) -> None:
    refused(sequential(item("Dense", "l", units=2, dtype=given)), match, "3.15.1")


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("3.16.0", "Keras 3.16.0, and kerastorch is tested up to 3.15.1"),
        ("3.15.2", "Keras 3.15.2, "),
        ("3.100.0.dev20270101", "Keras 3.100.0.dev20270101, "),
        ("2.22.0", "tf-keras 2.22.0, and kerastorch is tested up to 2.21.0: it is read by the rules of 2.21.0"),
        ("3.15.1", None),
        ("3.15.1.dev0", None),
        ("3.2.0", None),
        ("2.21.0", None),
        ("2.2.4-tf", None),
        ("1.2.2", None),
        (None, None),
    ],
)
def test_a_keras_newer_than_the_newest_that_is_tested(version: str | None, said: str | None) -> None:
    units = {"units": 2} if version != "1.2.2" else {"output_dim": 2, "input_dim": 3}
    rules = to_spec(sequential(item("Dense", "d", **units)), version, "tensorflow")[2]
    warned = [rule for rule in rules if rule.warns]
    assert [rule.layer for rule in warned] == ["s"] * (said is not None)
    assert said is None or f"the file was written by {said}" in warned[0].text
