"""Write the golden files of operations: `python tests/make_goldens_operations.py`, in the test environment.

It writes tests/goldens/operations/keras3.zip and keras2.zip: `cases.json`, for each function of `workers/operations.py`
the config of the model that real Keras made of it, and what Keras says of its outputs; `values.npz`, the outputs and
gradients that it computed. So the tables of operations are judged without live Keras, too.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from _keras_worker import KerasWorker
from make_goldens import GOLDENS, pack
from parity._operations import make_inputs

FOLDER = GOLDENS / "operations"
FRAMEWORKS = ("keras3", "keras2")


def model_of(path: Path, ending: str) -> tuple[str, str]:
    """The config in a model's file, and the version of Keras that wrote it."""
    if ending == "keras":
        with zipfile.ZipFile(path) as archive:
            return archive.read("config.json").decode(), json.loads(archive.read("metadata.json"))["keras_version"]
    with h5py.File(path) as file:
        return file.attrs["model_config"], file.attrs["keras_version"]


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        for framework in FRAMEWORKS:
            worker = KerasWorker()
            cases: dict[str, Any] = {}
            values: dict[str, np.ndarray] = {}
            for name in worker.call(framework, "operations:names"):
                reference = worker.call(framework, "operations:run", name, made, make_inputs())
                configs = {
                    ending: model_of(Path(made) / f"{name}.{ending}", ending)
                    for ending in ("keras", "h5")
                    if ending not in reference["unwritten"]
                }
                if not configs:
                    continue
                for index, output in enumerate(reference["outputs"]):
                    values[f"{name}/{index}"] = output
                for letter, gradient in zip("xy", reference["grads"], strict=True):
                    if gradient is not None:
                        values[f"{name}/{letter}"] = gradient
                config, version = next(iter(configs.values()))
                said = {key: reference[key] for key in ("shapes", "dtypes", "floating")}
                stated = {**json.loads(config), "keras_version": version, "backend": "tensorflow"}
                cases[name] = {"config": stated, **said}
            worker.close()
            print(f"{framework}: {len(cases)} cases")
            with tempfile.TemporaryDirectory() as packed:
                (Path(packed) / "cases.json").write_text(json.dumps(cases, separators=(",", ":")))
                np.savez(Path(packed) / "values.npz", **values)  # type: ignore[arg-type]
                pack(Path(packed), FOLDER / f"{framework}.zip")


if __name__ == "__main__":
    main()
