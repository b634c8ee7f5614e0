"""Real files beside the checkout, and small files made with h5py."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from kerastorch.files import Archive, Array

SHARED = Path(__file__).parents[2].parent / "shared"


def shared_files() -> list[Path]:
    """Real Keras files, where the checkout has them."""
    found = [*SHARED.glob("corpus/files/*"), *SHARED.glob("layouts/*/*")]
    return sorted(path for path in found if path.suffix in (".h5", ".hdf5", ".keras"))


def all_arrays(archive: Archive) -> Iterator[Array]:
    """Every array of an archive."""
    if archive.weights is not None:
        yield from archive.weights.arrays


def values(rng: np.random.Generator, shape: tuple[int, ...], dtype: str = "float32") -> np.ndarray:
    """Random distinct values."""
    count = int(np.prod(shape))
    if dtype.startswith("float"):
        return (rng.permutation(count) + rng.random(count) * 0.5).astype(dtype).reshape(shape)
    return rng.permutation(count).astype(dtype).reshape(shape)


class Maker:
    """Makes small Keras-like files with h5py."""

    def __init__(self, folder: Path, rng: np.random.Generator) -> None:
        self.folder = folder
        self.rng = rng

    def legacy(self, name: str = "model.h5", config: Any = None, **options: Any) -> tuple[Path, dict[str, np.ndarray]]:
        """A legacy model of two layers; returns the file and its arrays by their place in it."""
        path, arrays = self.folder / name, {}
        with h5py.File(path, "w", **options) as file:
            file.attrs["keras_version"] = b"2.4.0"
            file.attrs["backend"] = b"tensorflow"
            file.attrs["model_config"] = json.dumps(config or {"class_name": "Sequential", "config": []}).encode()
            base = file.create_group("model_weights")
            base.attrs["layer_names"] = [b"lstm", b"dense"]
            for layer, weights in (("lstm", ("kernel:0", "bias:0")), ("dense", ("kernel:0",))):
                group = base.create_group(layer)
                group.attrs["weight_names"] = [f"{layer}/{weight}".encode() for weight in weights]
                for i, weight in enumerate(weights):
                    data = values(self.rng, (5, 3 + i))
                    group.create_dataset(f"{layer}/{weight}", data=data)
                    arrays[f"model_weights/{layer}/{layer}/{weight}"] = data
        return path, arrays

    def tree(self, name: str = "w.weights.h5") -> tuple[Path, dict[str, np.ndarray]]:
        """A tree of two objects; returns the file and its arrays by their place in it."""
        path, arrays = self.folder / name, {}
        with h5py.File(path, "w") as file:
            file.create_group("vars").attrs["name"] = "model"
            for where, label, count in (("layers/lstm/cell", "cell", 3), ("layers/dense", "dense", 12)):
                group = file.create_group(f"{where}/vars")
                group.attrs["name"] = label
                for i in range(count):
                    arrays[f"{where}/vars/{i}"] = values(self.rng, (4, i + 1))
                    group[str(i)] = arrays[f"{where}/vars/{i}"]
            file.create_group("optimizer/vars")["0"] = values(self.rng, (2,))
            file.create_group("metrics/mean/vars")["0"] = values(self.rng, (2,))
        return path, arrays

    def keras(self, members: dict[str, bytes] | None = None, method: int = zipfile.ZIP_STORED) -> bytes:
        """The bytes of a .keras file; `members` replaces or adds some (empty bytes take one away)."""
        path, _ = self.tree("inner.weights.h5")
        content = {
            "metadata.json": json.dumps({"keras_version": "3.6.0", "date_saved": "2024-01-01@00:00:00"}).encode(),
            "config.json": json.dumps({"class_name": "Sequential", "config": {"name": "s\u00e9q"}}).encode(),
            "model.weights.h5": path.read_bytes(),
        }
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", method) as archive:
            for name, data in {**content, **(members or {})}.items():
                if data:
                    archive.writestr(name, data)
        return stream.getvalue()


def check(archive: Archive, expected: dict[str, np.ndarray]) -> None:
    """Every array of the archive, and no other, has the expected dtype, shape and bytes."""
    found = {array.where: array for array in all_arrays(archive)}
    assert set(found) == set(expected)
    for where, array in found.items():
        assert (array.dtype, array.shape) == (expected[where].dtype.name, expected[where].shape)
        assert array.read().tobytes() == expected[where].tobytes()


def open_files() -> set[Path]:
    """What this process has open, where the system says it."""
    folder = Path("/proc/self/fd")
    return {link.resolve() for link in folder.iterdir()} if folder.exists() else set()
