"""`get_file`: a file from an address, kept in Keras's cache, checked by its hash, its archive opened in place.

What is fetched stands under its name only when it is whole and its hash is right. Of an archive plain files and folders
are taken, and nothing at all if one of them would stand outside: a link, a device, a path with `..`.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tarfile
import threading
import urllib.error
import urllib.parse
import urllib.request
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from ..errors import ArgumentError, CorruptFileError, LoadError, UnsafeFileError, quote
from ..paths import AnyPath, text_of

_log = logging.getLogger("kerastorch")
_FORMATS = ("tar", "zip")
# A file or a folder (None) of an archive: its path there, what opens it.
_Entry = tuple[str, "Callable[[], IO[bytes]] | None"]


def get_file(
    fname: AnyPath | None = None,
    origin: str | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: str | Sequence[str] | None = "auto",
    cache_dir: AnyPath | None = None,
    force_download: bool = False,
) -> str:
    """Fetch a file, unless it is in the cache already, as `keras.utils.get_file`.

    Args:
        fname: Its name in the cache, without folders; the last part of `origin` if None. Of an archive the name of the
            folder, if it has no dot.
        origin: Its address: `https://...`, or `file:///...` where there is no network.
        untar: The old name of `extract` for tar archives.
        md5_hash: The old name of `file_hash` for MD5.
        file_hash: What it must be, in hexadecimal digits. A cached file with another one is fetched again.
        cache_subdir: The folder below `cache_dir`, or an absolute path.
        hash_algorithm: "md5", "sha256", or "auto": by the number of digits.
        extract: Whether it is an archive to open.
        archive_format: "tar" (compressed too), "zip", a list of them, or "auto" for both.
        cache_dir: Where to keep it; `$KERAS_HOME`, or `~/.keras`, if None. It is made if it is not there.
        force_download: Whether to fetch it although it is there.

    Returns:
        The path of the file; with `extract` that of the folder.

    Raises:
        ArgumentError: An argument cannot be meant.
        CorruptFileError: The hash of what was fetched is another one; it is not kept.
        UnsafeFileError: The archive holds what would stand outside of its folder; nothing is extracted.
        LoadError: It cannot be fetched.
    """
    if not isinstance(origin, str) or not origin:
        raise ArgumentError(f"get_file: origin: expected the address of the file, got {quote(origin)}.")
    if hash_algorithm not in ("auto", "md5", "sha256"):
        raise ArgumentError(f"get_file: hash_algorithm: expected auto, md5 or sha256, got {quote(hash_algorithm)}.")
    if md5_hash is not None and file_hash is None:
        file_hash, hash_algorithm = md5_hash, "md5"
    formats = ("tar",) if untar else _formats(archive_format)
    name = "" if fname is None else text_of(fname, "get_file: fname")
    given = bool(name)
    name = name or os.path.basename(urllib.parse.urlsplit(origin).path)
    if not name or name in (".", "..") or os.path.basename(name) != name:
        raise ArgumentError(
            f"get_file: fname: expected the name of a file without folders (those are cache_dir and cache_subdir), "
            f"got {quote(name)}."
        )
    folder = _home(cache_dir) / text_of(cache_subdir, "get_file: cache_subdir")
    target, opened = folder / name, folder / name
    if extract or untar:
        if given and "." in name:
            opened = folder / f"{name.partition('.')[0]}_extracted"
        else:
            target = folder / f"{name}_archive"
    if force_download or not target.exists() or not _fits(target, file_hash, hash_algorithm):
        _fetch(origin, target, file_hash, hash_algorithm)
    if not (extract or untar):
        return str(target)
    if not _extract(target, opened, formats):
        warnings.warn(f"get_file: {target} is no archive of the kind {', '.join(formats)}.", stacklevel=2)
    return str(opened)


def _formats(value: str | Sequence[str] | None) -> tuple[str, ...]:
    found = _FORMATS if value == "auto" else (value,) if isinstance(value, str) else tuple(value or ())
    if not set(found) <= set(_FORMATS):
        raise ArgumentError(f"get_file: archive_format: expected auto, tar, zip or a list of them, got {quote(value)}.")
    return found


def _home(cache_dir: Any) -> Path:
    given = (
        os.environ.get("KERAS_HOME") or os.path.join("~", ".keras")
        if cache_dir is None
        else text_of(cache_dir, "get_file: cache_dir")
    )
    return Path(given).expanduser()


def _fits(path: Path, file_hash: str | None, algorithm: str) -> bool:
    """Whether a file has this hash; without one every file has."""
    if file_hash is None:
        return True
    sha256 = algorithm == "sha256" or (algorithm == "auto" and len(file_hash) == 64)
    made = hashlib.sha256() if sha256 else hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            made.update(block)
    return made.hexdigest() == file_hash.lower()


def _fetch(origin: str, target: Path, file_hash: str | None, algorithm: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    _log.info("fetching %s", origin)
    with _beside(target) as part:
        try:
            with urllib.request.urlopen(origin) as source, part.open("wb") as file:
                shutil.copyfileobj(source, file)
        except (urllib.error.URLError, ValueError) as error:
            raise LoadError(
                f"get_file: {quote(origin)} cannot be fetched: {error}. Where there is no network, put the file at "
                f"{target}, or give its address on this machine: file:///..."
            ) from error
        if not _fits(part, file_hash, algorithm):
            raise CorruptFileError(
                f"get_file: what {quote(origin)} gave has another hash than {file_hash}; it was not kept."
            )
        os.replace(part, target)


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A path in the folder of `target`, for what is not whole yet."""
    part = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _extract(path: Path, folder: Path, formats: Sequence[str]) -> bool:
    """Put the files of an archive into a folder; False if it is no archive of these kinds."""
    for kind in formats:
        if kind == "tar" and tarfile.is_tarfile(path):
            with tarfile.open(path) as archive:
                _write(path, folder, [_of_tar(path, archive, member) for member in archive.getmembers()])
            return True
        if kind == "zip" and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                _write(path, folder, [_of_zip(path, archive, member) for member in archive.infolist()])
            return True
    return False


def _of_tar(path: Path, archive: tarfile.TarFile, member: tarfile.TarInfo) -> _Entry:
    if member.isdir():
        return member.name, None
    if not member.isreg():
        raise UnsafeFileError(f"get_file: {path}: {quote(member.name)} is a link or a device, and is not extracted.")

    def opened() -> IO[bytes]:
        source = archive.extractfile(member)
        assert source is not None  # it is a regular file
        return source

    return member.name, opened


def _of_zip(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> _Entry:
    kind = member.external_attr >> 28  # of the file's mode in Unix: 8 is a plain file, 4 a folder, 0 not said
    if kind not in (0, 4, 8):
        raise UnsafeFileError(
            f"get_file: {path}: {quote(member.filename)} is a link or a device, and is not extracted."
        )
    return member.filename, None if member.is_dir() else lambda: archive.open(member)


def _write(path: Path, folder: Path, entries: Sequence[_Entry]) -> None:
    """Write all entries, after a look at all of them."""
    for name, _ in entries:
        parts = PurePosixPath(name.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or ":" in (parts.parts or ("",))[0] or "\0" in name:
            raise UnsafeFileError(f"get_file: {path}: {quote(name)} would stand outside of {folder}.")
    folder.mkdir(parents=True, exist_ok=True)
    inside = folder.resolve()
    for name, opened in entries:
        place = folder / name
        if inside not in (place.resolve(), *place.resolve().parents):  # a link that was there before
            raise UnsafeFileError(f"get_file: {path}: {quote(name)} would stand outside of {folder}.")
        if opened is None:
            place.mkdir(parents=True, exist_ok=True)
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        with opened() as source, place.open("wb") as file:
            shutil.copyfileobj(source, file)
