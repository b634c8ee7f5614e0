"""Recordings by real Keras of the golden models, made once per test process, and one that is made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from _goldens import unpack
from _keras_worker import KerasWorker

import kerastorch as kt
from kerastorch.parity import Recording, compare, read_recording, recorder_script
from kerastorch.parity.needs import specs_of
from kerastorch.parity.recorder.probes import arrays, describe_weights, plan
from kerastorch.parity.recorder.storing import Store
from kerastorch.parity.running import layers_by_path, run, to_numpy

FRAMEWORKS = {"keras3": "keras3", "tf_keras": "keras2"}  # the folder of goldens -> the worker's name


class Recordings:
    """Files of goldens, and what Keras computes for them."""

    def __init__(self, worker: KerasWorker, folder: Path) -> None:
        self.worker, self.folder = worker, folder
        self.files = unpack(folder / "goldens")
        self.script = folder / "recorder.py"
        self.script.write_text(recorder_script(), encoding="utf-8")
        self._known: dict[str, Recording] = {}

    def of(self, packed: str, name: str) -> Recording:
        """The recording of a golden file."""
        return self.of_file(FRAMEWORKS[packed], self.files / packed / name, steps=2)

    def of_file(self, framework: str, path: Path, **options: object) -> Recording:
        """The recording of any file."""
        key = f"{framework}-{path.parent.name}-{path.name}"
        if key not in self._known:
            out = self.folder / f"{key}.npz"
            refused = self.worker.call(framework, "parity:record", str(self.script), str(path), str(out), **options)
            assert refused is None, refused
            self._known[key] = read_recording(out)
        return self._known[key]

    def forget(self) -> None:
        """Files of the same names are recorded anew."""
        self._known.clear()

    def model(self, packed: str, name: str) -> kt.Model:
        """The model of a golden file, read anew."""
        return kt.load_model(self.files / packed / name)

    def report(self, packed: str, name: str, model: kt.Model | None = None, **options: bool) -> kt.ParityReport:
        """The comparison of a golden file with a model, that of the file if it is not given."""
        return compare(self.of(packed, name), self.model(packed, name) if model is None else model, **options)


@pytest.fixture(scope="session")
def recordings(keras_worker: KerasWorker, tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    return Recordings(keras_worker, tmp_path_factory.mktemp("recordings"))


def dense_model() -> kt.Sequential:
    """A small model with random weights."""
    model = kt.Sequential([kt.Input((3,)), kt.layers.Dense(2, name="dense")], name="small")
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=array.shape) for array in model.get_weights()])
    return model


def dense_recording(path: Path, **changes: object) -> Path:
    """A recording of `dense_model`, by its own numbers; `changes` go into what the file says."""
    model = dense_model()
    kernel, bias = model.get_weights()
    x = np.random.default_rng(2).normal(size=(4, 3)).astype("float32")
    y = (x.astype("float64") @ kernel + bias).astype("float32")
    store = Store(1 << 20)
    names = {"inputs": [store.keep(x)], "outputs": [store.keep(y)]}
    call = {**names, "layer": "dense", "class": "Dense", "masks": []}
    probe = {"name": "normal", "what": "values", "seed": 0, "weights": "own", "continues": False, "error": None}
    said = {
        "probes": [{**probe, **names, "calls": [call]}],
        "weights": [{**describe_weights(["kernel", "bias"], [kernel, bias]), "layer": "dense"}],
        "model": {"name": "small", "class": "Sequential", "stateful": False},
        "inputs": [{"name": "x", "shape": [None, 3], "dtype": "float32", "ids": None, "pad": None}],
        "layers": [["dense", "Dense"]],
        "complete": True,
        "seed": 0,
        "writer": {"package": "keras", "version": "3.15.1", "backend": "tensorflow"},
        "source": None,
    }
    store.write(str(path), {**said, **changes})
    return path


def own_recording(model: kt.Model, path: Path) -> Recording:
    """A recording of a model of ours, by itself, of three probes: what is found can be tested where Keras is not."""
    specs, length = specs_of(model)
    store = Store(64 << 20)
    layers = layers_by_path(model)

    def keep(tensors: Sequence[torch.Tensor | None]) -> list[str | None]:
        return [None if tensor is None else store.keep(to_numpy(tensor)) for tensor in tensors]

    probes = [probe for probe in plan(specs, False, length, 0) if probe["name"] in ("normal", "right", "holes")]
    for probe in probes:
        inputs = [torch.from_numpy(array) for array in arrays(specs, probe)]
        done = run(model, inputs, layers)
        probe.update(error=None, inputs=keep(inputs), outputs=keep(done.outputs))
        probe["calls"] = [
            {
                "layer": name,
                "class": layers[name]._class_name,
                "inputs": keep(call.inputs),
                "masks": keep(call.masks),
                "outputs": keep(call.outputs),
            }
            for name, calls in done.calls.items()
            for call in calls
        ]
    held = [layer for layer in model.layers if layer.variables]
    described = [
        {**describe_weights([it.name for it in layer.variables], layer.get_weights()), "layer": layer.name}
        for layer in held
    ]
    said = {
        "probes": probes,
        "weights": described,
        "model": {"name": model.name, "class": "Functional", "stateful": False},
        "inputs": specs,
        "layers": [[name, layer._class_name] for name, layer in layers.items()],
        "complete": True,
        "seed": 0,
        "writer": {"package": "kerastorch", "version": "0"},
        "source": None,
    }
    store.write(str(path), said)
    return read_recording(path)
