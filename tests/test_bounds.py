"""What a few bytes may ask for is bounded: sizes, values in weights, models in models, dtypes, paths and streams."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import kerastorch as kt
from kerastorch import layers
from kerastorch.errors import ArgumentError, LoadError, SaveError, ShapeError, UnreadableFileError, UnsafeFileError


def text(class_name: str, shape: tuple[int | None, ...] = (None, 3, 4), **config: Any) -> str:
    """A Sequential of one layer, as Keras 3 writes it."""
    listed = [
        {"class_name": "InputLayer", "config": {"batch_shape": shape, "name": "x"}},
        {"class_name": class_name, "config": {**config, "name": "l"}},
    ]
    config = {"name": "s", "layers": [{**item, "module": "keras.layers", "registered_name": None} for item in listed]}
    return json.dumps({"class_name": "Sequential", "module": "keras", "config": config, "keras_version": "3.15.1"})


SIZES = [
    ("Dense", (None, 4), "units"),
    ("LSTM", (None, 3, 4), "units"),
    ("GRU", (None, 3, 4), "units"),
    ("SimpleRNN", (None, 3, 4), "units"),
    ("Embedding", (None, 3), "input_dim"),
    ("Conv1D", (None, 3, 4), "filters"),
    ("ConvLSTM2D", (None, 3, 8, 8, 2), "filters"),
]
MORE = {"Embedding": {"output_dim": 3}, "Conv1D": {"kernel_size": 2}, "ConvLSTM2D": {"kernel_size": 2}}
HEADS = ("num_heads", "key_dim", "value_dim", "output_shape")


@pytest.mark.parametrize("size", [2**62, 2**63, 2**64])
@pytest.mark.parametrize(("class_name", "shape", "key"), SIZES)
def test_a_size_that_no_memory_holds(class_name: str, shape: tuple[int | None, ...], key: str, size: int) -> None:
    config = {key: size, **MORE.get(class_name, {})}
    with pytest.raises(LoadError, match=rf"'l'.*{key}: expected a size that a memory holds"):
        kt.model_from_json(text(class_name, shape, **config))
    with pytest.raises(ArgumentError, match=rf"{key}: expected a size that a memory holds"):
        getattr(layers, class_name)(**config)


@pytest.mark.parametrize("size", [2**40, 2**62, 2**64])
@pytest.mark.parametrize("key", HEADS)
def test_an_attention_that_no_memory_holds(key: str, size: int) -> None:
    x = kt.Input((3, 4))
    config = json.loads(kt.Model(x, layers.MultiHeadAttention(2, 2, name="l")(x, x)).to_json())
    config["config"]["layers"][1]["config"][key] = [size] if key == "output_shape" else size
    with pytest.raises(LoadError, match=rf"{key}(\[0\])?: expected a size that a memory holds|values, the limit"):
        kt.model_from_json(json.dumps(config))


def test_a_size_of_the_batch_that_no_memory_holds() -> None:
    with pytest.raises(LoadError, match=r"batch_shape\[0\]: expected a size that a memory holds"):
        kt.model_from_json(text("Dense", (2**62, 4), units=3))


WINDOWS = [
    ("Conv1D", (None, 3, 4), ("kernel_size", "strides", "dilation_rate"), {"filters": 2}),
    ("Conv2DTranspose", (None, 8, 8, 2), ("kernel_size", "strides", "dilation_rate"), {"filters": 2}),
    ("DepthwiseConv2D", (None, 8, 8, 2), ("kernel_size", "strides", "dilation_rate"), {}),
    ("ConvLSTM2D", (None, 3, 8, 8, 2), ("kernel_size", "strides", "dilation_rate"), {"filters": 2}),
    ("MaxPooling1D", (None, 3, 4), ("pool_size", "strides"), {"padding": "same"}),
    ("AveragePooling2D", (None, 8, 8, 2), ("pool_size", "strides"), {"padding": "same"}),
    ("UpSampling2D", (None, 8, 8, 2), ("size",), {}),
    ("UpSampling1D", (None, 3, 4), ("size",), {}),
    ("ZeroPadding1D", (None, 3, 4), ("padding",), {}),
    ("ZeroPadding2D", (None, 8, 8, 2), ("padding",), {}),
    ("Cropping1D", (None, 3, 4), ("cropping",), {}),
    ("Reshape", (None, 3, 4), ("target_shape",), {}),
    ("RepeatVector", (None, 4), ("n",), {}),
]


@pytest.mark.parametrize("size", [2**61, 2**62, 2**63, 2**64])
@pytest.mark.parametrize(("class_name", "shape", "keys", "more"), WINDOWS)
def test_a_window_that_no_memory_holds(
    class_name: str, shape: tuple[int | None, ...], keys: tuple[str, ...], more: dict[str, Any], size: int
) -> None:
    for key in keys:
        needed = {"kernel_size": 2, "padding": "same"} if "kernel_size" in keys else {}
        value = [size] if key == "target_shape" else size
        with pytest.raises(LoadError, match=r"expected a size that a memory holds|has 12 values|no memory holds"):
            kt.model_from_json(text(class_name, shape, **{**needed, **more, key: value}))


def test_a_product_of_sizes_that_no_memory_holds() -> None:
    with pytest.raises(ShapeError, match=r"its kernel would have the shape .* no memory holds\. Check the sizes"):
        layers.Dense(2**40).build((None, 2**40))
    with pytest.raises(LoadError, match="expected a size that a memory holds"):
        kt.model_from_json(text("Dense", (None, 2**62), units=3))


@pytest.mark.parametrize(("class_name", "shape", "key"), SIZES)
def test_a_text_asks_for_a_bounded_number_of_weights(class_name: str, shape: tuple[int | None, ...], key: str) -> None:
    config = {key: 10**10, **MORE.get(class_name, {})}
    began = time.process_time()
    with pytest.raises(
        UnsafeFileError, match=r"'l'.*more than 1,073,741,824 values, the limit.*kt\.Limits\(parameters="
    ):
        kt.model_from_json(text(class_name, shape, **config))
    assert time.process_time() - began < 5  # it would be minutes


def test_the_bound_counts_all_weights_and_is_adjustable() -> None:
    model = kt.Sequential([kt.Input((3,)), layers.Dense(4), layers.Dense(5)])  # 16 + 25 values
    made = kt.model_from_json(model.to_json(), limits=kt.Limits(parameters=41))
    assert made.count_params() == 41
    with pytest.raises(UnsafeFileError, match="more than 40 values, the limit"):
        kt.model_from_json(model.to_json(), limits=kt.Limits(parameters=40))
    made = kt.model_from_json(model.to_json())  # nothing is left of the bound
    assert made.count_params() == 41


def test_what_follows_from_arguments_alone_is_bounded_too(tmp_path: Path) -> None:
    """No file holds the values: 8 GB of zeros and ones came of this text."""
    wide = text("Normalization", (None, 2**31), mean=0.0, variance=1.0)
    says = "its mean would .* what no file holds more than 1,073,741,824 values, the limit"
    with pytest.raises(LoadError, match=rf"'l'.*{says}.*kt\.Limits\(parameters="):
        kt.model_from_json(wide)
    model = kt.Sequential([kt.Input((50,)), layers.Normalization(mean=0.0, variance=1.0)])
    model.save(tmp_path / "m.keras")
    kt.load_model(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as old, zipfile.ZipFile(tmp_path / "w.keras", "w") as packed:
        for member in old.namelist():
            packed.writestr(member, old.read(member).replace(b"50]", b"2147483648]"))
    with pytest.raises(LoadError, match=says):
        kt.load_model(tmp_path / "w.keras")


@pytest.mark.parametrize(
    ("metric", "size", "large", "what"),
    [
        (lambda: kt.metrics.AUC(num_thresholds=4321), "4321", "1000000000", "thresholds"),
        (lambda: kt.metrics.PrecisionAtRecall(0.5, num_thresholds=4321), "4321", "1000000000", "thresholds"),
        (lambda: kt.metrics.MeanIoU(67), '"num_classes": 67', '"num_classes": 100000', "confusion matrix"),
    ],
)
def test_the_state_of_metrics_is_bounded(metric: Callable[[], Any], size: str, large: str, what: str) -> None:
    """In a model that is compiled as a file says, whose metrics are left out then; 30 GB of numbers were made."""
    model = kt.Sequential([kt.Input((3,)), layers.Dense(1)])
    model.compile("adam", "mse", metrics=[metric()])
    whole = model.to_json()
    assert size in whole
    made = kt.model_from_json(whole.replace(size, large))
    with pytest.raises(ArgumentError, match=rf"{what} would .* more than 16,777,216 values, the limit"):
        made.fit(np.ones((2, 3), "f4"), np.ones((2, 1), "f4"))
    assert kt.model_from_json(whole, limits=kt.Limits(parameters=5000)).compiled


def test_limits_reach_the_readers(tmp_path: Path) -> None:
    model = kt.Sequential([kt.Input((3,)), layers.Dense(4)])
    model.save(tmp_path / "m.keras")
    small = kt.Limits(json_bytes=20)
    for call in (kt.load_model, model.load_weights):
        with pytest.raises(LoadError, match="the limit is 20"):
            call(tmp_path / "m.keras", limits=small) if call is kt.load_model else kt.load_weights(
                model, tmp_path / "m.keras", limits=small
            )
    with pytest.raises(LoadError, match="20"):
        kt.model_from_json(model.to_json(), limits=small)


def test_models_of_models_take_linear_time(tmp_path: Path) -> None:
    """Each calls the one before twice: 2**28 calls of the innermost layer, which nothing but a run of it makes."""
    began = time.process_time()
    x = kt.Input((4,))
    model = kt.Model(x, layers.Dense(4)(x))
    for _ in range(27):
        x = kt.Input((4,))
        model = kt.Model(x, model(model(x)))
    assert model.output_shape == (None, 4)
    for name in ("m.keras", "m.h5"):
        model.save(tmp_path / name)
        loaded = kt.load_model(tmp_path / name)
        assert loaded.count_params() == 20
    kt.models.clone_model(model)
    kt.model_from_json(model.to_json())
    assert model.compute_output_shape((7, 4)) == (7, 4)
    assert time.process_time() - began < 30


def test_shapes_that_were_asked_before_are_not_kept() -> None:
    inner = kt.Sequential([kt.Input((None, 3)), layers.Dense(4)])
    x = kt.Input((None, 3))
    model = kt.Model(x, inner(x))
    assert model.compute_output_shape((2, 5, 3)) == (2, 5, 4)
    assert model.compute_output_shape((2, 6, 3)) == (2, 6, 4)
    inner.add(layers.GlobalAveragePooling1D())
    assert model.compute_output_shape((2, 5, 3)) == (2, 4)


@pytest.mark.parametrize("dtype", ["int8", "bool", "uint8", "int32", "int64"])
@pytest.mark.parametrize("class_name", ["Dense", "LSTM", "Conv1D", "BatchNormalization"])
def test_weights_are_floats(class_name: str, dtype: str) -> None:
    config = {"Dense": {"units": 2}, "LSTM": {"units": 2}, "Conv1D": {"filters": 2, "kernel_size": 2}}.get(
        class_name, {}
    )
    for given in (dtype, getattr(torch, dtype)):
        with pytest.raises(ArgumentError, match=rf"the weights of {class_name} are floats here.*got '{dtype}'"):
            getattr(layers, class_name)(**config, dtype=given)
    with pytest.raises(LoadError, match=f"the weights of {class_name} are floats here"):
        kt.model_from_json(text(class_name, **config, dtype=dtype))


def test_an_embedding_of_keras_2_may_note_the_dtype_of_its_input() -> None:
    for dtype in ("int32", "int64"):
        assert layers.Embedding(5, 3, dtype=dtype).dtype == torch.float32
    for dtype in ("int8", "uint8", "bool", "int16", torch.int8):
        with pytest.raises(ArgumentError, match="the weights of Embedding are floats here"):
            layers.Embedding(5, 3, dtype=dtype)
    with pytest.raises(LoadError, match="the weights of Embedding are floats here"):
        kt.model_from_json(text("Embedding", input_dim=5, output_dim=3, dtype="int8"))


class Broken(io.BytesIO):
    def read(self, *size: Any) -> bytes:
        raise OSError("the line is cut")


def test_streams_that_cannot_be_read() -> None:
    closed = io.BytesIO(b"x")
    closed.close()
    for stream, says in ((Broken(), "the line is cut"), (closed, "closed file")):
        with pytest.raises(UnreadableFileError, match=f"the stream cannot be read.*{says}"):
            kt.load_model(stream)


def test_paths_of_bytes_and_with_null_bytes(tmp_path: Path) -> None:
    model = kt.Sequential([kt.Input((3,)), layers.Dense(4)])
    path = bytes(tmp_path / "m.keras")
    model.save(path)
    for mine, theirs in zip(kt.load_model(path).get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for name in ("a\0b.keras", "a\0b.h5"):
        with pytest.raises(SaveError, match="null bytes"):
            model.save(str(tmp_path / name))
        with pytest.raises(UnreadableFileError, match="null"):
            kt.load_model(str(tmp_path / name))
    for name in ("\ud800.keras", "\ud800.h5", "\ud800.weights.h5"):
        with pytest.raises(SaveError, match="surrogates not allowed"):
            kt.save_weights(model, str(tmp_path / name)) if "weights" in name else model.save(str(tmp_path / name))
    assert [item.name for item in tmp_path.iterdir()] == ["m.keras"]


def test_a_folder_that_may_not_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("kerastorch.files.unfinished._made_and_locked", refuse)
    with pytest.raises(
        SaveError, match=r"Permission denied\)\. The folder .* Save to a folder of your own, or ask for"
    ):
        kt.Sequential([kt.Input((3,)), layers.Dense(4)]).save(tmp_path / "m.keras")


CALLS = [
    ("a", "its input"),
    (1.5, "its input"),
    (None, "its input"),
    ({}, "its input"),
    ([], "its input"),
    ({"mask": {"a": 1}}, "mask"),
    ({"mask": {}}, "mask"),
    ({"mask": "x"}, "mask"),
    ({"initial_state": [{"a": 1}]}, "initial_state"),
]


TAKEN = [
    (layer, wrong, place)
    for layer in (layers.LSTM(3), layers.BatchNormalization(), layers.GlobalAveragePooling1D())
    for wrong, place in CALLS
    if place != "initial_state" or isinstance(layer, layers.LSTM)
]


@pytest.mark.parametrize(("layer", "wrong", "place"), TAKEN)
def test_a_call_in_a_file_states_tensors(layer: kt.Layer, wrong: Any, place: str) -> None:
    """It would load, and fail in every run."""
    x = kt.Input((5, 4))
    config = json.loads(kt.Model(x, type(layer).from_config(layer.get_config())(x)).to_json())
    call = config["config"]["layers"][1]["inbound_nodes"][0]
    if place == "its input":
        call["args"] = [wrong]
    else:
        call["kwargs"] = {**call["kwargs"], **wrong}
    with pytest.raises(LoadError, match=f"is called with .* as {place}: expected a tensor"):
        kt.model_from_json(json.dumps(config))


@pytest.mark.parametrize("mask", ["x", {"a": 1}, [["a"]]])
def test_a_mask_is_a_tensor(mask: Any) -> None:
    x = torch.ones(2, 5, 4)
    for layer in (layers.LSTM(3), layers.BatchNormalization(), layers.GlobalAveragePooling1D()):
        layer(x)
        with pytest.raises(ArgumentError, match="mask: expected a tensor of bools"):
            layer(x, mask=mask)


def test_no_initializer_is_that_of_add_weight() -> None:
    """As in Keras 3: floats begin as glorot_uniform draws them."""
    kt.set_seed(0)
    layer = layers.Dense(40, kernel_initializer=None)
    layer.build((None, 50))
    kt.set_seed(0)
    other = layers.Dense(40, kernel_initializer="glorot_uniform")
    other.build((None, 50))
    np.testing.assert_array_equal(layer.get_weights()[0], other.get_weights()[0])


def test_numbers_of_initializers_beyond_integers() -> None:
    layer = layers.Dense(3, kernel_initializer=kt.initializers.Orthogonal(gain=2**64))
    layer.build((None, 3))
    assert 1e17 < np.abs(layer.get_weights()[0]).max() < 2**64


def test_data_without_features() -> None:
    assert layers.LSTM(3, return_sequences=True)(torch.ones(2, 5, 0)).shape == (2, 5, 3)


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS holds on Linux alone")
def test_more_memory_than_there_is() -> None:
    code = """
import resource, json, kerastorch as kt
text = kt.Sequential([kt.Input((2,)), kt.layers.Dense(7)]).to_json().replace('"units": 7', '"units": 300000000')
resource.setrlimit(resource.RLIMIT_AS, (2 * 2**30, 2 * 2**30))
try:
    kt.model_from_json(text)
except kt.errors.UnsupportedFileError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert run.stderr == ""
    assert run.stdout.startswith("model_from_json: The model needs more memory than there is here. Load it where")
