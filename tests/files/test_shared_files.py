"""Every real file gives exactly the arrays, names and order that h5py reads."""

from __future__ import annotations

import io
import json
import time
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from _made_files import shared_files
from _needs import SHARED_FILES, needs

from kerastorch.errors import CorruptFileError, LoadError, UnsupportedFileError
from kerastorch.files import LegacyWeights, TreeWeights, open_archive

# Keras 3.0 failed in the middle of saving the first; the second is pickled.
REFUSED = {"layouts/k3.0.5/m.h5": CorruptFileError, "layouts/special/npz.keras": UnsupportedFileError}


def text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def names(group: h5py.Group, key: str) -> list[str]:
    found = [group.attrs[key]] if key in group.attrs else []
    while key not in group.attrs and f"{key}{len(found)}" in group.attrs:
        found.append(group.attrs[f"{key}{len(found)}"])
    return [text(name) for part in found for name in part]


def same(array: Any, dataset: h5py.Dataset) -> None:
    ours, theirs = array.read(), dataset[()]
    assert array.shape == ours.shape == dataset.shape
    if dataset.dtype.kind == "V":
        assert array.dtype in ("bfloat16", "opaque2")
        assert ours.dtype == np.uint16
    else:
        assert array.dtype == dataset.dtype.name
        assert ours.dtype == dataset.dtype
    assert ours.tobytes() == theirs.tobytes()
    assert array.where == dataset.name.lstrip("/")


def test_legacy_and_tree_equal_h5py(shared_file: Path) -> None:
    expected = REFUSED.get("/".join(shared_file.parts[-3:]))
    if expected:
        with pytest.raises(expected):
            open_archive(shared_file)
        return
    content, config = shared_file.read_bytes(), None
    if content[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            config = json.loads(packed.read("config.json"))
            content = packed.read("model.weights.h5")
    with open_archive(shared_file) as archive, h5py.File(io.BytesIO(content)) as file:
        if "model_config" in file.attrs:
            config = json.loads(file.attrs["model_config"])
        assert archive.config == config
        if isinstance(archive.weights, LegacyWeights):
            base = file.get("model_weights", file)
            assert [layer.name for layer in archive.weights.layers] == names(base, "layer_names")
            if "keras_version" in base.attrs:
                assert archive.keras_version == text(base.attrs["keras_version"])
                assert archive.backend == text(base.attrs["backend"])
            for layer in archive.weights.layers:
                group = base[layer.name]
                assert [name for name, _ in layer.weights] == names(group, "weight_names")
                for name, array in layer.weights:
                    same(array, group[name])
        else:
            assert isinstance(archive.weights, TreeWeights)
            groups: dict[str, h5py.Group] = {}
            file.visititems(
                lambda name, item: groups.update({name: item}) if name.split("/")[-1] == "vars" else None,
            )
            wanted = {}
            for name, group in groups.items():
                path = name.replace("\\", "/")[: -len("/vars")] if name != "vars" else ""
                if path.split("/")[0] not in ("optimizer", "metrics") and (len(group) or "name" in group.attrs):
                    wanted[path] = group
            assert set(archive.weights.objects) == set(wanted)
            for path, found in archive.weights.objects.items():
                assert found.name == wanted[path].attrs.get("name")
                assert len(found.arrays) == len(wanted[path])
                for i, array in enumerate(found.arrays):
                    same(array, wanted[path][str(i)])


@needs(shared_files(), SHARED_FILES)
def test_real_files_that_are_cut_short_are_refused() -> None:
    small = [path for path in shared_files() if path.stat().st_size < 16_000]
    for path in small:
        content = path.read_bytes()
        for size in range(1, len(content), 97 * 7):
            with pytest.raises(LoadError):
                open_archive(io.BytesIO(content[:size]))
    assert len(small) > 10


@needs(shared_files(), SHARED_FILES)
def test_opening_is_quick() -> None:
    """A fraction of a millisecond per object; the bound leaves room for a slow machine."""
    for path in shared_files():
        if "/".join(path.parts[-3:]) not in REFUSED:
            start = time.process_time()
            open_archive(path).close()
            assert time.process_time() - start < 2
