"""Arrays that older Keras laid out in another way: cuDNN's kernels, the two GRUs, Keras 1's gates and convolutions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from _close import assert_close
from _made_weights import Weights, arrays_of, assert_weights, refused, write_legacy

import kerastorch as kt
from kerastorch import Input, Model, Sequential, layers

NAMES = ("kernel", "recurrent_kernel", "bias")


def one(layer: Any, *, around: str = "") -> Sequential:
    """A model of one recurrent layer, on 3 features, maybe inside something."""
    if around == "Bidirectional":
        layer = layers.Bidirectional(layer, name="r")
    elif around == "nested":
        layer = Sequential([Input((4, 3)), layer, layers.Dense(2)], name="r")
    else:
        layer.name = "r"
    return Sequential([Input((4, 3)), layer])


def stored(model: Model, arrays: list[np.ndarray]) -> Weights:
    names = [f"r/{variable.name}:0" for variable in model.variables]
    return {"r": [(f"{index}/{name}", array) for index, (name, array) in enumerate(zip(names, arrays, strict=True))]}


def same_outputs(first: Model, second: Model, *, rounded: bool = False) -> None:
    """In float64; `rounded`: the sum of two biases was rounded to float32."""
    x = torch.randn(2, 4, 3, dtype=torch.float64)
    ours, theirs = first.double()(x), second.double()(x)
    assert_close(ours.float() if rounded else ours, theirs)


@pytest.mark.parametrize("around", ["", "Bidirectional", "nested"])
@pytest.mark.parametrize(
    ("source", "target"),
    [
        (lambda: layers.CuDNNLSTM(2), lambda: layers.LSTM(2)),
        (lambda: layers.LSTM(2), lambda: layers.CuDNNLSTM(2)),
        (lambda: layers.CuDNNGRU(2), lambda: layers.GRU(2)),
        (lambda: layers.GRU(2), lambda: layers.CuDNNGRU(2)),
    ],
    ids=["CuDNNLSTM", "LSTM", "CuDNNGRU", "GRU"],
)
def test_between_cudnn_and_plain_layers(tmp_path: Path, source: Any, target: Any, around: str) -> None:
    old, new = one(source(), around=around), one(target(), around=around)
    arrays = arrays_of(old)
    path = write_legacy(tmp_path / "w.h5", stored(old, arrays))
    kt.load_weights(old, path)
    assert_weights(old, arrays)
    adds = isinstance(source(), layers.CuDNNLSTM)
    if adds:
        assert "pass sum_biases=True to load their sum" in refused(new, path)
    report = kt.load_weights(new, path, sum_biases=adds)
    assert all(name in report.rules[0].text for name in (type(source()).__name__, type(target()).__name__))
    assert "biases are added" in report.rules[0].text or not adds
    same_outputs(old, new, rounded=adds)
    # The way back: the same kernels and outputs; of an LSTM's two halved biases the sum.
    back = write_legacy(tmp_path / "back.h5", stored(new, new.get_weights()))
    again = one(source(), around=around)
    kt.load_weights(again, back, sum_biases=True)
    same_outputs(old, again, rounded=adds)
    if not adds:
        assert_weights(again, arrays)


def test_halving_a_bias_loses_nothing(tmp_path: Path) -> None:
    lstm, cudnn = one(layers.LSTM(2)), one(layers.CuDNNLSTM(2))
    arrays = arrays_of(lstm)
    kt.load_weights(cudnn, write_legacy(tmp_path / "w.h5", stored(lstm, arrays)))
    halves = cudnn.get_weights()[2]
    np.testing.assert_array_equal(halves[:8] + halves[8:], arrays[2])
    np.testing.assert_array_equal(halves[:8], halves[8:])


def test_a_planted_wrong_order_is_noticed(tmp_path: Path) -> None:
    """The kernels of CuDNNLSTM as they are would fit an LSTM's shapes: without the conversion the outputs differ."""
    old, new = one(layers.CuDNNLSTM(2)), one(layers.LSTM(2))
    kernel, recurrent, bias = arrays_of(old)
    kt.load_weights(old, write_legacy(tmp_path / "w.h5", stored(old, [kernel, recurrent, bias])))
    new.set_weights([kernel, recurrent, bias[:8] + bias[8:]])
    with pytest.raises(AssertionError):
        same_outputs(old, new)


@pytest.mark.parametrize("around", ["", "Bidirectional", "nested"])
@pytest.mark.parametrize(
    ("source", "target", "wanted"),
    [
        (lambda: layers.GRU(2, reset_after=False), lambda: layers.GRU(2), False),
        (lambda: layers.GRU(2), lambda: layers.GRU(2, reset_after=False), True),
        (lambda: layers.CuDNNGRU(2), lambda: layers.GRU(2, reset_after=False), True),
        (lambda: layers.GRU(2, reset_after=False), lambda: layers.CuDNNGRU(2), False),
    ],
)
def test_the_two_grus_are_told_apart(tmp_path: Path, source: Any, target: Any, wanted: bool, around: str) -> None:
    old, new = one(source(), around=around), one(target(), around=around)
    path = write_legacy(tmp_path / "w.h5", stored(old, arrays_of(old)))
    assert f"reset_after={wanted}, the two compute different things" in refused(new, path)


# ---------------------------------------------------------------- Keras 1


def keras1(path: Path, weights: Weights) -> Path:
    """Without a version in the file, as Keras 1.0 wrote it."""
    write_legacy(path, weights)
    with h5py.File(path, "r+") as file:
        del file.attrs["keras_version"]
    return path


def gates(prefix: str, order: str, shapes: tuple[tuple[int, ...], ...], seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        f"{prefix}_{kind}_{gate}": rng.normal(size=shape).astype("f4")
        for gate in order
        for kind, shape in zip("WUb", shapes, strict=True)
    }


def joined(arrays: dict[str, np.ndarray], prefix: str, order: str) -> list[np.ndarray]:
    return [np.concatenate([arrays[f"{prefix}_{kind}_{gate}"] for gate in order], axis=-1) for kind in "WUb"]


def test_gates_in_wrappers_of_a_weights_file(tmp_path: Path) -> None:
    """Bidirectional(LSTM), TimeDistributed(GRU), and an LSTM beside a BatchNormalization in a nested model."""
    shapes = ((3, 2), (2, 2), (2,))
    forward, backward = (gates(f"{way}_l", "icfo", shapes, seed) for seed, way in enumerate(("forward", "backward")))
    step = gates("g", "zrh", ((4, 2), (2, 2), (2,)), 2)
    inner = gates("m", "icfo", ((2, 2), (2, 2), (2,)), 3)
    norm = {f"n_{name}": np.random.default_rng(i).uniform(1, 2, 2).astype("f4") for i, name in enumerate(
        ("gamma", "beta", "running_mean", "running_std")
    )}  # fmt: skip
    model = Sequential(
        [
            Input((5, 6, 3)),
            layers.TimeDistributed(layers.Bidirectional(layers.LSTM(2, return_sequences=True))),
            layers.TimeDistributed(layers.GRU(2, reset_after=False)),
            Sequential([Input((5, 2)), layers.BatchNormalization(), layers.LSTM(2)]),
        ]
    )
    trained = [*list(norm.items())[:2], *inner.items()]
    path = keras1(
        tmp_path / "w.h5",
        {
            "timedistributed_1": [*forward.items(), *backward.items()],
            "timedistributed_2": list(step.items()),
            "sequential_1": [*trained, *list(norm.items())[2:]],
        },
    )
    kt.load_weights(model, path)
    wanted = [
        *joined(forward, "forward_l", "ifco"),
        *joined(backward, "backward_l", "ifco"),
        *joined(step, "g", "zrh"),
        *norm.values(),
        *joined(inner, "m", "ifco"),
    ]
    assert_weights(model, wanted)


def test_keras1_names_of_statistics_are_cross_checked(tmp_path: Path) -> None:
    model = Sequential([Input((2,)), layers.BatchNormalization(name="n")])
    arrays = arrays_of(model)
    names = ("gamma", "beta", "running_std", "running_mean")
    path = keras1(tmp_path / "w.h5", {"n": [(f"n_{name}", array) for name, array in zip(names, arrays, strict=True)]})
    assert "expected moving_mean (2,), the file has 'n_running_std' in its place" in refused(model, path)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_conv_lstm_of_keras1(tmp_path: Path, data_format: str) -> None:
    """Kernels of Theano's order, (out, in, rows, columns), where the layer has channels first."""
    first = data_format == "channels_first"
    size = (3, 2, 5, 5) if first else (2, 5, 5, 3)
    shapes = ((4, 3, 2, 3), (4, 4, 2, 3), (4,)) if first else ((2, 3, 3, 4), (2, 3, 4, 4), (4,))
    arrays = gates("c", "icfo", shapes, 0)
    layer = layers.ConvLSTM2D(4, (2, 3), data_format=data_format, padding="same")
    model = Sequential([Input((size[1], size[0], *size[2:]) if first else size), layer])
    kt.load_weights(model, keras1(tmp_path / "w.h5", {"convlstm2d_1": list(arrays.items())}))
    today = {
        name: array.transpose(2, 3, 1, 0) if first and array.ndim == 4 else array for name, array in arrays.items()
    }
    assert_weights(model, joined(today, "c", "ifco"))


def test_a_later_file_is_not_taken_for_keras1(tmp_path: Path) -> None:
    """The same arrays, with a version: nothing is transposed, so they do not fit."""
    arrays = gates("c", "icfo", ((4, 3, 2, 3), (4, 4, 2, 3), (4,)), 0)
    model = Sequential([Input((2, 3, 5, 5)), layers.ConvLSTM2D(4, (2, 3), data_format="channels_first")])
    message = refused(model, write_legacy(tmp_path / "w.h5", {"c": list(arrays.items())}))
    assert "wrong shape" in message
