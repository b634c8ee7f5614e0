"""A load holds every value once, imports no compiler, and runs no initialiser."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

import kerastorch as kt
from kerastorch import files

PACKAGE = Path(kt.__file__).resolve().parents[1]
UNITS = 1500


def python(code: str) -> str:
    code = f"import sys; sys.path.insert(0, {str(PACKAGE)!r})\n{code}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An LSTM of 72 MB, as `.h5` and, at an odd place in the archive, as `.keras`."""
    folder = tmp_path_factory.mktemp("large")
    rng = np.random.default_rng(0)
    arrays = [rng.random(shape, dtype="f4") for shape in ((UNITS, 4 * UNITS), (UNITS, 4 * UNITS), (4 * UNITS,))]
    layers = [
        {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 3, UNITS], "name": "x"}},
        {"class_name": "LSTM", "config": {"units": UNITS, "name": "lstm"}},
    ]
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": layers}}
    with h5py.File(folder / "m.h5", "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = "2.11.0", "tensorflow"
        file.attrs["model_config"] = json.dumps(config)
        root = file.create_group("model_weights")
        root.attrs["layer_names"] = [b"lstm"]
        names = [f"lstm/{name}:0" for name in ("kernel", "recurrent_kernel", "bias")]
        root.create_group("lstm").attrs["weight_names"] = [name.encode() for name in names]
        for name, array in zip(names, arrays, strict=True):
            root["lstm"][name] = array
    with h5py.File(folder / "w.weights.h5", "w") as file:
        for index, array in enumerate(arrays):
            file[f"layers/lstm/cell/vars/{index}"] = array
    with zipfile.ZipFile(folder / "m.keras", "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "2.15.0"}))
        text = json.dumps(config)
        # Stored members begin right behind their names: this one at an odd byte.
        odd = next(n for n in range(8) if (sum(map(len, ("metadata.json", text))) + n) % 2)
        archive.writestr("config.json", text + " " * odd)
        archive.write(folder / "w.weights.h5", "model.weights.h5")
    return {path.suffix: path for path in (folder / "m.h5", folder / "m.keras")}


@pytest.mark.parametrize("ending", [".h5", ".keras"])
def test_all_values_arrive_block_by_block(large: dict[str, Path], ending: str) -> None:
    rng = np.random.default_rng(0)
    for mine in kt.load_model(large[ending]).get_weights():
        np.testing.assert_array_equal(mine, rng.random(mine.shape, dtype="f4"))


@pytest.mark.parametrize("ending", [".h5", ".keras"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_all_values_arrive_in_old_parameters(large: dict[str, Path], ending: str, dtype: torch.dtype) -> None:
    """Another way than into fresh memory: autograd counts the changes, and the dtype may be another."""
    model = kt.load_model(large[ending]).to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    before = [(parameter, parameter._version) for parameter in model.parameters()]
    kt.load_weights(model, large[ending])
    assert all(parameter._version > version for parameter, version in before)
    rng = np.random.default_rng(0)
    for mine in model.get_weights():
        np.testing.assert_array_equal(mine, rng.random(mine.shape, dtype="f4").astype(mine.dtype))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems measure, and free, memory in other ways")
@pytest.mark.parametrize("ending", [".h5", ".keras"])
def test_peak_memory(large: dict[str, Path], ending: str) -> None:
    code = f"""
import re, kerastorch as kt
kt.load_model
memory = lambda what: 1024 * int(re.search(what + r":\\s+(\\d+) kB", open("/proc/self/status").read())[1])
before = memory("VmRSS")
model = kt.load_model({str(large[ending])!r})
share = (memory("VmHWM") - before) / (4 * model.count_params())
assert share > 0.9, "the weights themselves"
print(share)
"""
    # Measured: 1.3, of which 20 MB are the same for every file. A second copy of file or weights would make it 2.3.
    assert float(python(code)) < 1.5


@pytest.mark.skipif(sys.platform != "linux", reason="other systems measure, and free, memory in other ways")
@pytest.mark.parametrize("name", ["m.h5", "m.keras", "m.weights.h5"])
def test_peak_memory_of_saving(name: str, tmp_path: Path) -> None:
    code = f"""
import re, torch, kerastorch as kt
from kerastorch import layers
memory = lambda what: 1024 * int(re.search(what + r":\\s+(\\d+) kB", open("/proc/self/status").read())[1])
make = lambda units: kt.Sequential([kt.Input((3, units)), layers.LSTM(units, recurrent_initializer="glorot_uniform")])
save = lambda model: (model.save_weights if ".weights" in {name!r} else model.save)({str(tmp_path / name)!r})
save(make(2))  # what is imported on use
model = make({UNITS})
open("/proc/self/clear_refs", "w").write("5")  # the peak from here on
before = memory("VmRSS")
save(model)
print((memory("VmHWM") - before) / (4 * model.count_params()))
"""
    # Measured: 0.50, here and of 1 GB, which is one of the two large arrays in the layout of Keras. A copy of all of
    # them, or of the file, would make it 1.
    assert 0.3 < float(python(code)) < 0.7


def test_rows_are_those_of_the_whole(large: dict[str, Path]) -> None:
    with files.open_archive(large[".h5"]) as archive:
        assert isinstance(archive.weights, files.LegacyWeights)
        array = archive.weights.layers[0].weights[0][1]
        whole = array.read()
        assert array.in_rows
        assert not whole.flags.writeable
        for at, end in ((0, 1), (3, 40), (UNITS - 1, UNITS), (7, 7), (0, UNITS)):
            np.testing.assert_array_equal(array.read_rows(at, end), whole[at:end])


def test_nothing_of_the_compiler_is_imported() -> None:
    """`torch._dynamo` takes a second or more, and many operations on `meta` tensors bring it in."""
    code = f"""
import numpy, kerastorch as kt
model = kt.load_model({str(PACKAGE / "demo" / "tagger.keras")!r})
model.predict(numpy.ones((2, 5), "int32"))
kt.load_weights(model, {str(PACKAGE / "demo" / "tagger.keras")!r})
print([name for name in sys.modules if name.startswith("torch._dynamo")])
"""
    assert python(code) == "[]"
