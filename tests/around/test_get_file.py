"""kt.utils.get_file: the same calls in Keras and here, on files of this machine; what must not happen."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from _keras_worker import KerasWorker
from workers import fetching

import kerastorch as kt
from kerastorch.errors import ArgumentError, CorruptFileError, LoadError, UnsafeFileError


def test_the_same_calls(keras_worker: KerasWorker, tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    fetching.make(sources)
    found = []
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
    found.append(fetching.run(kt, sources, tmp_path / "ours"))
    found.append(keras_worker.call("keras3", "fetching:run", sources, tmp_path / "theirs"))
    assert found[0] == found[1]


def test_what_is_wrong_is_not_kept(tmp_path: Path) -> None:
    source, cache = tmp_path / "a.txt", tmp_path / "cache"
    source.write_bytes(b"one")
    good = hashlib.sha256(b"one").hexdigest()
    with pytest.raises(CorruptFileError, match="has another hash than 00; it was not kept"):
        kt.utils.get_file(origin=source.as_uri(), cache_dir=cache, file_hash="00")
    with pytest.raises(LoadError, match=r"cannot be fetched: .*Where there is no network, put the file at .*none\.txt"):
        kt.utils.get_file(origin=(tmp_path / "none.txt").as_uri(), cache_dir=cache)
    assert list((cache / "datasets").iterdir()) == []
    path = Path(kt.utils.get_file(origin=source.as_uri(), cache_dir=cache, file_hash=good.upper()))
    source.write_bytes(b"two")
    with pytest.raises(CorruptFileError, match="another hash"):  # the one that is there stays
        kt.utils.get_file(origin=source.as_uri(), cache_dir=cache, file_hash=hashlib.md5(b"three").hexdigest())
    assert path.read_bytes() == b"one"
    assert [one.name for one in path.parent.iterdir()] == ["a.txt"]


def test_keras_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_bytes(b"one")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    found = kt.utils.get_file("b.txt", (tmp_path / "a.txt").as_uri())
    assert found == str(tmp_path / "home" / "datasets" / "b.txt")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"origin": None}, "origin: expected the address of the file, got None"),
        ({"fname": "a/b"}, "fname: expected the name of a file without folders .* got 'a/b'"),
        ({"fname": ".."}, "fname: expected the name of a file"),
        ({"origin": "file:///"}, "fname: expected the name of a file"),
        ({"hash_algorithm": "sha1"}, "hash_algorithm: expected auto, md5 or sha256, got 'sha1'"),
        ({"archive_format": "rar"}, "archive_format: expected auto, tar, zip or a list of them, got 'rar'"),
    ],
)
def test_arguments(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        kt.utils.get_file(**{"origin": "file:///a", "cache_dir": tmp_path, **options})
    assert list(tmp_path.iterdir()) == []


def tar_of(path: Path, **members: Any) -> None:
    with tarfile.open(path, "w") as archive:
        for name, options in members["members"]:
            member = tarfile.TarInfo(name)
            member.size = 0 if options else 3
            for key, value in options.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(b"bad"))


LINK = {"type": tarfile.SYMTYPE, "linkname": "/"}


@pytest.mark.parametrize(
    "members",
    [
        [("fine", {}), ("../outside", {})],
        [("fine", {}), ("a/../../outside", {})],
        [("fine", {}), ("/tmp/outside", {})],
        [("fine", {}), ("link", LINK), ("link/outside", {})],
        [("fine", {}), ("hard", {"type": tarfile.LNKTYPE, "linkname": "../../outside"})],
        [("fine", {}), ("pipe", {"type": tarfile.FIFOTYPE})],
    ],
    ids=lambda members: members[1][0],
)
def test_a_tar_archive_stays_inside(tmp_path: Path, members: Any) -> None:
    tar_of(tmp_path / "a.tar", members=members)
    with pytest.raises(UnsafeFileError, match=r"would stand outside of|is a link or a device"):
        kt.utils.get_file("bad", (tmp_path / "a.tar").as_uri(), extract=True, cache_dir=tmp_path / "cache")
    left = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(left) == ["a.tar", "bad_archive"]


@pytest.mark.parametrize("name", ["../outside", "/outside", "a\\..\\..\\outside", "C:outside", "link"])
def test_a_zip_archive_stays_inside(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("fine", "fine")
        member = zipfile.ZipInfo(name)
        member.external_attr = (0o120777 if name == "link" else 0o100644) << 16
        archive.writestr(member, "/")
    with pytest.raises(UnsafeFileError, match=r"would stand outside of|is a link or a device"):
        kt.utils.get_file("bad", (tmp_path / "a.zip").as_uri(), extract=True, cache_dir=tmp_path / "cache")
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["a.zip", "bad_archive"]


def test_a_link_that_was_there_leads_nowhere(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("folder/outside", "bad")
    (tmp_path / "cache" / "datasets" / "bad").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "cache" / "datasets" / "bad" / "folder").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsafeFileError, match="would stand outside of"):
        kt.utils.get_file("bad", (tmp_path / "a.zip").as_uri(), extract=True, cache_dir=tmp_path / "cache")
    assert list((tmp_path / "elsewhere").iterdir()) == []
