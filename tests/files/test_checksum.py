"""The checksum of a large member, computed on several threads, is that of zlib."""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from kerastorch.errors import CorruptFileError
from kerastorch.files import _checksum, open_archive
from kerastorch.files._bytes import Held

KIB = 1 << 10


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_checksum, "_PART", 16 * KIB)
    monkeypatch.setattr(_checksum, "_PIECE", 8 * KIB)
    monkeypatch.setattr(_checksum.os, "cpu_count", lambda: 4)


@pytest.mark.parametrize("size", [0, 1, 32 * KIB - 1, 32 * KIB, 32 * KIB + 1, 48 * KIB + 5, 200_003])
def test_it_is_that_of_zlib(size: int) -> None:
    content = np.random.default_rng(size).bytes(size)
    assert _checksum.crc32(Held(content)) == zlib.crc32(content)


@pytest.mark.parametrize("place", [0.1, 0.4, 0.6, 0.9])
def test_damage_in_any_part_is_seen(tmp_path: Path, place: float) -> None:
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["layers/dense/vars/0"] = np.random.default_rng(0).random((200, 200), dtype="f4")
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        archive.writestr("config.json", json.dumps({"class_name": "Sequential", "config": {"layers": []}}))
        archive.write(tmp_path / "w.h5", "model.weights.h5")
    open_archive(path).close()
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"checksum of 'model\.weights\.h5' is wrong"):
        open_archive(path)
