"""Every layer into every kind of file for tf-keras, opened by it: the same weights, the same numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _close import KERAS, apart, assert_close
from _keras_worker import KerasWorker

import kerastorch as kt
from kerastorch import layers as L
from kerastorch.base.layer import Example, Layer
from kerastorch.errors import ArgumentError, SaveError
from kerastorch.saving import to_json

from ._cases import EXAMPLES, IDS, model_of, outputs_of, randomize

# What tf-keras does not have, or does not compute -> a part of the message.
REFUSED = {
    "AdditiveAttention-three inputs": "needs a query of 4 features",
    "GroupQueryAttention-default": "has no GroupQueryAttention",
    "GroupQueryAttention-gate": "has no GroupQueryAttention",
    "BatchNormalization-renorm": "no argument renorm",
    "RMSNormalization-default": "has no RMSNormalization",
    "RMSNormalization-two axes": "has no RMSNormalization",
    "MultiHeadAttention-cross": "no argument use_gate",
    "MultiHeadAttention-key": "no argument sliding_window",
    "SpectralNormalization-dense": "has no SpectralNormalization",
    "SpectralNormalization-convolution": "has no SpectralNormalization",
    **{
        f"Adaptive{kind}Pooling{n}D-{name}": f"has no Adaptive{kind}Pooling{n}D"
        for kind in ("Average", "Max")
        for n, second in ((1, "more than there are"), (2, "two sizes"), (3, "three sizes"))
        for name in ("default", second, "channels first")
    },
    "ZeroPadding1D-channels first": "put the channels last",
    "Conv2DTranspose-channels first": "one dilation rate for all axes",
}
# The channels stand first: TensorFlow has no such kernel on a CPU.
NOT_ON_CPU = {
    "Conv1D-same, groups, channels first",
    "Conv2D-channels first, no bias",
    "DepthwiseConv2D-channels first",
    "SeparableConv2D-channels first",
    "MaxPooling2D-channels first",
    "AveragePooling2D-channels first",
}
OPENED = [(cls, example) for (cls, example), name in zip(EXAMPLES, IDS, strict=True) if name not in REFUSED]
OPENED_IDS = [name for name in IDS if name not in REFUSED]


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize(("cls", "example"), OPENED, ids=OPENED_IDS)
def test_tf_keras_opens_every_layer(
    keras_worker: KerasWorker, tmp_path: Path, rng: np.random.Generator, cls: type[Layer], example: Example, ending: str
) -> None:
    model, inputs = model_of(cls, example, rng)
    path = tmp_path / f"m{ending}"
    report = kt.save_model(model, path, dialect="keras2")
    compute = f"{cls._class_name}-{example.name}" not in NOT_ON_CPU
    outputs, weights = keras_worker.call("keras2", "saved:run", str(path), inputs, compute=compute)
    assert report.arrays == len(weights)
    assert report.dialect == "keras2"
    if compute:
        assert_close(outputs, outputs_of(model, inputs), KERAS)
    back = kt.load_model(path)
    assert_close(outputs_of(back, inputs), outputs_of(model, inputs))
    if not report.rules:
        for mine, theirs, again in zip(model.get_weights(), weights, back.get_weights(), strict=True):
            np.testing.assert_array_equal(mine, theirs)
            np.testing.assert_array_equal(mine, again)
    if "input_length" in example.config:  # Keras 2's, which is not read
        return
    # Nothing is changed a second time.
    kt.save_model(back, tmp_path / f"again{ending}", dialect="keras2")
    assert (tmp_path / f"again{ending}").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("cls", "example", "message"),
    [(*item, REFUSED[name]) for item, name in zip(EXAMPLES, IDS, strict=True) if name in REFUSED],
    ids=list(REFUSED),
)
def test_what_tf_keras_lacks_is_refused_by_name(
    tmp_path: Path, rng: np.random.Generator, cls: type[Layer], example: Example, message: str
) -> None:
    model, _ = model_of(cls, example, rng)
    with pytest.raises(SaveError, match=message):
        kt.save_model(model, tmp_path / "m.keras", dialect="keras2")
    assert not list(tmp_path.iterdir())


def words_model() -> kt.Model:
    words = kt.Input((6,), dtype="int32", name="words")
    inner = kt.Sequential(
        [kt.Input((6, 4)), L.Dense(4, name="frozen", trainable=False), L.BatchNormalization(name="norm")], name="inner"
    )
    x = inner(L.Embedding(9, 4, mask_zero=True, name="embedding")(words))
    y = L.Bidirectional(L.GRU(3, return_sequences=True), name="both")(x)
    z = L.RNN([L.LSTMCell(3), L.GRUCell(2)], name="cells")(y)
    heads = L.MultiHeadAttention(2, 3, name="heads")(y, y)
    return kt.Model(words, [L.Dense(2, name="one")(z), L.TimeDistributed(L.Dense(2), name="each")(heads)], name="m")


def key_and_value() -> kt.Model:
    """Two layers of one class and shape, which tf-keras meets in another order than the call names them."""
    x = kt.Input((5, 4), name="x")
    value, key = L.Dense(4, name="value")(x), L.Dense(4, name="key")(x)
    return kt.Model(x, L.MultiHeadAttention(2, 3, name="heads")(L.Dense(4, name="query")(x), value, key), name="m")


BUILDERS = {"words": words_model, "key_and_value": key_and_value}


def inputs_for(name: str, rng: np.random.Generator) -> list[np.ndarray]:
    if name == "words":
        return [rng.integers(1, 9, (4, 6)).astype("int32")]
    return [rng.normal(size=(4, 5, 4)).astype("float32")]


@pytest.mark.parametrize("name", BUILDERS)
def test_whole_models(keras_worker: KerasWorker, tmp_path: Path, rng: np.random.Generator, name: str) -> None:
    model = BUILDERS[name]().eval()
    randomize(model, rng)
    inputs = inputs_for(name, rng)
    for ending in (".keras", ".h5"):
        path = tmp_path / f"m{ending}"
        kt.save_model(model, path, dialect="keras2")
        outputs, _ = keras_worker.call("keras2", "saved:run", str(path), inputs)
        assert_close(outputs, outputs_of(model, inputs), KERAS)


@pytest.mark.parametrize("ending", [".weights.h5", ".h5"])
@pytest.mark.parametrize("name", BUILDERS)
def test_weights_alone(
    keras_worker: KerasWorker, tmp_path: Path, rng: np.random.Generator, name: str, ending: str
) -> None:
    model = BUILDERS[name]().eval()
    randomize(model, rng)
    inputs, path = inputs_for(name, rng), str(tmp_path / f"w{ending}")
    kt.save_weights(model, path, dialect="keras2")
    text = to_json(model, dialect="keras2")
    outputs, _ = keras_worker.call("keras2", "saved:run", "", inputs, weights=path, text=text)
    assert_close(outputs, outputs_of(model, inputs), KERAS)
    fresh = BUILDERS[name]().eval()
    fresh.load_weights(path)
    for mine, theirs in zip(model.get_weights(), fresh.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_hard_sigmoid_of_keras3(keras_worker: KerasWorker, tmp_path: Path, rng: np.random.Generator) -> None:
    model = kt.Sequential(
        [
            kt.Input((5, 3)),
            L.LSTM(4, recurrent_activation="hard_sigmoid", return_sequences=True),
            L.GRU(4, recurrent_activation="hard_sigmoid", activation="hard_sigmoid", return_sequences=True),
            L.Dense(3, activation="hard_sigmoid"),
            L.Activation("hard_sigmoid"),
        ]
    ).eval()
    randomize(model, rng)
    inputs = [rng.normal(size=(2, 5, 3)).astype("float32")]
    for ending in (".keras", ".h5"):
        report = kt.save_model(model, tmp_path / f"m{ending}", dialect="keras2")
        assert "0.8333 times as large" in str(report)
        outputs, _ = keras_worker.call("keras2", "saved:run", str(tmp_path / f"m{ending}"), inputs)
        assert_close(outputs, outputs_of(model, inputs), KERAS)


def test_a_planted_swap_of_gates_is_seen(keras_worker: KerasWorker, tmp_path: Path, rng: np.random.Generator) -> None:
    model = kt.Sequential([kt.Input((5, 3)), L.LSTM(4), L.Dense(2)]).eval()
    randomize(model, rng)
    inputs = [rng.normal(size=(2, 5, 3)).astype("float32")]
    wanted = outputs_of(model, inputs)
    kernel, *rest = model.get_weights()
    model.set_weights([np.concatenate([kernel[:, 4:8], kernel[:, :4], kernel[:, 8:]], axis=1), *rest])
    kt.save_model(model, tmp_path / "m.keras", dialect="keras2")
    outputs, _ = keras_worker.call("keras2", "saved:run", str(tmp_path / "m.keras"), inputs)
    assert apart(outputs, wanted)


def test_an_unknown_dialect_is_refused(tmp_path: Path) -> None:
    model: Any = kt.Sequential([kt.Input((3,)), L.Dense(2)])
    for save in (kt.save_model, kt.save_weights):
        with pytest.raises(ArgumentError, match="expected one of 'keras3', 'keras2' as dialect, got 'keras1'"):
            save(model, tmp_path / "m.weights.h5", dialect="keras1")  # type: ignore[arg-type]


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_functions_of_keras3_are_refused_by_name(tmp_path: Path, ending: str) -> None:
    model = kt.Sequential([kt.Input((3,)), L.Dense(2, activation="hard_silu")])
    with pytest.raises(SaveError, match="no function hard_silu for its activation"):
        kt.save_model(model, tmp_path / f"m{ending}", dialect="keras2")


def test_what_standalone_keras_2_reads(tmp_path: Path) -> None:
    """No names of modules, nothing that is younger than Keras 2.3, the class Model, initializers by their functions."""
    text = to_json(words_model(), dialect="keras2")
    assert json.loads(text)["class_name"] == "Model"
    for young in ("module", "registered_name", "zero_output_for_mask", "GlorotUniform", "batch_shape", '"groups"'):
        assert young not in text
    assert json.loads(text)["keras_version"] == "2.21.0"
