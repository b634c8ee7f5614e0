"""Convolutions in files of Keras 1: their names, their arguments, and the layouts of their kernels.

The layouts are those of the sources of Keras 1.0.8 to 1.2.2. Values are checked against convolutions written out here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from _close import assert_close

import kerastorch as kt
from kerastorch import Input, Sequential, layers
from kerastorch.compat import to_spec
from kerastorch.errors import MismatchError, UnsupportedFileError

Arrays = list[tuple[str, np.ndarray]]


def item(class_name: str, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": {"name": name, "trainable": True, **config}}


def sequential(*items: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": list(items)}


def window(rank: int, ordering: str = "tf", **config: Any) -> dict[str, Any]:
    """The arguments that Keras 1.2 writes for a convolution."""
    sizes: dict[int, dict[str, Any]] = {
        1: {"filter_length": 3, "subsample_length": 1, "input_dim": None, "input_length": None},
        2: {"nb_row": 3, "nb_col": 3, "subsample": [1, 1], "dim_ordering": ordering},
        3: {"kernel_dim1": 3, "kernel_dim2": 2, "kernel_dim3": 3, "subsample": [1, 1, 1], "dim_ordering": ordering},
    }
    common = {
        "nb_filter": 3,
        "init": "glorot_uniform",
        "activation": "linear",
        "border_mode": "valid",
        "W_regularizer": {"name": "WeightRegularizer", "l1": 0.0, "l2": 0.5},
        "b_regularizer": None,
        "activity_regularizer": None,
        "W_constraint": None,
        "b_constraint": None,
        "bias": True,
    }
    return {**common, **sizes[rank], **config}


def write(
    path: Path, stored: dict[str, Arrays], config: dict[str, Any] | None = None, backend: str | None = "tensorflow"
) -> Path:
    with h5py.File(path, "w") as file:
        root = file
        if config is not None:
            file.attrs["model_config"] = json.dumps(config)
            file.attrs["keras_version"] = "1.2.2"
            root = file.create_group("model_weights")
        if backend is not None:
            file.attrs["backend"] = backend
            root.attrs["backend"] = backend
        root.attrs["layer_names"] = [name.encode() for name in stored]
        for layer, weights in stored.items():
            group = root.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name, _ in weights]
            for name, array in weights:
                group[name] = array
    return path


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng((seed, *shape)).normal(size=shape).astype("f4")


def convolved(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """ "valid", channels last, kernel `(..., in, out)`: place by place, as the formula says."""
    rank = kernel.ndim - 2
    out = [n - k + 1 for n, k in zip(x.shape[1:-1], kernel.shape, strict=False)]
    y = np.zeros((x.shape[0], *out, kernel.shape[-1]))
    for place in np.ndindex(*kernel.shape[:rank]):
        part = x[(slice(None), *(slice(p, p + n) for p, n in zip(place, out, strict=True)))]
        y += np.tensordot(part, kernel[place], axes=1)
    return y


def load(tmp_path: Path, name: str, layer: dict[str, Any], weights: Arrays, **options: Any) -> kt.Model:
    return kt.load_model(write(tmp_path / "m.h5", {name: weights}, sequential(layer), **options))


@pytest.mark.parametrize("ordering", ["tf", "th"])
@pytest.mark.parametrize("rank", [2, 3])
def test_kernels_of_images(tmp_path: Path, rank: int, ordering: str) -> None:
    kernel = random(*(3, 3) if rank == 2 else (3, 2, 3), 3, 3)  # square: the shape tells nothing
    bias = random(3)
    image = {2: (5, 6), 3: (4, 5, 6)}[rank]
    shape = [None, *image, 3] if ordering == "tf" else [None, 3, *image]
    layer = item(f"Convolution{rank}D", "c", **window(rank, ordering), batch_input_shape=shape)
    stored = kernel if ordering == "tf" else np.ascontiguousarray(np.moveaxis(kernel, (-1, -2), (0, 1)))
    model = load(tmp_path, "c", layer, [("c_W:0", stored), ("c_b:0", bias)])
    found = model.get_weights()
    assert np.array_equal(found[0], kernel)
    assert np.array_equal(found[1], bias)
    x = random(2, *image, 3, seed=1)
    expected = convolved(x, kernel) + bias
    y = model.predict(x if ordering == "tf" else np.ascontiguousarray(np.moveaxis(x, -1, 1)))
    assert_close(y if ordering == "tf" else np.moveaxis(y, 1, -1), expected)


def test_weights_alone(tmp_path: Path) -> None:
    """A file of 2016 states neither version nor backend; what it was written for is the layer's `data_format`."""
    kernel, bias = random(3, 3, 3, 3), random(3)
    model = Sequential([Input((3, 5, 6)), layers.Conv2D(3, 3, data_format="channels_first")])
    stored = [("c_W_1:0", kernel.transpose(3, 2, 0, 1)), ("c_b_1:0", bias)]
    kt.load_weights(model, write(tmp_path / "w.h5", {"c": stored}, backend=None))
    assert np.array_equal(model.get_weights()[0], kernel)


@pytest.mark.parametrize("release", ["1.0", "1.2"])
@pytest.mark.parametrize("name", ["c_W:0", "c_W_1:0", "param_0"])
def test_kernels_over_time(tmp_path: Path, release: str, name: str) -> None:
    kernel, bias = random(3, 4, 5), random(5)
    layer = item("Convolution1D", "c", **window(1, nb_filter=5, activation="relu"), batch_input_shape=[None, 9, 4])
    stored = kernel[:, None] if release == "1.2" else kernel.transpose(2, 1, 0)[..., None]
    model = load(tmp_path, "c", layer, [(name, stored), ("c_b:0", bias)])
    assert np.array_equal(model.get_weights()[0], kernel)
    x = random(2, 9, 4, seed=1)
    assert_close(model.predict(x), np.maximum(convolved(x, kernel) + bias, 0))


def test_atrous_is_dilated(tmp_path: Path) -> None:
    kernel, bias = random(3, 4, 3), random(3)
    layer = item("AtrousConvolution1D", "c", **window(1, atrous_rate=2), batch_input_shape=[None, 9, 4])
    model = load(tmp_path, "c", layer, [("c_W:0", kernel[:, None]), ("c_b:0", bias)])
    spread = np.zeros((5, 4, 3), "f4")
    spread[::2] = kernel
    x = random(2, 9, 4, seed=1)
    assert_close(model.predict(x), convolved(x, spread) + bias)
    spec, _, rules = to_spec(
        sequential(
            item("AtrousConvolution2D", "c", **window(2, atrous_rate=[2, 1]), batch_input_shape=[None, 9, 9, 4])
        ),
        "1.2.2",
    )
    assert spec.layers[1].class_name == "Conv2D"  # type: ignore[union-attr]
    assert spec.layers[1].config["dilation_rate"] == (2, 1)  # type: ignore[union-attr]
    assert "AtrousConvolution2D is read as Conv2D" in [rule.text for rule in rules]


@pytest.mark.parametrize("size", [11, 12])
@pytest.mark.parametrize("ordering", ["tf", "th"])
def test_deconvolution_has_the_size_that_it_states(tmp_path: Path, ordering: str, size: int) -> None:
    kernel, bias = random(3, 3, 3, 3), random(3)  # Keras 1: (rows, columns, in, out)
    shapes = {"tf": ([None, 5, 5, 3], [None, size, 12, 3]), "th": ([None, 3, 5, 5], [None, 3, size, 12])}
    given, stated = shapes[ordering]
    arguments = window(2, ordering, subsample=[2, 2], output_shape=stated)
    layer = item("Deconvolution2D", "d", **arguments, batch_input_shape=given)
    stored = kernel if ordering == "tf" else np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
    model = load(tmp_path, "d", layer, [("d_W:0", stored), ("d_b:0", bias)])
    assert model.output_shape == tuple(stated)
    assert np.array_equal(model.get_weights()[0], kernel.swapaxes(2, 3))
    x = random(2, 5, 5, 3, seed=1)
    expected = np.zeros((2, size, 12, 3))
    for row, column in np.ndindex(5, 5):
        for i, j in np.ndindex(3, 3):
            expected[:, 2 * row + i, 2 * column + j] += x[:, row, column] @ kernel[i, j]
    y = model.predict(x if ordering == "tf" else np.ascontiguousarray(np.moveaxis(x, -1, 1)))
    assert_close(y if ordering == "tf" else np.moveaxis(y, 1, -1), expected + bias)


def test_deconvolution_of_an_impossible_size_is_refused(tmp_path: Path) -> None:
    arguments = window(2, subsample=[2, 2], output_shape=[None, 13, 12, 3])
    layer = item("Deconvolution2D", "d", **arguments, batch_input_shape=[None, 5, 5, 3])
    with pytest.raises(UnsupportedFileError, match=r"output_size \(13, 12\) does not belong to input of shape"):
        load(tmp_path, "d", layer, [("d_W:0", random(3, 3, 3, 3)), ("d_b:0", random(3))])
    layer["config"]["output_shape"] = [None, None, 12, 3]
    with pytest.raises(UnsupportedFileError, match="the size of the image must be known"):
        to_spec(sequential(layer), "1.2.2")


@pytest.mark.parametrize("ordering", ["tf", "th"])
def test_separable(tmp_path: Path, ordering: str) -> None:
    apart, mix, bias = random(3, 3, 4, 2), random(1, 1, 8, 3), random(3)
    arguments = window(2, ordering, depth_multiplier=2, depthwise_regularizer=None, pointwise_regularizer=None)
    for key in ("W_regularizer", "W_constraint"):
        del arguments[key]
    shape = [None, 5, 6, 4] if ordering == "tf" else [None, 4, 5, 6]
    layer = item("SeparableConvolution2D", "s", **arguments, batch_input_shape=shape)
    stored = [apart, mix] if ordering == "tf" else [apart.transpose(3, 2, 0, 1), mix.transpose(3, 2, 0, 1)]
    names = ("s_depthwise_kernel:0", "s_pointwise_kernel:0", "s_b:0")
    model = load(tmp_path, "s", layer, list(zip(names, [*stored, bias], strict=True)))
    assert [array.shape for array in model.get_weights()] == [(3, 3, 4, 2), (1, 1, 8, 3), (3,)]
    x = random(2, 5, 6, 4, seed=1)
    parts = [convolved(x[..., c : c + 1], apart[:, :, c : c + 1]) for c in range(4)]
    expected = np.concatenate(parts, axis=-1) @ mix[0, 0] + bias
    y = model.predict(x if ordering == "tf" else np.ascontiguousarray(np.moveaxis(x, -1, 1)))
    assert_close(y if ordering == "tf" else np.moveaxis(y, 1, -1), expected)


def test_locally_connected(tmp_path: Path) -> None:
    kernel, bias = random(7, 12, 3), random(7, 3)
    layer = item("LocallyConnected1D", "l", **window(1, input_dim=4, input_length=9))  # no batch_input_shape
    model = load(tmp_path, "l", layer, [("l_W", kernel), ("l_b", bias)], backend="theano")  # nothing is rotated here
    x = random(2, 9, 4, seed=1)
    expected = np.stack([x[:, i : i + 3].reshape(2, -1) @ kernel[i] for i in range(7)], axis=1) + bias
    assert_close(model.predict(x), expected)


@pytest.mark.parametrize("ordering", ["tf", "th"])
def test_conv_lstm(tmp_path: Path, ordering: str) -> None:
    gates = {gate: (random(3, 3, 2, 2), random(3, 3, 2, 2, seed=1), random(2)) for gate in "icfo"}
    gates = {gate: tuple(array + i for array in arrays) for i, (gate, arrays) in enumerate(gates.items())}  # type: ignore[misc]
    stored: Arrays = []
    for gate in "icfo":
        for kind, array in zip("WUb", gates[gate], strict=True):
            turned = array.transpose(3, 2, 0, 1) if ordering == "th" and array.ndim == 4 else array
            stored.append((f"r_{kind}_{gate}:0", np.ascontiguousarray(turned)))
    arguments = {
        **{"nb_filter": 2, "nb_row": 3, "nb_col": 3, "border_mode": "same", "dim_ordering": ordering},
        **{"init": "glorot_uniform", "inner_init": "orthogonal", "forget_bias_init": "one"},
        **{"activation": "tanh", "inner_activation": "hard_sigmoid", "return_sequences": True},
        **{"go_backwards": False, "stateful": False},
        "batch_input_shape": [None, 4, 5, 6, 2] if ordering == "tf" else [None, 4, 2, 5, 6],
    }
    model = load(tmp_path, "r", item("ConvLSTM2D", "r", **arguments), stored)
    expected = [np.concatenate([gates[gate][i] for gate in "ifco"], axis=-1) for i in range(3)]
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), expected, strict=True))
    layer = model.layers[-1]
    assert layer.data_format == ("channels_last" if ordering == "tf" else "channels_first")
    assert layer.get_config()["recurrent_activation"] == "hard_sigmoid_keras2"


@pytest.mark.parametrize("rank", [1, 2])
def test_arguments(rank: int) -> None:
    arguments = window(rank, border_mode="same", W_constraint={"name": "MaxNorm", "m": 2, "axis": 0}, bias=False)
    shape = [None, 9, 4] if rank == 1 else [None, 9, 9, 4]
    spec, _, rules = to_spec(
        sequential(item(f"Convolution{rank}D", "c", **arguments, batch_input_shape=shape)), "1.1.0"
    )
    window_now = {"kernel_size": (3,), "strides": 1}
    old_names = "subsample_length -> strides"
    if rank == 2:
        window_now = {"kernel_size": (3, 3), "strides": (1, 1), "data_format": "channels_last"}
        old_names = "dim_ordering -> data_format, subsample -> strides"
    assert spec.layers[1].config == {  # type: ignore[union-attr]
        "filters": 3,
        "padding": "same",
        "activation": "linear",
        "use_bias": False,
        "kernel_initializer": {"class_name": "GlorotUniform", "config": {}},
        "kernel_regularizer": {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.5}},
        "bias_regularizer": None,
        "kernel_constraint": {"class_name": "MaxNorm", "config": {"max_value": 2, "axis": 0}},
        "bias_constraint": None,
        **window_now,
    }
    assert [rule.text for rule in rules] == [
        "arguments of Keras 1 renamed: init -> kernel_initializer, W_regularizer -> kernel_regularizer, b_regularizer "
        "-> bias_regularizer, W_constraint -> kernel_constraint, b_constraint -> bias_constraint, nb_filter -> "
        f"filters, border_mode -> padding, {old_names}, bias -> use_bias",
        f"Convolution{rank}D is read as Conv{rank}D",
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"border_mode": "full"}, "border_mode = 'full'; known are valid, same"),
        ({"dim_ordering": "default"}, "dim_ordering = 'default'; known are tf, th"),
        ({"nb_colour": 3}, "nb_colour"),
        ({"W_regularizer": {"name": "Mine", "l1": 0.5}}, "W_regularizer = .* is not supported"),
        ({"W_regularizer": {"name": "L1L2", "l1": 0.5, "k": 1}}, "W_regularizer = .* is not supported"),
    ],
)
def test_what_the_file_does_not_say_is_refused(changes: dict[str, Any], message: str) -> None:
    layer = item("Convolution2D", "c", **window(2, **changes), batch_input_shape=[None, 9, 9, 4])
    with pytest.raises(UnsupportedFileError, match=message):
        to_spec(sequential(layer), "1.2.2")


def _model() -> Sequential:
    return Sequential([Input((9, 4)), layers.SeparableConv1D(3, 3), layers.DepthwiseConv1D(2)])


@pytest.mark.parametrize("backend", ["theano", None])
def test_a_file_of_theano_is_refused(tmp_path: Path, backend: str | None) -> None:
    """Told by what it states, or by its names: on TensorFlow they end in ":0"."""
    kernel, bias = random(3, 3, 3, 3), random(3)
    layer = item("Convolution2D", "c", **window(2), batch_input_shape=[None, 5, 6, 3])
    with pytest.raises(UnsupportedFileError, match=r"Theano wrote this file.*rotated the kernels"):
        load(tmp_path, "c", layer, [("c_W", kernel), ("c_b", bias)], backend=backend)
    arrays = [[("s_depthwise_kernel", random(3, 4, 1)), ("s_b", bias)], [("d_W", random(2, 3, 1)), ("d_b", bias)]]
    path = write(tmp_path / "w.h5", dict(zip("sd", arrays, strict=True)), backend=backend)
    with pytest.raises(UnsupportedFileError, match="rotated the kernels"):
        kt.load_weights(_model(), path)


@pytest.mark.parametrize("kernel", [(3, 3, 4, 5), (5, 4, 3, 3)])
def test_a_kernel_of_another_layout_is_refused(tmp_path: Path, kernel: Sequence[int]) -> None:
    """Keras 2 transposed what did not fit; here the layout follows from who wrote the file, or the file is refused."""
    model = Sequential([Input((9, 9, 4)), layers.Conv2D(5, (3, 2))])
    before = model.get_weights()
    path = write(tmp_path / "w.h5", {"c": [("c/kernel:0", random(*kernel)), ("c/bias:0", random(5))]})
    with pytest.raises(MismatchError, match=r"wrong shape: layer 'conv2d.*': kernel"):
        kt.load_weights(model, path)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
