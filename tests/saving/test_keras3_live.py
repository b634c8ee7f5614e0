"""Every layer into every kind of file, opened by real Keras 3: the same weights, the same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _close import KERAS, apart, assert_close
from _keras_worker import KerasWorker

import kerastorch as kt
from kerastorch import layers as L
from kerastorch.base.layer import Example, Layer

from ._cases import EXAMPLES, IDS, model_of, outputs_of, randomize

# On a CPU TensorFlow has no such kernel, or another result (on JAX they are ours, to 1e-6): the weights are compared.
NOT_ON_CPU = {
    "Conv1D-same, groups, channels first",
    "Conv2D-channels first, no bias",
    "ConvLSTM2D-channels first, strides",
    "DepthwiseConv2D-channels first",
    "Conv2DTranspose-channels first",
}


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize(("cls", "example"), EXAMPLES, ids=IDS)
def test_keras_opens_every_layer(
    keras_worker: KerasWorker,
    tmp_path: Path,
    rng: np.random.Generator,
    cls: type[Layer],
    example: Example,
    ending: str,
) -> None:
    model, inputs = model_of(cls, example, rng)
    path = tmp_path / f"m{ending}"
    report = kt.save_model(model, path)
    compute = f"{cls._class_name}-{example.name}" not in NOT_ON_CPU
    outputs, weights = keras_worker.call("keras3", "saved:run", str(path), inputs, compute=compute)
    twice = [held for part in model.modules() if isinstance(part, Layer) for held in part._held_variables()]
    assert report.arrays == len(weights) + (len(twice) if ending == ".keras" else 0)
    if compute:
        assert_close(outputs, outputs_of(model, inputs), KERAS)
    if not report.rules:
        for mine, theirs in zip(model.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(("cls", "example"), EXAMPLES, ids=IDS)
def test_what_was_written_is_read_again(
    tmp_path: Path, rng: np.random.Generator, cls: type[Layer], example: Example
) -> None:
    model, inputs = model_of(cls, example, rng)
    for ending in (".keras", ".h5"):
        report = kt.save_model(model, tmp_path / f"m{ending}")
        back = kt.load_model(tmp_path / f"m{ending}")
        assert_close(outputs_of(back, inputs), outputs_of(model, inputs))
        if not report.rules:
            for mine, theirs in zip(model.get_weights(), back.get_weights(), strict=True):
                np.testing.assert_array_equal(mine, theirs)
        # Nothing is changed a second time.
        second, third = tmp_path / f"second{ending}", tmp_path / f"third{ending}"
        assert not kt.save_model(back, second).rules
        kt.save_model(kt.load_model(second), third)
        assert second.read_bytes() == third.read_bytes()
        if not cls._call_arguments.tensors:  # which come by name when they are read
            assert second.read_bytes() == (tmp_path / f"m{ending}").read_bytes()


def encoder() -> kt.Sequential:
    return kt.Sequential(
        [
            kt.Input((6,), dtype="int32"),
            L.Embedding(9, 4, mask_zero=True, name="words"),
            L.Bidirectional(L.LSTM(3, return_sequences=True), name="both"),
            L.TimeDistributed(L.Dense(4), name="each"),
            L.RNN([L.GRUCell(3), L.LSTMCell(2)], name="cells"),
            L.BatchNormalization(name="norm"),
            L.Dense(2, name="out"),
        ],
        name="encoder",
    )


def nested() -> kt.Model:
    inner = encoder()
    a, b = kt.Input((6,), dtype="int32", name="a"), kt.Input((6,), dtype="int32", name="b")
    two = kt.Model(a, inner(a), name="functional_inside")
    both = L.Concatenate(name="joined")([two(a), two(b), inner(b)])
    return kt.Model([a, b], {"x": L.Dense(2, name="x")(both), "y": L.Dense(3, name="y")(both[:, 1:])}, name="outer")


BUILDERS = {"encoder": encoder, "nested": nested}
ENDINGS = (".weights.h5", ".h5")


def words(count: int, rng: np.random.Generator) -> list[np.ndarray]:
    return [rng.integers(0, 9, (4, 6)).astype("int32") for _ in range(count)]


@pytest.mark.parametrize("name", BUILDERS)
def test_models_of_models(keras_worker: KerasWorker, tmp_path: Path, rng: np.random.Generator, name: str) -> None:
    model = BUILDERS[name]().eval()
    randomize(model, rng)
    inputs = words(len(model.inputs), rng)
    wanted = outputs_of(model, inputs)
    for ending in (".keras", ".h5"):
        kt.save_model(model, tmp_path / f"m{ending}")
        outputs, _ = keras_worker.call("keras3", "saved:run", str(tmp_path / f"m{ending}"), inputs)
        assert_close(outputs, wanted, KERAS)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", BUILDERS)
def test_weights_alone(
    keras_worker: KerasWorker, tmp_path: Path, rng: np.random.Generator, name: str, ending: str
) -> None:
    model = BUILDERS[name]().eval()
    randomize(model, rng)
    inputs, path = words(len(model.inputs), rng), str(tmp_path / f"w{ending}")
    kt.save_weights(model, path)
    if (
        name != "nested" or ending == ".h5"
    ):  # of a JSON Keras makes two encoders; these weights are for one that is shared
        outputs, _ = keras_worker.call("keras3", "saved:run", "", inputs, weights=path, text=model.to_json())
        assert_close(outputs, outputs_of(model, inputs), KERAS)
    fresh = BUILDERS[name]().eval()
    fresh.load_weights(path)
    for mine, theirs in zip(model.get_weights(), fresh.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_planted_swap_of_gates_is_seen(keras_worker: KerasWorker, tmp_path: Path, rng: np.random.Generator) -> None:
    model = kt.Sequential([kt.Input((5, 3)), L.LSTM(4), L.Dense(2)]).eval()
    randomize(model, rng)
    inputs = [rng.normal(size=(2, 5, 3)).astype("float32")]
    wanted = outputs_of(model, inputs)
    kernel, *rest = model.get_weights()
    model.set_weights([np.concatenate([kernel[:, 4:8], kernel[:, :4], kernel[:, 8:]], axis=1), *rest])
    kt.save_model(model, tmp_path / "m.keras")
    outputs, _ = keras_worker.call("keras3", "saved:run", str(tmp_path / "m.keras"), inputs)
    assert apart(outputs, wanted)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "mixed_bfloat16"])
@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_dtypes(keras_worker: KerasWorker, tmp_path: Path, rng: np.random.Generator, dtype: str, ending: str) -> None:
    if dtype == "bfloat16" and ending == ".h5":
        pytest.skip("Keras itself cannot read bfloat16 from this format")
    model: Any = kt.Sequential(
        [
            kt.Input((5, 3)),
            L.LSTM(4, recurrent_initializer="glorot_uniform", dtype=dtype, name="l"),
            L.Dense(2, dtype=dtype, name="d"),
        ]
    )
    randomize(model, rng)
    path = tmp_path / f"m{ending}"
    kt.save_model(model, path)
    _, weights = keras_worker.call("keras3", "saved:run", str(path), [], compute=False)
    for mine, theirs in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(mine, theirs.astype(mine.dtype))
    back = kt.load_model(path)
    assert [v.value.dtype for v in back.variables] == [v.value.dtype for v in model.variables]
    assert all(torch.equal(a.value, b.value) for a, b in zip(back.variables, model.variables, strict=True))


KEYS: dict[str, Any] = {
    "a slice": slice(1),
    "a slice from the end": slice(-2, None),
    "every second": slice(None, None, 2),
    "an ellipsis": ...,
    "a new axis": None,
    "an integer": 1,
    "a NumPy integer": np.int64(-1),
    "a slice in a tuple": (slice(1),),
    "slices": (slice(None), slice(1, 3)),
    "of all kinds": (slice(2), None, ..., -1),
}


@pytest.mark.parametrize("framework", ["keras2", "keras3"])
def test_parts_of_tensors_by_any_key(keras_worker: KerasWorker, tmp_path: Path, framework: str) -> None:
    x = np.random.default_rng(7).normal(size=(3, 4, 2)).astype("float32")
    for label, key in KEYS.items():
        symbol = kt.Input(batch_shape=(3, 4, 2))
        model = kt.Model(symbol, L.Activation("tanh")(symbol[key]))
        path = tmp_path / ("m.keras" if framework == "keras3" else "m.h5")
        kt.save_model(model, path, dialect=framework)  # type: ignore[arg-type]
        outputs, _ = keras_worker.call(framework, "saved:run", str(path), [x])
        assert_close(outputs, outputs_of(model, [x]), KERAS)
        assert outputs[0].shape == x[key].shape, label
