"""One model as eleven releases of Keras and TensorFlow wrote it, and what else Keras writes: read as Keras reads it.

The files stand beside the checkout; where they do not, the tests are skipped. (`m.*`, with its attention, and `sub.*`,
subclassed models, have tests of their own.)
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from _close import BFLOAT16, FLOAT64, OUTPUT, assert_close
from _keras_worker import KerasWorker
from _needs import SHARED_FILES, needs

import kerastorch as kt
from kerastorch import Input, Sequential, layers
from kerastorch.errors import CorruptFileError, UnsupportedFileError

LAYOUTS = Path(__file__).resolve().parents[2] / "shared" / "layouts"
KERAS3 = ("k3.0.5", "k3.3.3", "k3.6.0", "k3.9.2", "k3.10.0", "k3.12.0", "k3.15.1")
TENSORFLOW = ("tf2.12.1", "tf2.13.1", "tf2.15.1", "tfkeras2.21")
DTYPES = {
    # The format in which the file computes: half a unit in the last place of 1, for the sums and the result.
    "float64": FLOAT64,
    "float16": 6e-4,
    "bfloat16": BFLOAT16,
    "mixed_float16": 6e-4,
    "mixed_bfloat16": BFLOAT16,
}

pytestmark = needs(LAYOUTS.exists(), SHARED_FILES)


def flat_outputs(model: kt.Model, inputs: Sequence[np.ndarray | torch.Tensor]) -> list[np.ndarray]:
    with torch.no_grad():
        outputs = model(*map(torch.as_tensor, inputs))
    outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    return [output.numpy() if output.dtype != torch.bfloat16 else output.float().numpy() for output in outputs]


def assert_outputs(
    model: kt.Model, inputs: Sequence[np.ndarray | torch.Tensor], expected: list[np.ndarray], floor: float = OUTPUT
) -> None:
    found = flat_outputs(model, inputs)
    for theirs in expected:
        assert np.abs(theirs).max() > 0
    assert_close(found, expected, floor)


@pytest.mark.parametrize("ending", [".keras", ".h5", ".weights.h5"])
@pytest.mark.parametrize("version", [*KERAS3, *TENSORFLOW])
def test_dense_layers_of_every_version(
    keras_worker: KerasWorker, tmp_path: Path, rng: np.random.Generator, version: str, ending: str
) -> None:
    folder = LAYOUTS / version
    if ending == ".weights.h5":
        model = kt.load_model(folder / "s.keras")
        model.set_weights([array * 0 for array in model.get_weights()])
        report = kt.load_weights(model, folder / "s.weights.h5")
        assert report.format == "Keras v3 .weights.h5"
    else:
        model = kt.load_model(folder / f"s{ending}")
    source = shutil.copy(folder / ("s.h5" if ending == ".h5" or version in TENSORFLOW[:2] else "s.keras"), tmp_path)
    weights = str(folder / "s.weights.h5") if ending == ".weights.h5" and version not in TENSORFLOW[:2] else None
    x = [rng.normal(size=(5, 4)).astype("f4")]
    expected = keras_worker.call(
        "keras3" if version in KERAS3 else "keras2", "weights:outputs_of", str(source), weights, x
    )
    assert_outputs(model, x, expected)


@pytest.mark.parametrize("version", [*KERAS3, *TENSORFLOW])
def test_dense_layers_against_the_arrays_themselves(version: str, rng: np.random.Generator) -> None:
    """The legacy file's arrays by their names; all three files of a version hold the same."""
    found: dict[str, np.ndarray] = {}

    def take(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            layer, last = name.split("/")[0], name.split("/")[-1].removesuffix(":0")
            found[f"{layer}/{last}"] = item[()]

    with h5py.File(LAYOUTS / version / "s.h5") as file:
        file["model_weights"].visititems(take)
    wanted = [found[f"{layer}/{name}"] for layer in ("zz", "aa") for name in ("kernel", "bias")]
    for ending in (".keras", ".h5"):
        model = kt.load_model(LAYOUTS / version / f"s{ending}")
        for mine, theirs in zip(model.get_weights(), wanted, strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("ending", [".keras", ".h5", ".weights.h5"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(keras_worker: KerasWorker, rng: np.random.Generator, dtype: str, ending: str) -> None:
    path = LAYOUTS / "special" / f"{dtype}.keras"
    model = kt.load_model(path if ending != ".h5" else path.with_suffix(".h5"))
    if ending == ".weights.h5":
        model.set_weights([array * 0 for array in model.get_weights()])
        kt.load_weights(model, path.with_name(f"{dtype}.weights.h5"))
    held = "float32" if dtype.startswith("mixed") else dtype
    assert {str(tensor.dtype) for tensor in model.parameters()} == {f"torch.{held}"}
    x = rng.normal(size=(5, 6)).astype("f4")
    expected = keras_worker.call("keras3", "weights:outputs_of", str(path), None, [x])
    tensor = torch.from_numpy(x).to(getattr(torch, held))  # Keras casts inputs, torch never does
    assert_outputs(model, [tensor], expected, DTYPES[dtype])


@pytest.mark.parametrize("name", ["nested.keras", "nested.h5", "trained.keras", "trained.h5"])
def test_what_keras_3_reads_too(keras_worker: KerasWorker, rng: np.random.Generator, name: str) -> None:
    """Frozen layers in models inside; optimizer state."""
    path = LAYOUTS / "special" / name
    model = kt.load_model(path)
    x = [rng.normal(size=(5, model.input_shape[-1])).astype("f4")]
    expected = keras_worker.call("keras3", "weights:outputs_of", str(path), None, x)
    assert_outputs(model, x, expected)


def test_four_hundred_layers_by_name_and_by_order() -> None:
    """Their names do not fit one attribute."""
    model = kt.load_model(LAYOUTS / "special" / "big400.h5")
    wanted = model.get_weights()
    for name in ("big400.h5", "big400.weights.h5"):
        for by_name in (False, True):
            model.set_weights([array * 0 for array in wanted])
            kt.load_weights(model, LAYOUTS / "special" / name, by_name=by_name)
            assert all(np.array_equal(mine, theirs) for mine, theirs in zip(model.get_weights(), wanted, strict=True))


def test_sharded() -> None:
    model = Sequential([Input((6,)), layers.Dense(5, name="d0"), layers.Dense(3, name="d1")])
    kt.load_weights(model, LAYOUTS / "special" / "shard.weights.json")
    wanted = []
    for number, place in enumerate(("dense", "dense_1")):
        with h5py.File(LAYOUTS / "special" / f"shard_0000{number}.weights.h5") as file:
            wanted += [file[f"layers/{place}/vars/{index}"][()] for index in (0, 1)]
    assert all(np.array_equal(mine, theirs) for mine, theirs in zip(model.get_weights(), wanted, strict=True))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("npz.keras", "pickled"),
        ("qq_int8.keras", "quantized policy"),
        ("qq_int4.keras", "quantized policy"),
        ("q_int8.keras", "quantized"),
        ("q_int4.keras", "quantized"),
        ("q_float8.keras", "quantized"),
    ],
)
def test_refused_by_name(name: str, reason: str) -> None:
    with pytest.raises(UnsupportedFileError, match=reason):
        kt.load_model(LAYOUTS / "special" / name)


def test_a_file_that_keras_3_0_did_not_finish() -> None:
    with pytest.raises(CorruptFileError, match="'in0' is listed but is not there"):
        kt.load_model(LAYOUTS / "k3.0.5" / "m.h5")
