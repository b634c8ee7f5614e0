"""A model with attention as eleven releases of Keras and TensorFlow wrote it: read as Keras of its era reads it."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from _close import assert_close
from _keras_worker import KerasWorker
from _needs import SHARED_FILES, needs

import kerastorch as kt
from kerastorch import layers

LAYOUTS = Path(__file__).resolve().parents[2] / "shared" / "layouts"
KERAS3 = ("k3.0.5", "k3.3.3", "k3.6.0", "k3.9.2", "k3.10.0", "k3.12.0", "k3.15.1")
TENSORFLOW = ("tf2.12.1", "tf2.13.1", "tf2.15.1", "tfkeras2.21")
VERSIONS = (*KERAS3, *TENSORFLOW)
NO_H5 = "k3.0.5"  # it could not write one of a model with a wrapper: the file is cut short
H5_INSIDE = ("tf2.12.1", "tf2.13.1")  # their .keras files are of another container than today's

pytestmark = needs(LAYOUTS.exists(), SHARED_FILES)


@pytest.mark.parametrize("ending", [".keras", ".h5", ".weights.h5"])
@pytest.mark.parametrize("version", VERSIONS)
def test_every_version(
    keras_worker: KerasWorker, tmp_path: Path, rng: np.random.Generator, version: str, ending: str
) -> None:
    folder = LAYOUTS / version
    if ending == ".h5" and version == NO_H5:
        with pytest.raises(kt.KerasTorchError, match="damaged"):
            kt.load_model(folder / "m.h5")
        return
    model = kt.load_model(folder / ("m.h5" if ending == ".h5" else "m.keras"))
    if ending == ".weights.h5":
        model.set_weights([array * 0 for array in model.get_weights()])
        kt.load_weights(model, folder / "m.weights.h5")
    heads = model.get_layer("mha")
    assert isinstance(heads, layers.MultiHeadAttention)
    assert heads.keras2_masks is (version in TENSORFLOW)
    source = shutil.copy(folder / ("m.h5" if version in H5_INSIDE or ending == ".h5" else "m.keras"), tmp_path)
    x = rng.normal(size=(3, 5, 6)).astype("f4")
    expected = keras_worker.call(
        "keras3" if version in KERAS3 else "keras2", "weights:outputs_of", str(source), None, [x]
    )
    for mine, theirs in zip(model.predict(x), expected, strict=True):
        assert_close(mine, theirs)


@pytest.mark.parametrize("version", [version for version in VERSIONS if version != NO_H5])
def test_attention_against_the_arrays_themselves(version: str) -> None:
    """The legacy file's arrays by their names: no projection is taken for another."""
    with h5py.File(LAYOUTS / version / "m.h5") as file:
        group = file["model_weights"]["mha"]
        found = {name.rsplit("mha/", 1)[-1].removesuffix(":0"): group[name][()] for name in group.attrs["weight_names"]}
    dense = {"query": "query_dense", "key": "key_dense", "value": "value_dense", "attention_output": "output_dense"}
    for ending in (".keras", ".h5"):
        heads = kt.load_model(LAYOUTS / version / f"m{ending}").get_layer("mha")
        for name, attribute in dense.items():
            kernel, bias = getattr(heads, attribute).get_weights()
            np.testing.assert_array_equal(kernel, found[f"{name}/kernel"])
            np.testing.assert_array_equal(bias, found[f"{name}/bias"])
