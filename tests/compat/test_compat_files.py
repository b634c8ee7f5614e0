"""Configs of real files and of real Keras: read as they mean, or refused for the right reason."""

from __future__ import annotations

import functools
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from _close import assert_numbers
from _needs import SHARED_FILES, needs

from kerastorch.compat import to_spec
from kerastorch.errors import LoadError, UnsupportedFileError
from kerastorch.spec import LayerSpec, ModelSpec, TensorRef

SHARED = Path(__file__).parents[2].parent / "shared"
HERE = Path(__file__).parent


def _read(path: Path) -> tuple[Any, str | None, str | None] | None:
    """Config, version and backend of a file; None if it holds no config."""
    if path.suffix == ".json":
        config = json.loads(path.read_text())
        return (config, None, None) if "class_name" in config else None
    with path.open("rb") as file:
        head = file.read(4)
    if head == b"PK\3\4":
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            meta = json.loads(archive.read("metadata.json")) if "metadata.json" in names else {}
            return json.loads(archive.read("config.json")), meta.get("keras_version"), None
    if head != b"\x89HDF":
        return None
    import h5py

    with h5py.File(path, "r") as file:
        texts = {key: file.attrs.get(key) for key in ("model_config", "keras_version", "backend")}
    plain = {key: text.decode() if isinstance(text, bytes) else text for key, text in texts.items()}
    return (
        (json.loads(plain["model_config"]), plain["keras_version"], plain["backend"]) if plain["model_config"] else None
    )


def _files() -> list[Path]:
    found = [*SHARED.glob("corpus/files/*"), *SHARED.glob("layouts/*/*")]
    return sorted(path for path in found if path.suffix not in (".npz", ".npy"))


# What stands in the message of every file that is not read; the other files are read.
REFUSED = {
    "CodeDogandCat__": "'Lambda' 'lambda_1'",
    "IlyaGusev__": "'ReversedLSTM' 'LSTM_1_backward'",
    "special/q_": "quantized",
    "special/qq_int4": "Int4DTypePolicy",
    "special/qq_int8": "QuantizedDTypePolicy",
    "special/rand.": "'RandomFlip' 'rf'",
}


@needs(SHARED.is_dir(), SHARED_FILES)
@pytest.mark.parametrize("path", _files(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_real_file(path: Path) -> None:
    found = _read(path)
    if found is None:
        return
    reasons = [reason for part, reason in REFUSED.items() if part in f"{path.parent.name}/{path.name}"]
    if reasons:
        with pytest.raises(UnsupportedFileError) as error:
            to_spec(*found)
        assert reasons[0] in str(error.value)
        return
    spec, writer, _ = to_spec(*found)
    assert spec.layers
    assert writer.version == (found[1] or found[0].get("keras_version"))
    first = spec.layers[0]
    assert isinstance(first, LayerSpec)
    assert first.class_name == "InputLayer"


@needs(SHARED.is_dir(), SHARED_FILES)
def test_shared_files_are_there() -> None:
    read = 0
    for path in _files():
        found = _read(path)
        if found is not None and "corpus" in str(path):
            try:
                to_spec(*found)
            except LoadError:
                continue
            read += 1
    assert read == 69


# ---------------------------------------------------------------------------------------------- configs of real Keras


def _made(framework: str) -> dict[str, Any]:
    """Written by make_configs.py with Keras 3.15.1 and tf_keras 2.21.0."""
    return json.loads(_text(framework))


@functools.cache
def _text(framework: str) -> str:
    return (HERE / f"configs_{framework}.json").read_text()


def _ref(layer: str, node: int = 0, tensor: int = 0) -> TensorRef:
    return TensorRef(layer, node, tensor)


def _called(spec: ModelSpec) -> dict[str, list[tuple[Any, dict[str, Any]]]]:
    return {
        layer.name: [(call.args[0], dict(call.kwargs)) for call in layer.calls] for layer in spec.layers if layer.calls
    }


BOTH = pytest.mark.parametrize("framework", ["keras3", "tf_keras"])


@BOTH
def test_every_made_model_is_read(framework: str) -> None:
    made = _made(framework)
    assert len(made) >= 30
    for config in made.values():
        spec, writer, _ = to_spec(config)
        assert writer.era == ("keras3" if framework == "keras3" else "tf.keras")
        for layer in spec.layers:
            assert isinstance(layer, ModelSpec) or layer.era == writer.era


@BOTH
@pytest.mark.parametrize("kind", ["Add", "Multiply", "Maximum", "Concatenate"])
@pytest.mark.parametrize("label", ["two", "three", "half"])
def test_masks_that_travel_leave_no_trace(framework: str, kind: str, label: str) -> None:
    spec, _, _ = to_spec(_made(framework)[f"{kind}_{label}"])
    pair = {"two": ["ea", "eb"], "three": ["ea", "eb", "ea"], "half": ["ea", "ep"]}[label]
    called = _called(spec)
    assert called["joined"] == [([_ref(name) for name in pair], {})]
    assert called["r"] == [(_ref("joined"), {})]
    assert {layer.name for layer in spec.layers} == {"i", "j", *pair, "joined", "r"}


@BOTH
@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("masked_chain", ["i", "e", "a", "td", "d", "b", "out"]),
        ("masking_bidirectional", ["f", "k", "bi", "bn", "ln", "r"]),
        ("nested_masked", ["i", "e", "inner", "r"]),
    ],
)
def test_chains_with_masks(framework: str, name: str, names: list[str]) -> None:
    spec, _, rules = to_spec(_made(framework)[name])
    assert [layer.name for layer in spec.layers] == names
    assert list(_called(spec).values()) == [[(_ref(before), {})] for before in names[:-1]]
    assert bool(rules) == (framework == "keras3")


def _mask_graph() -> dict[str, Any]:
    return _made("keras3")["Concatenate_two"]


def _layer(config: dict[str, Any], class_name: str, module: str = "") -> dict[str, Any]:
    found = [
        item for item in config["config"]["layers"] if item["class_name"] == class_name and module in item["module"]
    ]
    return found[0]


def test_a_mask_that_does_not_travel_is_not_taken_for_one() -> None:
    """Each change makes another mask than Keras passes along: none may be dropped in silence."""
    to_spec(_mask_graph())
    for class_name, module, change in (
        ("NotEqual", "ops", lambda item: item["inbound_nodes"][0]["args"].__setitem__(1, 3)),
        ("Any", "ops", lambda item: item["config"].update(axis=0)),
        ("Concatenate", "ops", lambda item: item["config"].update(axis=1)),
        ("Concatenate", "ops", lambda item: item["inbound_nodes"][0]["args"][0].reverse()),
        ("Concatenate", "keras.layers", lambda item: item["config"].update(axis=1)),
        ("Embedding", "", lambda item: item["config"].update(mask_zero=False)),
    ):
        config = _mask_graph()
        change(_layer(config, class_name, module))
        spec, _, _ = to_spec(config)
        called = _called(spec)
        (given,) = [kwargs["mask"] for _, kwargs in called["r"]]
        kept = {layer.name: layer for layer in spec.layers if isinstance(layer, LayerSpec)}[given.layer]
        assert (kept.class_name, kept.config["function"]) == ("Operation", "Any")


@BOTH
def test_mask_by_hand(framework: str) -> None:
    spec, _, _ = to_spec(_made(framework)["mask_by_hand"])
    (given,) = [kwargs["mask"] for _, kwargs in _called(spec)["r"]]
    (operation,) = [layer for layer in spec.layers if isinstance(layer, LayerSpec) and layer.class_name == "Operation"]
    assert given == _ref(operation.name)
    place = {"class_name": "__input__", "config": 0}
    assert operation.config == {"function": "NotEqual", "arguments": {"x1": place, "x2": 0}}
    assert [call.args for call in operation.calls] == [(_ref("i"),)]


def test_arithmetic() -> None:
    spec, _, _ = to_spec(_made("keras3")["arithmetic"])
    place = {"class_name": "__input__", "config": 0}
    (operation,) = [layer for layer in spec.layers if isinstance(layer, LayerSpec) and layer.class_name == "Operation"]
    assert operation.config == {"function": "Multiply", "arguments": {"x1": place, "x2": 2.0}}
    assert _called(spec)["y"] == [(_ref(operation.name), {})]


@BOTH
def test_mask_as_an_input(framework: str) -> None:
    spec, _, _ = to_spec(_made(framework)["mask_as_input"])
    assert _called(spec)["r"] == [(_ref("f"), {"mask": _ref("mask")})]


@BOTH
def test_initial_states(framework: str) -> None:
    made = _made(framework)
    # Keras 3.15 gives no mask to a call with states: on a masked input its numbers are those without a mask
    # (difference to the masked ones 0.034, to the unmasked ones 0.0). tf_keras 2.21 uses the mask.
    extra = {"mask": None} if framework == "keras3" else {}
    states = [_ref("encoder", 0, 1), _ref("encoder", 0, 2)]
    called = _called(to_spec(made["encoder_decoder"])[0])
    assert called["decoder"] == [(_ref("dec"), {"initial_state": states, **extra})]
    four = [_ref("encoder", 0, index) for index in (1, 2, 3, 4)]
    called = _called(to_spec(made["encoder_decoder_bidirectional"])[0])
    assert called["decoder"] == [(_ref("dec"), {"initial_state": four, **extra})]
    called = _called(to_spec(made["state_on_masked"])[0])
    state: Any = _ref("h") if framework == "keras3" else [_ref("h")]
    assert called["r"] == [(_ref("e"), {"initial_state": state, **extra})]


@BOTH
def test_nested_models_count_their_own_calls(framework: str) -> None:
    made = _made(framework)
    spec, _, _ = to_spec(made["nested_functional"])
    assert _called(spec)["inner"] == [(_ref("f"), {}), (_ref("f"), {}), (_ref("inner", 1), {})]
    assert _called(spec)["r"] == [(_ref("inner", 2), {})]
    assert spec.outputs == [_ref("r"), _ref("inner", 0)]
    for name in ("nested_sequential", "nested_deferred"):
        spec, _, _ = to_spec(made[name])
        assert _called(spec)["inner"] == [(_ref("f"), {}), (_ref("inner", 0), {})]
        assert spec.outputs == _ref("inner", 1)
    inner = spec.layers[1]
    assert isinstance(inner, ModelSpec)
    assert [layer.class_name for layer in inner.layers if isinstance(layer, LayerSpec)] == ["InputLayer", "Dense"]


@BOTH
def test_shared_layer(framework: str) -> None:
    called = _called(to_spec(_made(framework)["shared"])[0])
    assert called["e"] == [(_ref("i"), {}), (_ref("j"), {})]
    assert called["la"] == [(_ref("e", 0), {})]
    assert called["lb"] == [(_ref("e", 1), {})]


@BOTH
def test_ends_as_dicts(framework: str) -> None:
    spec, _, _ = to_spec(_made(framework)["dict_ends"])
    assert spec.inputs == {"f": _ref("f")}
    assert spec.outputs == {"y": _ref("y"), "z": _ref("z")}


def test_training_in_the_graph() -> None:
    spec, _, rules = to_spec(_made("tf_keras")["training"])
    assert _called(spec)["d"] == [(_ref("f"), {"training": True})]
    assert rules[0].layer == "d"
    spec, _, rules = to_spec(_made("keras3")["training"])
    assert _called(spec)["d"] == [(_ref("f"), {})]
    assert "overruled by predict and fit" in rules[0].text


@BOTH
def test_arguments(framework: str) -> None:
    spec, _, rules = to_spec(_made(framework)["sequential"])
    source, a, y, h = (layer for layer in spec.layers if isinstance(layer, LayerSpec))
    hard = "hard_sigmoid" if framework == "keras3" else "hard_sigmoid_keras2"
    assert (source.name, source.config) == ("f", {"batch_shape": (None, 7, 4), "dtype": "float32"})
    assert (a.config["recurrent_activation"], a.config["activation"]) == (hard, "relu")
    assert h.config["activation"] == hard
    assert [rule.layer for rule in rules] == ([] if framework == "keras3" else ["a", "h"])
    assert y.config["activation"] == "silu"
    assert y.config["kernel_initializer"] == {"class_name": "GlorotUniform", "config": {"seed": None}}
    assert y.config["kernel_regularizer"]["class_name"] == "L2"
    assert_numbers(y.config["kernel_regularizer"]["config"]["l2"], 0.01)
    assert y.config["kernel_constraint"] == {"class_name": "MaxNorm", "config": {"max_value": 2, "axis": 0}}
    spec, _, _ = to_spec(_made(framework)["reshaping"])
    configs = {layer.name: layer.config for layer in spec.layers if isinstance(layer, LayerSpec)}
    assert configs["a"]["target_shape"] == (4, -1)
    assert configs["b"]["dims"] == (2, 1)
    assert configs["d"]["n"] == 3
    assert to_spec(_made(framework)["dot"])[0].layers[2].config["axes"] == (2, 2)  # type: ignore[union-attr]


@BOTH
def test_dtypes(framework: str) -> None:
    for name, dtype in (("float64", "float64"), ("mixed", "mixed_float16")):
        layer = to_spec(_made(framework)[name])[0].layers[1]
        assert isinstance(layer, LayerSpec)
        assert layer.config["dtype"] == dtype


def test_batch_normalization_axis_of_tf_keras_is_a_list() -> None:
    config = _made("tf_keras")["masking_bidirectional"]
    assert _layer(config, "BatchNormalization")["config"]["axis"] == [2]
    layers = {layer.name: layer for layer in to_spec(config)[0].layers}
    for name in ("bn", "ln"):
        layer = layers[name]
        assert isinstance(layer, LayerSpec)
        assert layer.config["axis"] == 2
