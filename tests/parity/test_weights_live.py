"""Weights that real Keras wrote, into models that were built here: every format, by order and by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _keras_worker import KerasWorker
from workers import weights as builders

import kerastorch as kt
from kerastorch import Input, Sequential, layers
from kerastorch.errors import LoadError, MismatchError

from .test_models_live import MODELS

ENDINGS = {
    "keras3": [".keras", ".weights.h5", ".weights.json", ".h5"],
    "keras2": [".keras", ".weights.h5", ".only.h5", ".h5"],
}


def assert_weights(model: kt.Model, wanted: list[np.ndarray]) -> None:
    for mine, theirs in zip(model.get_weights(), wanted, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def built(builder: str, **options: Any) -> kt.Model:
    """The model as the same lines make it here, with weights of its own."""
    model = builders.make(kt, builder, **options)  # type: ignore[arg-type]
    rng = np.random.default_rng(99)
    model.set_weights([rng.normal(size=array.shape) for array in model.get_weights()])
    return model


@pytest.mark.parametrize("framework", ENDINGS)
@pytest.mark.parametrize("builder", [*MODELS, "frozen", "frozen_model"])
def test_every_format_by_order(keras_worker: KerasWorker, tmp_path: Path, builder: str, framework: str) -> None:
    wanted = keras_worker.call(framework, "weights:save", builder, str(tmp_path), ENDINGS[framework])
    for ending in ENDINGS[framework]:
        model = built(builder)
        report = kt.load_weights(model, tmp_path / f"w{ending}")
        assert_weights(model, wanted)
        assert len(report.assigned) == len(wanted)


@pytest.mark.parametrize("framework", ENDINGS)
@pytest.mark.parametrize("builder", ["frozen", "frozen_model"])
def test_by_name(keras_worker: KerasWorker, tmp_path: Path, builder: str, framework: str) -> None:
    wanted = keras_worker.call(framework, "weights:save", builder, str(tmp_path), ENDINGS[framework])
    for ending in ENDINGS[framework]:
        model = built(builder)
        path = tmp_path / f"w{ending}"
        if framework == "keras2" and ending == ".weights.h5":
            with pytest.raises(MismatchError, match="does not say the names"):
                kt.load_weights(model, path, by_name=True)
            continue
        kt.load_weights(model, path, by_name=True)
        assert_weights(model, wanted)


@pytest.mark.parametrize("framework", ENDINGS)
@pytest.mark.parametrize("builder", ["frozen", "frozen_model"])
@pytest.mark.parametrize("freeze", [False, True])
def test_other_layers_are_frozen_in_the_file(
    keras_worker: KerasWorker, tmp_path: Path, builder: str, framework: str, freeze: bool
) -> None:
    """A legacy file lists frozen weights last. The names in it say which is which, whatever is frozen here."""
    wanted = keras_worker.call(framework, "weights:save", builder, str(tmp_path), ENDINGS[framework], freeze=freeze)
    for ending in ENDINGS[framework]:
        model = built(builder, freeze=not freeze)
        kt.load_weights(model, tmp_path / f"w{ending}")
        assert_weights(model, wanted)


@pytest.mark.parametrize("units", [3, 4])
def test_by_name_partly_as_keras_2_does(keras_worker: KerasWorker, tmp_path: Path, units: int) -> None:
    path = str(tmp_path / "w.h5")
    _, before, after = keras_worker.call("keras2", "weights:partly", path, units)
    model = builders.small(kt, units, "new")  # type: ignore[arg-type]
    model.set_weights(before)
    report = kt.load_weights(model, path, by_name=True, strict=False, skip_mismatch=True)
    if units == 3:
        assert_weights(model, after)
        assert {item.what for item in report.unset} == {"layer 'new': kernel (3, 2)", "layer 'new': bias (2,)"}
        return
    # Keras leaves out array by array: of a misshapen layer it would load what happens to fit. Here nothing does.
    assert_weights(model, before)
    assert len(report.unset) == 5


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("CuDNNLSTM", "LSTM"),
        ("LSTM", "CuDNNLSTM"),
        ("CuDNNGRU", "GRU"),
        ("GRU", "CuDNNGRU"),
        ("CuDNNLSTM", "CuDNNLSTM"),
    ],
)
def test_cudnn_as_keras_2_converts(
    keras_worker: KerasWorker, tmp_path: Path, source: str, target: str, wrapped: bool
) -> None:
    path = str(tmp_path / "w.h5")
    answer = keras_worker.call("keras2", "weights:cudnn", source, target, path, wrapped)

    def make(name: str) -> Sequential:
        layer = getattr(layers, name)(3)
        return Sequential([Input((4, 2)), layers.Bidirectional(layer) if wrapped else layer])

    same, model = make(source), make(target)
    kt.load_weights(same, path)
    assert_weights(same, answer["stored"])
    kt.load_weights(model, path, sum_biases=True)
    assert_weights(model, answer["loaded"])


@pytest.mark.parametrize("builder", ["nested", "states_of_gru", "mixed_stack"])
def test_a_shard_that_is_missing(keras_worker: KerasWorker, tmp_path: Path, builder: str) -> None:
    """Keras itself loads what is left, and says nothing."""
    keras_worker.call("keras3", "weights:save", builder, str(tmp_path), [".weights.json"])
    shards = sorted(tmp_path.glob("*.weights.h5"))
    index = json.loads((tmp_path / "w.weights.json").read_text())
    assert len(shards) > 1
    split = [held for held in index["weight_map"].values() if isinstance(held, list) and len(held) > 1]
    assert split or builder == "nested"  # one layer's variables stand in two shards
    for shard in shards:
        content = shard.read_bytes()
        shard.unlink()
        model = built(builder)
        before = model.get_weights()
        with pytest.raises(LoadError, match=f"shard '{shard.name}' of {len(shards)} cannot be used"):
            kt.load_weights(model, tmp_path / "w.weights.json")
        assert_weights(model, before)
        shard.write_bytes(content)


@pytest.mark.parametrize("mode", ["int8", "int4"])
def test_quantized_weights_are_refused(keras_worker: KerasWorker, tmp_path: Path, mode: str) -> None:
    path = tmp_path / "w.weights.h5"
    keras_worker.call("keras3", "weights:quantized", mode, str(path))
    model = Sequential([Input((4,)), layers.Dense(6, name="d")])
    with pytest.raises(MismatchError, match=r"a quantized model cannot be read|expected \(4, 6\)"):
        kt.load_weights(model, path)
