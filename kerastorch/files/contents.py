"""What stands in a file beside what a loader of models reads: for `kerastorch scan`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from kerastorch.errors import LoadError, UnsafeFileError

from . import _zip, pickles, tensorflow
from ._bytes import Bytes as Bytes
from ._bytes import Held, OnDisk
from ._hdf5 import Dataset, Group, open_hdf5
from ._hdf5_superblock import find_hdf5
from ._limits import Limits
from ._recognise import is_pickle as is_pickle
from .opening import name_of as name_of
from .opening import open_file
from .opening import read_stream as read_stream

_WEIGHTS = "model.weights.h5"
_READ = ("config.json", "metadata.json", _WEIGHTS)
_FOREIGN = "foreign part"
_BEGINNING = 1 << 16  # of a file, of which a beginning of what gzip has packed can be had
_HEAD = 4096
_T = TypeVar("_T")


@contextmanager
def open_bytes(path: str | bytes) -> Iterator[Bytes]:
    """The bytes of a regular file, whatever it is.

    Args:
        path: The path, or the content of a file that is in memory.

    Raises:
        UnreadableFileError: It cannot be opened, or is a pipe or a device.
        UnsupportedFileError: It is a folder.
    """
    if isinstance(path, bytes):
        yield Held(path)
        return
    file = open_file(path)
    try:
        yield OnDisk(file, 0, file.size)
    finally:
        file.close()


def kind_of(data: Bytes) -> str:
    """Tell a zip archive ("zip"), a tar ("tar", also packed with gzip) and an HDF5 file ("hdf5"); "" is any other."""
    if data.size >= 4 and bytes(data.read(0, 4)) == _zip.SIGNATURE:
        return "zip"
    if tensorflow.is_packed_tar(data.read(0, min(data.size, _BEGINNING))):
        return "tar"
    return "" if find_hdf5(data) is None else "hdf5"


def members(data: Bytes, name: str, limits: Limits) -> Mapping[str, Callable[[], Bytes]]:
    """Every file in a zip archive or a tar by its path, with what opens it; none of any other file.

    Raises:
        LoadError: The archive cannot be read.
    """
    kind = kind_of(data)
    if kind == "tar":
        return tensorflow.files_in_tar(data, name, limits)
    if kind != "zip":
        return {}
    archive = _zip.Archive(data, name, limits)
    return {member: partial(archive.open, member) for member in archive.members if not member.endswith("/")}


def foreign_parts(
    data: Bytes, name: str, limits: Limits, files: Mapping[str, Callable[[], Bytes]]
) -> Iterator[tuple[str, str, str]]:
    """What no Keras writes and no loader here looks at, in a zip archive or an HDF5 file that can be opened.

    Args:
        data: The content of the file.
        name: What to call it in messages.
        limits: The bounds.
        files: Its `members`.

    Yields:
        What it is called in a report, where it stands, and what it is: links out of the file and arrays that stand in
        others, pickles.
    """
    if is_pickle(bytes(data.read(0, min(data.size, 4096)))) or _packs_pickle(data, name, limits):
        yield "pickle", "", "a pickle, which runs code when it is loaded; kerastorch reads the bytes of the model in it"
        return
    if kind_of(data) == "hdf5":
        yield from _links(open_hdf5(data, name, limits), name, "")
        return
    if kind_of(data) == "tar":
        for member, opens in sorted(files.items()):
            content = opens()
            if is_pickle(bytes(content.read(0, min(content.size, _HEAD))), member):
                yield _FOREIGN, member, "a pickle, which runs code when it is loaded"
        return
    archive = _zip.Archive(data, name, limits)
    for member in sorted(set(archive.members) - set(_READ)):
        if not member.endswith("/") and is_pickle(archive.head(member), member):
            yield _FOREIGN, member, "a pickle, which runs code when it is loaded"
    if _WEIGHTS in archive.members:
        inner = f"{name}: {_WEIGHTS}"
        yield from _links(open_hdf5(archive.open(_WEIGHTS), inner, limits), inner, f"{_WEIGHTS}: ")


def _packs_pickle(data: Bytes, name: str, limits: Limits) -> bool:
    """Whether it is a pickle as joblib packs it."""
    content = pickles.unpacked(data, name, limits)
    return content is not None and is_pickle(content[:_HEAD])


def configs_in(data: Bytes, name: str, limits: Limits) -> Iterator[tuple[str, bytes]]:
    """The text of every config in a zip archive or an HDF5 file, also where nothing else of it can be read.

    Other loaders make the layers of a config before they come to the weights.

    Args:
        data: The content of the file.
        name: What to call it in messages.
        limits: The bounds.

    Yields:
        Where it stands, and its text.
    """
    if kind_of(data) != "hdf5":
        for member, opens in members(data, name, limits).items():
            if member.rpartition("/")[2] == "config.json":
                content = opens()
                yield member, bytes(content.read(0, min(content.size, limits.json_bytes)))
        return
    attributes = open_hdf5(data, name, limits).attrs
    for key in ("model_config", "training_config"):
        text = attributes.get(key)
        if isinstance(text, str):
            yield key, text.encode("utf-8", "surrogatepass")


def _links(root: Group, name: str, before: str) -> Iterator[tuple[str, str, str]]:
    """Every link and array of an HDF5 file that leads elsewhere. Iterative; each group is looked into once."""
    stack, seen = [root], {root.address}
    while stack:
        group = stack.pop()
        names, problem = _tried(group.keys)
        if problem is not None:
            yield problem.kind or _FOREIGN, f"{before}{group.path or '/'}", _bare(problem, name)
        for key in names or ():
            child, problem = _tried(lambda group=group, key=key: group.get(key))
            if problem is None and isinstance(child, Dataset):
                _, problem = _tried(lambda child=child: child.in_one_piece)
            if problem is not None:
                where = f"{before}{group.path}/{key}".replace(": /", ": ")
                yield problem.kind or _FOREIGN, where, _bare(problem, name)
            if isinstance(child, Group) and child.address not in seen:
                seen.add(child.address)
                stack.append(child)


def _tried(look: Callable[[], _T]) -> tuple[_T | None, UnsafeFileError | None]:
    """What stands there, or why that is not safe; what is only damaged is left to the loader, which reads it or not."""
    try:
        return look(), None
    except UnsafeFileError as error:
        return None, error
    except LoadError:
        return None, None


def _bare(error: LoadError, name: str) -> str:
    """An error without the name of the file."""
    return str(error).removeprefix(f"{name}: ")
