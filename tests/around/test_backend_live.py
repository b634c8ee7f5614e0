"""Keras 2's `K`: the same expressions and the same layers in tf-keras and here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from _close import KERAS, assert_close
from _keras_worker import KerasWorker
from workers.around import plain
from workers.backend_cases import CUBE, EXPRESSIONS, MASK, X, crf, model, weights

import kerastorch as kt
from kerastorch import backend as K
from kerastorch.errors import ArgumentError, ShapeError, UnsupportedError


def same(ours: Any, theirs: Any, where: str, wrong: list[str]) -> None:
    if isinstance(theirs, list):
        ours = list(ours)
        wrong += [] if len(ours) == len(theirs) else [f"{where}: {len(ours)} parts for {len(theirs)}"]
        for place, pair in enumerate(zip(ours, theirs, strict=False)):
            same(*pair, f"{where}[{place}]", wrong)
        return
    try:
        if isinstance(theirs, np.ndarray):
            # Decoded classes and places are int64 in TensorFlow and int32 in Keras 3.
            mine = np.asarray(ours)
            whole = theirs.dtype.kind == "i" and mine.dtype.kind == "i"
            assert_close(mine.astype(theirs.dtype) if whole else mine, theirs, KERAS)
        else:
            assert ours == theirs
            assert type(ours) is type(theirs)
    except AssertionError as error:
        wrong.append(f"{where}: {str(error)[:300]}\n  ours {str(ours)[:200]}\n  Keras's {str(theirs)[:200]}")


def test_the_same_code(keras_worker: KerasWorker) -> None:
    expected = keras_worker.call("keras2", "around:backend")
    wrong: list[str] = []
    for name, case in EXPRESSIONS.items():
        try:
            same(plain(case(K, torch.as_tensor)), expected[name], name, wrong)
        except (TypeError, ValueError, RuntimeError, AttributeError) as error:
            wrong.append(f"{name}: {type(error).__name__}: {error}\n  Keras's {str(expected[name])[:200]}")
    for name in ("attention", "crf"):
        made = model(kt, name)
        made.set_weights(weights(name))
        data = CUBE * MASK[..., None]
        with torch.no_grad():
            ours = [made(torch.from_numpy(data), training=phase).numpy() for phase in (False, True)]
        same(ours, expected[name], name, wrong)
        same(K.function([made.input], [made.output])([data]), expected[f"{name} function"], f"{name} function", wrong)
    assert not wrong, "\n".join(wrong)


def test_the_phase_is_that_of_the_layer_whose_call_runs() -> None:
    layer = crf(kt)
    x = torch.from_numpy(CUBE)
    layer.train()
    trained = layer(x)
    layer.eval()
    assert not torch.equal(layer(x), trained)
    assert torch.equal(layer(x, training=True) if layer._takes_training else layer.train()(x), trained)
    assert K.learning_phase() == 0
    with K.learning_phase_scope(1):
        assert K.learning_phase() == 1
        assert K.in_train_phase(1, 2) == 1
    assert K.in_train_phase(1, 2) == 2
    assert torch.equal(torch.compile(layer.train(), fullgraph=True, backend="eager")(x), trained)


def test_functions_of_graphs() -> None:
    x = kt.Input((3,))
    dropped = kt.layers.Dropout(0.5)(x)
    function = K.function([x, K.learning_phase()], [dropped, x * 2.0])
    data = np.ones((50, 3), "float32")
    assert np.array_equal(function([data, 0])[0], data)
    assert 0 < (function([data, 1])[0] == 0).sum() < 150
    assert K.is_keras_tensor(x)
    assert K.int_shape(x) == (None, 3)
    symbolic = K.batch_dot(x, K.softmax(x), axes=1)
    assert symbolic.shape == (None, 1)
    row = X[:, :3]
    soft = np.exp(row) / np.exp(row).sum(-1, keepdims=True)
    assert_close(kt.Model(x, symbolic).predict(row, verbose=0), (row * soft).sum(-1, keepdims=True))


def test_settings() -> None:
    assert (K.backend(), K.floatx(), K.epsilon(), K.image_data_format()) == ("torch", "float32", 1e-7, "channels_last")
    try:
        K.set_floatx("float64")
        assert K.zeros((2,)).dtype == torch.float64
    finally:
        K.set_floatx("float32")
    try:
        K.set_epsilon(1e-3)
        assert K.epsilon() == 1e-3
    finally:
        K.set_epsilon(1e-7)
    assert K.result_type("int32", "float16") == "float16"
    assert K.result_type("int32", float) == "float32"
    assert K.standardize_dtype(torch.int64) == "int64"
    K.clear_session()


def test_wrong_arguments_and_what_is_not_here() -> None:
    with pytest.raises(UnsupportedError, match=r"^keras\.backend\.conv2d is not in kerastorch: use the layers"):
        K.conv2d(X, X)
    with pytest.raises(UnsupportedError, match="no default but 'channels_last'; give layers data_format"):
        K.set_image_data_format("channels_first")
    with pytest.raises(ShapeError, match=r"the batch sizes differ: \(3, 4\) and \(2, 4\)"):
        K.batch_dot(X, X[:2])
    with pytest.raises(ArgumentError, match="expected axes behind the batch axis, got 0"):
        K.batch_dot(X, X, axes=0)
    ends = [kt.Input((2,)), kt.Input((2,))]
    with pytest.raises(ArgumentError, match="expected 2 arrays, got 1"):
        K.function(ends, [kt.layers.add(ends)])([X])
    with pytest.raises(ArgumentError, match=r"update: expected a value of shape \(3, 4\), got \(4,\)"):
        K.set_value(K.variable(X), X[0])
    with pytest.raises(ArgumentError, match="top_paths=3 is more than beam_width=2"):
        K.ctc_decode(CUBE, [5, 5, 5], greedy=False, beam_width=2, top_paths=3)
