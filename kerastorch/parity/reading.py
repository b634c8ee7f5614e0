"""Recordings: read from a file that may come from anywhere, checked before anything is believed."""

from __future__ import annotations

import errno
import io
import math
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..errors import (
    CorruptFileError,
    MissingFileError,
    UnreadableFileError,
    UnsafeFileError,
    UnsupportedFileError,
    counted,
    quote,
)
from ..files import Limits
from ..files.strict_json import parse_json
from ..paths import AnyPath
from .recorded import Call, Gradients, Probe, RecordedTraining, Recording, TrainedStep, WeightGradient
from .recorder.storing import SCHEMA, TEXT

MAX_BYTES = 2 << 30  # of all arrays together; a recorder keeps 256 MB unless it is told otherwise
MAX_MEMBERS = 100_000
OLDEST = 1  # of the schemas that are read: 1 has neither gradients nor states nor a training


def read_recording(path: AnyPath, *, max_bytes: int = MAX_BYTES) -> Recording:
    """Read what a recorder wrote.

    Nothing in it is run. Arrays are read one by one when they are asked for.

    Args:
        path: The .npz file.
        max_bytes: Of all arrays together, unpacked.

    Raises:
        LoadError: There is no such file, it is no recording or a damaged one, larger than `max_bytes`, or of a
            recorder that is newer than this reader.
    """
    where = os.fsdecode(path)
    file = _File(where, max_bytes)
    said = parse_json(file.text(), f"{where}: {TEXT}", Limits())
    return from_said(where, said, set(file.members) - {TEXT}, file.array)


class _File:
    """The members of an .npz file, their sizes checked before they are unpacked."""

    def __init__(self, path: str, max_bytes: int) -> None:
        self.path = path
        self.members: dict[str, zipfile.ZipInfo] = {}
        try:
            with self._reading():
                with open(path, "rb"):  # ZipFile calls a file that cannot be opened no zip file
                    pass
                self._archive = zipfile.ZipFile(_Reopened(path))  # what it lists is read once, not for each array
        except zipfile.BadZipFile as error:
            raise CorruptFileError(f"{path} is no recording: expected an .npz file, got another kind.") from error
        infos = self._archive.infolist()
        if len(infos) > MAX_MEMBERS:
            raise UnsafeFileError(
                f"{path}: a recording of {counted(len(infos), 'array')}, the limit is {MAX_MEMBERS:,}."
            )
        if (total := sum(info.file_size for info in infos)) > max_bytes:
            raise UnsafeFileError(
                f"{path}: its arrays take {counted(total, 'byte')}, the limit is {max_bytes:,}; "
                "read_recording(max_bytes=...) "
                "raises it for a file that you trust."
            )
        for info in infos:
            name = info.filename.removesuffix(".npy")
            if name == info.filename or name in self.members:
                raise CorruptFileError(f"{path}: {quote(info.filename)} is no array of a recording, or stands twice.")
            self.members[name] = info

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise MissingFileError(f"{self.path}: there is no such file.") from error
        except OSError as error:
            raise UnreadableFileError(f"{self.path} cannot be read: {error}") from error

    def text(self) -> bytes:
        if TEXT not in self.members:
            raise CorruptFileError(
                f"{self.path} is no recording: it has no {TEXT!r}. `kerastorch record` writes one; a file of inputs "
                "x0 and outputs y0 is compared by `kerastorch verify FILE --golden`."
            )
        return self.array(TEXT).astype("uint8").tobytes()

    def array(self, name: str) -> np.ndarray:
        info = self.members[name]
        try:
            with self._reading():
                raw = self._archive.read(info)  # never more than `file_size` bytes
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise CorruptFileError(f"{self.path}: {quote(name)} cannot be unpacked: {error}") from error
        return _parsed(raw, f"{self.path}: {quote(name)}")


class _Reopened(io.RawIOBase):
    """A file that is open only while it is read from: a recording may lie around for long."""

    def __init__(self, path: str) -> None:
        self.path, self.place = path, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self.place}
        self.place = offset + (start[whence] if whence in start else os.stat(self.path).st_size)
        if self.place < 0:
            raise OSError(errno.EINVAL, "a place before the start of the file")  # as of a file that is open
        return self.place

    def tell(self) -> int:
        return self.place

    def readinto(self, buffer: Any) -> int:
        with open(self.path, "rb", buffering=0) as stream:
            stream.seek(self.place)
            count = stream.readinto(buffer)
        self.place += count
        return count


def _parsed(raw: bytes, where: str) -> np.ndarray:
    """The array of an .npy text, whose header is compared with its size before anything is made."""
    stream = io.BytesIO(raw)
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(stream)
    except ValueError as error:
        raise CorruptFileError(f"{where} is no array: {error}") from error
    if dtype.kind not in "fiub":
        raise UnsafeFileError(f"{where}: expected floats, integers or bools, got dtype {dtype}.")
    left = len(raw) - stream.tell()
    if math.prod(shape) * dtype.itemsize != left:
        raise CorruptFileError(f"{where}: shape {shape} of {dtype} does not fit the {counted(left, 'byte')} there.")
    return np.frombuffer(raw, dtype, offset=stream.tell()).reshape(shape, order="F" if fortran else "C")


def from_said(path: str, said: Mapping[str, Any], arrays: set[str], read: Callable[[str], np.ndarray]) -> Recording:
    """A recording, from what its JSON text says.

    Args:
        path: For messages.
        said: The text's object.
        arrays: The names of the arrays that are there.
        read: Gives one of them.
    """
    look = _Look(path, arrays)
    schema = look.get(said, "schema", int)
    if said.get("kind") != "kerastorch recording" or not isinstance(schema, int):
        raise CorruptFileError(f"{path} is no recording of kerastorch.")
    if not OLDEST <= schema <= SCHEMA:
        raise UnsupportedFileError(
            f"{path}: a recording of schema {schema}, this version of kerastorch reads {OLDEST} to {SCHEMA}. Record "
            "again with `kerastorch record`, or update kerastorch."
        )
    model = look.get(said, "model", dict)
    writer = look.get(said, "writer", dict)
    for key in ("package", "version"):
        look.get(writer, key, str)
    source = said.get("source")
    if source is not None:
        for key in ("name", "sha256"):
            look.get(source if isinstance(source, dict) else {}, key, str)
    probes = tuple(look.probe(item) for item in look.get(said, "probes", list))
    if not probes:
        raise CorruptFileError(f"{path}: the recording holds no probe.")
    return Recording(
        path=path,
        writer=writer,
        source=source,
        specs=tuple(look.spec(item) for item in look.get(said, "inputs", list)),
        stateful=look.get(model, "stateful", bool),
        weights=tuple(look.weights(item) for item in look.get(said, "weights", list)),
        layers=tuple((str(item[0]), str(item[1])) for item in look.lists(said, "layers", 2)),
        complete=look.get(said, "complete", bool),
        seed=look.get(said, "seed", int),
        probes=probes,
        _array=read,
        training=None if said.get("training") is None else look.training(look.get(said, "training", dict)),
    )


class _Look:
    """Takes values out of JSON, each of the type that it must have."""

    def __init__(self, path: str, arrays: set[str]) -> None:
        self.path, self.arrays = path, arrays

    def get(self, held: Any, key: str, kind: type | tuple[type, ...]) -> Any:
        value = held.get(key) if isinstance(held, dict) else None
        if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
            expected = kind.__name__ if isinstance(kind, type) else " or ".join(item.__name__ for item in kind)
            raise CorruptFileError(
                f"{self.path}: the recording's {key!r}: expected {expected}, got {quote(value, 60)}."
            )
        return value

    def lists(self, held: Any, key: str, length: int | None = None) -> list[list[Any]]:
        found = self.get(held, key, list)
        for item in found:
            if not isinstance(item, list) or (length is not None and len(item) != length):
                raise CorruptFileError(f"{self.path}: the recording's {key!r}: expected lists, got {quote(item, 60)}.")
        return found

    def names(self, held: Any, key: str, gaps: bool = False) -> tuple[Any, ...]:
        found = tuple(self.get(held, key, list))
        for name in found:
            if not ((gaps and name is None) or (isinstance(name, str) and name in self.arrays)):
                raise CorruptFileError(
                    f"{self.path}: the recording names an array {quote(name, 60)} that is not there."
                )
        return found

    def probe(self, said: Any) -> Probe:
        error = said.get("error") if isinstance(said, dict) else None
        calls = said.get("calls", []) if isinstance(said, dict) else []
        return Probe(
            name=self.get(said, "name", str),
            what=self.get(said, "what", str),
            seed=said.get("seed", 0) if isinstance(said.get("seed", 0), int) else self.get(said, "seed", int),
            weights=self.get(said, "weights", str),
            continues=self.get(said, "continues", bool),
            error=None if error is None else str(error),
            inputs=self.names(said, "inputs"),
            outputs=self.names(said, "outputs"),
            predicted=self.names(said, "predicted") if "predicted" in said else (),
            calls=tuple(
                Call(
                    self.get(call, "layer", str),
                    self.get(call, "class", str),
                    *(self.names(call, key, gaps=True) for key in ("inputs", "masks", "outputs")),
                    states=self.names(call, "states", gaps=True) if "states" in call else (),
                )
                for call in (calls if isinstance(calls, list) else self.get(said, "calls", list))
            ),
            begun=self.pairs(said, "begun", gaps=False) if "begun" in said else (),
            gradients=None if said.get("gradients") is None else self.gradients(self.get(said, "gradients", dict)),
        )

    def pairs(self, said: Any, key: str, gaps: bool) -> tuple[tuple[str, tuple[Any, ...]], ...]:
        """Names of arrays by the name of what has them."""
        found = []
        for item in self.lists(said, key, 2):
            held = {"name": item[0], "arrays": item[1]}
            found.append((self.get(held, "name", str), self.names(held, "arrays", gaps)))
        return tuple(found)

    def gradients(self, said: Any) -> Gradients:
        if said.get("error") is not None:
            return Gradients(error=str(said["error"]))
        return Gradients(
            factors=self.names(said, "factors", gaps=True),
            inputs=self.names(said, "inputs", gaps=True),
            weights=self.of_weights(said, "weights"),
            calls=tuple(self.names({"call": call}, "call", gaps=True) for call in self.get(said, "calls", list)),
        )

    def of_weights(self, said: Any, key: str) -> tuple[WeightGradient, ...]:
        return tuple(
            WeightGradient(
                self.get(item, "layer", str),
                self.get(item, "place", int),
                self.names({"array": [item.get("array")]}, "array", gaps=True)[0],
                self.get(item, "flows", bool),
            )
            for item in self.get(said, key, list)
        )

    def training(self, said: Any) -> RecordedTraining:
        return RecordedTraining(
            optimizer=self.get(said, "optimizer", str),
            settings=self.get(said, "settings", dict),
            loss=said.get("loss"),
            chosen_by=self.get(said, "chosen_by", str),
            dropout=tuple(map(str, self.get(said, "dropout", list))),
            kind=self.get(said, "kind", str),
            steps=tuple(
                TrainedStep(
                    inputs=self.names(step, "inputs"),
                    targets=self.names(step, "targets"),
                    loss=float(self.get(step, "loss", (int, float))),
                    gradients=self.of_weights(step, "gradients"),
                    weights=self.pairs(step, "weights", gaps=True),
                    slots=tuple((name, held[0]) for name, held in self.pairs(step, "slots", gaps=True) if held),
                )
                for step in self.get(said, "steps", list)
            ),
            error=None if said.get("error") is None else str(said["error"]),
            summed=self.get(said, "summed", bool) if "summed" in said else False,
            lost=self.get(said, "lost", bool) if "lost" in said else False,
        )

    def spec(self, said: Any) -> Mapping[str, Any]:
        for size in self.get(said, "shape", list):
            if size is not None and (not isinstance(size, int) or size < 0):
                raise CorruptFileError(f"{self.path}: an input's shape: expected sizes or null, got {quote(size, 60)}.")
        for key in ("name", "dtype"):
            self.get(said, key, str)
        return said

    def weights(self, said: Any) -> Mapping[str, Any]:
        self.get(said, "layer", str)
        count = len(self.get(said, "names", list))
        for key, kind in (("names", str), ("dtypes", str), ("sha256", str), ("scales", (int, float)), ("shapes", list)):
            values = self.get(said, key, list)
            if len(values) != count or not all(isinstance(value, kind) for value in values):
                raise CorruptFileError(
                    f"{self.path}: the recording's weights of {quote(said['layer'])}: wrong {key!r}."
                )
        for shape in said["shapes"]:
            if not all(isinstance(size, int) and 0 <= size < 1 << 32 for size in shape) or math.prod(shape) > 1 << 31:
                raise UnsafeFileError(f"{self.path}: the recording's weights of {quote(said['layer'])}: shape {shape}.")
        return said
