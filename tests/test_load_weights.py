"""load_weights: by order or by name; partly only if asked, and never silent."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from _made_weights import (
    arrays_of,
    assert_weights,
    chain,
    refused,
    two_dense,
    two_places,
    write_legacy,
    write_tree,
)

import kerastorch as kt
from kerastorch import Input, Sequential, layers
from kerastorch.errors import ArgumentError, MismatchError, NotBuiltError


@pytest.fixture(params=["legacy", "tree"])
def write(request: pytest.FixtureRequest, tmp_path: Path):
    """Writes two Dense layers with these names."""

    def make(names: tuple[str, str], arrays: list[np.ndarray]) -> Path:
        if request.param == "legacy":
            return write_legacy(tmp_path / "w.h5", two_dense(names, arrays))
        return write_tree(tmp_path / "w.weights.h5", two_places(names, arrays))

    return make


# ---------------------------------------------------------------- by order and by name


def test_by_order_names_do_not_matter(write) -> None:
    model = chain("dense_5", "dense_6")
    arrays = arrays_of(model)
    report = kt.load_weights(model, write(("dense", "dense_1"), arrays))
    assert_weights(model, arrays)
    assert not report.unset
    assert not report.unused


def test_by_name(write) -> None:
    model = chain("b", "a", units=(4, 4))
    arrays = arrays_of(model)
    kt.load_weights(model, write(("a", "b"), arrays), by_name=True)
    assert_weights(model, [*arrays[2:], *arrays[:2]])


def test_the_same_names_in_another_order_are_refused(write) -> None:
    model = chain("b", "a", units=(4, 4))
    message = refused(model, write(("a", "b"), arrays_of(model)))
    assert "another order" in message
    assert "by_name=True" in message


def test_by_name_consumes_all_on_both_sides(write) -> None:
    model = chain("a", "new")
    path = write(("a", "old"), arrays_of(model))
    message = refused(model, path, by_name=True)
    assert "4 problems" in message
    assert "missing in the file: layer 'new': kernel (3, 2)" in message
    assert "left over in the file: " in message
    assert "Names that Keras makes" in message
    assert "leave by_name out" in message


def test_by_name_and_not_strict_says_all_that_was_left_out(write, caplog: pytest.LogCaptureFixture) -> None:
    model = chain("a", "new")
    arrays, before = arrays_of(model), model.get_weights()
    path = write(("a", "old"), arrays)
    with caplog.at_level(logging.WARNING, logger="kerastorch"):
        report = kt.load_weights(model, path, by_name=True, strict=False)
    assert_weights(model, [*arrays[:2], *before[2:]])
    assert [item.what for item in report.unset] == ["layer 'new': kernel (3, 2)", "layer 'new': bias (2,)"]
    assert {item.reason for item in report.unset} == {"it is not in the file"}
    assert [item.what.rpartition(" (")[2] for item in report.unused] == ["3, 2)", "2,)"]
    assert len(report.assigned) == 2
    assert "left as it was: layer 'new': kernel (3, 2)" in caplog.text
    assert "not loaded: " in caplog.text


def test_nothing_in_common_is_loaded_and_said(write, caplog: pytest.LogCaptureFixture) -> None:
    model = chain("x", "y")
    before = model.get_weights()
    path = write(("a", "b"), arrays_of(model))
    with caplog.at_level(logging.WARNING, logger="kerastorch"):
        report = kt.load_weights(model, path, by_name=True, strict=False)
    assert_weights(model, before)
    assert (len(report.assigned), len(report.unset), len(report.unused)) == (0, 4, 4)
    assert "0 arrays" in caplog.text


def test_by_name_wrong_shapes_are_refused_even_if_not_strict(write) -> None:
    arrays = arrays_of(chain("a", "b", units=(5, 2)))
    path = write(("a", "b"), arrays)
    message = refused(chain("a", "b"), path, by_name=True, strict=False)
    assert "wrong shape: layer 'a': kernel: expected (4, 3), the file has (4, 5)" in message


def test_skip_mismatch_leaves_whole_layers(write, caplog: pytest.LogCaptureFixture) -> None:
    """The new head of a model: its kernel does not fit, and its bias, which would, stays with it."""
    arrays = arrays_of(chain("a", "b", units=(3, 2)))
    model = Sequential([Input((4,)), layers.Dense(3, name="a"), layers.Reshape((1, 3)), layers.Dense(2, name="b")])
    before = model.get_weights()
    arrays[2] = np.concatenate([arrays[2], arrays[2]])
    path = write(("a", "b"), arrays)
    assert "wrong shape" in refused(model, path)
    with caplog.at_level(logging.WARNING, logger="kerastorch"):
        report = kt.load_weights(model, path, skip_mismatch=True)
    assert_weights(model, [*arrays[:2], *before[2:]])
    assert [item.what for item in report.unset] == ["layer 'b': kernel (3, 2)", "layer 'b': bias (2,)"]
    assert len(report.unused) == 2
    assert "left as it was: layer 'b': bias (2,)" in caplog.text


def test_skip_mismatch_does_not_forgive_missing_layers(write) -> None:
    model = chain("a", "b", "c", units=(3, 2, 2))
    message = refused(model, write(("a", "b"), arrays_of(model)), skip_mismatch=True)
    assert "missing in the file: layer 'c': kernel (2, 2)" in message


def test_by_name_and_skip_mismatch_is_what_keras_does(write) -> None:
    arrays = arrays_of(chain("a", "b"))
    model = chain("a", "b", "new", units=(3, 5, 2))
    before = model.get_weights()
    report = kt.load_weights(model, write(("a", "b"), arrays), by_name=True, strict=False, skip_mismatch=True)
    assert_weights(model, [*arrays[:2], *before[2:]])
    assert len(report.unset) == 4


def test_options_are_checked(write) -> None:
    model = chain("a", "b")
    path = write(("a", "b"), arrays_of(model))
    with pytest.raises(ArgumentError, match="strict=False needs by_name=True"):
        kt.load_weights(model, path, strict=False)
    with pytest.raises(ArgumentError, match="by_name: expected True or False, got 1"):
        kt.load_weights(model, path, by_name=1)  # type: ignore[arg-type]


def test_the_method_of_the_model(write) -> None:
    model = chain("x", "y")
    arrays = arrays_of(model)
    path = write(("a", "b"), arrays)
    report = model.load_weights(path)
    assert isinstance(report, kt.LoadReport)
    assert_weights(model, arrays)
    with pytest.raises(MismatchError, match="left over"):
        model.load_weights(path, by_name=True)
    with pytest.raises(NotBuiltError):
        Sequential([layers.Dense(2)]).load_weights(path)


# ---------------------------------------------------------------- what a load leaves alone


def test_parameters_are_the_same_objects_in_their_dtype_frozen_as_they_were(write) -> None:
    model = chain("a", "b").double()
    model.layers[0].trainable = False
    before = {name: (id(tensor), tensor.data_ptr()) for name, tensor in model.named_parameters()}
    arrays = arrays_of(chain("a", "b"))
    # A frozen Dense stands last in no file of single layers: each layer has its own group.
    kt.load_weights(model, write(("a", "b"), arrays))
    assert_weights(model, [array.astype("f8") for array in arrays])
    assert {name: (id(tensor), tensor.data_ptr()) for name, tensor in model.named_parameters()} == before
    assert [tensor.requires_grad for tensor in model.parameters()] == [False, False, True, True]
    assert {tensor.dtype for tensor in model.parameters()} == {torch.float64}


def test_integers_go_into_integers_only(tmp_path: Path) -> None:
    class Counter(layers.Layer):
        def build(self, input_shape):
            self.w = self.add_weight((2,), name="w")
            self.register_buffer("n", torch.zeros(2, dtype=torch.int32))

        def call(self, x):
            return x * self.w + self.n

    model = Sequential([Input((2,)), Counter(name="counter")])
    w = np.array([0.5, 1.5], "f4")
    good = write_tree(tmp_path / "a.weights.h5", {"layers/counter": ("counter", [w, np.array([3, 2**31 - 1])])})
    kt.load_weights(model, good)
    assert model.get_weights()[1].tolist() == [3, 2**31 - 1]
    wide = write_tree(tmp_path / "b.weights.h5", {"layers/counter": ("counter", [w, np.array([3, 2**31])])})
    assert "its values are not exact in torch.int32" in refused(model, wide)
    floats = write_tree(tmp_path / "c.weights.h5", {"layers/counter": ("counter", [w, np.array([3.0, 1.0])])})
    assert "expected integers, the file has float64" in refused(model, floats)
    bytes_ = write_tree(tmp_path / "d.weights.h5", {"layers/counter": ("counter", [w.astype("i1"), np.array([3, 1])])})
    assert "expected floating point, the file has int8 (a quantized model cannot be read)" in refused(model, bytes_)


@pytest.mark.parametrize("value", [1e300, 1.7976931348623157e308, 0.1])
def test_narrowing_never_changes_a_value(tmp_path: Path, value: float) -> None:
    model = chain("a", "b")
    arrays = [array.astype("f8") for array in arrays_of(model)]
    arrays[1][:] = [value, np.inf, np.nan]
    path = write_tree(tmp_path / "w.weights.h5", two_places(("a", "b"), arrays))
    assert "layer 'a': bias is float64" in refused(model, path)
    arrays[1][:] = [0.5, -np.inf, np.nan]
    write_tree(path, two_places(("a", "b"), arrays))
    with pytest.warns(UserWarning, match="1 array of weights holds NaN or infinity"):
        kt.load_weights(model, path)
    np.testing.assert_array_equal(model.get_weights()[1], arrays[1].astype("f4"))
