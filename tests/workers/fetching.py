"""Calls of `get_file` on files of this machine, run as they stand with Keras or kerastorch as `k`."""

from __future__ import annotations

import hashlib
import tarfile
import warnings
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any


def make(folder: Path) -> None:
    """A text, and archives that hold it in a folder."""
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "text.txt").write_bytes(b"some text")
    (folder / "text.txt").write_bytes(b"some text")
    with zipfile.ZipFile(folder / "texts.zip", "w") as archive:
        archive.write(folder / "inner" / "text.txt", "inner/text.txt")
    with tarfile.open(folder / "texts.tar.gz", "w:gz") as archive:
        archive.add(folder / "inner", "inner")


def run(k: ModuleType, sources: Path, cache: Path) -> list[Any]:
    """The paths that come back, relative to the cache, and what stands in the cache after all."""
    text, md5 = (sources / "text.txt").as_uri(), hashlib.md5(b"some text").hexdigest()
    sha256 = hashlib.sha256(b"some text").hexdigest()
    calls: list[dict[str, Any]] = [
        {"origin": text},
        {"fname": "other.txt", "origin": text, "cache_subdir": "mine"},
        {"fname": "b", "origin": text, "md5_hash": md5},
        {"fname": "c", "origin": text, "file_hash": sha256},
        {"fname": "d", "origin": text, "file_hash": sha256, "hash_algorithm": "sha256", "cache_subdir": "."},
        {"fname": "text.txt", "origin": "file:///nowhere"},  # it is in the cache
        {"fname": "b", "origin": "file:///nowhere", "file_hash": md5},
    ]
    for name in ("texts.zip", "texts.tar.gz"):
        origin = (sources / name).as_uri()
        calls += [
            {"origin": origin, "extract": True},
            {"fname": name, "origin": origin, "extract": True, "cache_subdir": "named"},
            {"fname": f"folder_{name[6:9]}", "origin": origin, "extract": True},
            {"fname": f"plain_{name}", "origin": origin},
        ]
    calls.append({"fname": "old", "origin": (sources / "texts.tar.gz").as_uri(), "untar": True})
    calls.append({"fname": "none", "origin": text, "extract": True})  # no archive
    found: list[Any] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for call in calls:
            found.append(str(Path(k.utils.get_file(cache_dir=str(cache), **call)).relative_to(cache)))
    found.append(len([one for one in caught if issubclass(one.category, UserWarning)]))
    (cache / "datasets" / "b").write_bytes(b"changed")
    again = k.utils.get_file("b", text, cache_dir=str(cache), file_hash=md5)  # not what it must be: once more
    found.append(Path(again).read_bytes())
    (cache / "datasets" / "text.txt").write_bytes(b"changed")
    for force in (False, True):
        again = k.utils.get_file(origin=text, cache_dir=str(cache), force_download=force)
        found.append(Path(again).read_bytes())
    files = sorted(path for path in cache.rglob("*") if path.is_file())
    return [*found, [(str(path.relative_to(cache)), len(path.read_bytes())) for path in files]]
