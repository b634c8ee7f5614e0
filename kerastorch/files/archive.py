"""Open a Keras file of any kind, told by its content and not by its name."""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import replace
from typing import Any, BinaryIO

from kerastorch.errors import (
    ArgumentError,
    CorruptFileError,
    LoadError,
    UnsafeFileError,
    UnsupportedFileError,
    beyond,
    counted,
    quote,
)
from kerastorch.paths import AnyPath, is_path

from . import _shards, _zip, pickles, tensorflow, tfjs
from ._bytes import Bytes, Held
from ._handle import Handle
from ._hdf5 import Group, open_hdf5
from ._hdf5_superblock import find_hdf5
from ._limits import Limits, limits_of
from ._recognise import ONE_BY_ONE, describe, describe_zip, is_pickle, unsafe_pickle
from ._source import DAMAGED
from ._training import describe_optimizer
from ._tree import NO_STATE, is_tree, read_tree
from ._values import Archive, Format, Skipped
from ._vocabularies import is_vocabulary, with_vocabularies
from ._weights import MakeArray, read_legacy, read_state
from .opening import checked_sha256, read_stream, shortened
from .strict_json import COMPILED, parse_json, parse_model

_WEIGHTS = "model.weights.h5"
_Contents = tensorflow.Contents | tfjs.Contents | pickles.PickledModel


def open_archive(path: AnyPath | BinaryIO, limits: Limits | None = None, expected_sha256: str | None = None) -> Archive:
    """Open a Keras file and check its structure; arrays are read later, one by one.

    Args:
        path: The file, or a binary stream, of which the rest is read into memory.
            Who changes the file while the archive is open gets an error, see `Archive.check_unchanged`.
        limits: How much the file may ask of us.
        expected_sha256: The SHA-256 that the file has to have, 64 hexadecimal digits. It is computed of all bytes, and
            every byte that is read afterwards is compared with those of which it was computed. Sharded weights are
            several files, which no one digest says: they are refused then.

    Returns:
        The archive.

    Raises:
        LoadError: It cannot be opened.
        CorruptFileError: It is damaged, cut short or not a Keras file.
        UnsafeFileError: It holds something that no Keras writes, has another SHA-256, or is larger than `limits` allow.
        UnsupportedFileError: It is whole, but of a kind that is not read.
        TimeLimitError: It takes longer than the `deadline` allows.
        ArgumentError: `expected_sha256` or `limits` is none.
    """
    limits = limits_of(limits)
    expected = checked_sha256(expected_sha256)
    if isinstance(path, bytes):  # a path of the system's
        path = os.fsdecode(path)
    handle = Handle(shortened(os.fsdecode(path)) if is_path(path) else "", limits)
    try:
        archive = _open(path, handle, limits, expected)
        _check_parameters(archive, handle.name, limits)
        return archive
    except BaseException:
        handle.close()
        raise


def _open(path: AnyPath | BinaryIO, handle: Handle, limits: Limits, expected: str | None = None) -> Archive:
    digest = None
    if is_path(path):
        shown = os.fsdecode(path)
        place = tensorflow.place_of(shown)
        if place is not None:
            return _open_tensorflow(place, shown, handle, limits, expected)
        data = handle.open(shown)
        digest = data.file.seal() if expected is not None else None
    elif hasattr(path, "read"):
        shown = str(getattr(path, "name", "<stream>"))
        held = read_stream(path, limits)
        data = Held(held)
        digest = hashlib.sha256(held).hexdigest() if expected is not None else None
    else:
        raise ArgumentError(f"a path or a binary stream is needed, got {type(path).__name__}.")
    name = handle.name = shortened(shown)
    if digest != expected:
        raise UnsafeFileError(
            f"{name}: its SHA-256 is {digest}, expected {expected}: these are other bytes, and nothing of them was "
            "read. Get the file again from where the expected digest is from."
        )
    if not data.size:
        raise CorruptFileError(f"{name}: the file is empty. {DAMAGED}")
    head = bytes(data.read(0, min(data.size, 4096)))
    if head[:4] == _zip.SIGNATURE:
        return _open_zip(data, shown, handle, limits)
    if find_hdf5(data) is not None:
        return _open_hdf5(open_hdf5(data, name, limits), shown, handle, limits)
    if _shards.is_index(head):
        if not is_path(path):
            raise UnsupportedFileError(
                f"{name}: this is the index of sharded weights, whose shards stand beside it: pass its path."
            )
        if expected is not None:
            raise UnsupportedFileError(
                f"{name}: this is the index of sharded weights: expected_sha256 would say what it holds, and not what "
                "the shards beside it hold. Compare the digests of all these files beforehand, and leave it out."
            )
        return _open_shards(data.read(0, data.size), shown, handle, limits)
    if head.lstrip()[:1] == b"{" and data.size <= limits.json_bytes and tfjs.is_layers_model(data.read(0, data.size)):
        return _open_tfjs(data, shown, handle, limits, is_path(path), expected)
    if tensorflow.is_tar(head):
        packed = tensorflow.in_tar(data, name, limits)
        if packed is not None:
            found = tensorflow.read_folder(packed, name, limits, handle.check_open)
            return _of_contents("SavedModel", found, shown, handle)
    content = pickles.unpacked(data, name, limits)
    if content is not None and is_pickle(content[:4096], shown):
        return _open_pickled(Held(content), shown, handle, limits)
    if content is None and is_pickle(head, shown):
        return _open_pickled(data, shown, handle, limits)
    raise describe(name, shown, memoryview(head))


def _open_pickled(data: Bytes, path: str, handle: Handle, limits: Limits) -> Archive:
    """The one file of Keras in a pickle, of which nothing is loaded."""
    name, error = handle.name, describe(handle.name, path, data.read(0, min(data.size, 4096)))
    found = pickles.embedded(data.read(0, data.size), limits)
    if not found:
        head = bytes(data.read(0, min(data.size, 4096)))
        if head[:1] == b"\x93":
            raise error  # an array of objects
        try:
            model = pickles.model_in(bytes(data.read(0, data.size)), name, limits)
        except UnsafeFileError:
            raise
        except LoadError as problem:
            if not is_pickle(head):
                raise error from None  # by its name alone it is one
            text = str(problem).removeprefix(f"{name}: ")
            raise unsafe_pickle(f"{name}: this is a pickle, and the model in it cannot be read: {text}") from problem
        if model is None:
            raise error
        archive = _of_contents("pickled arrays", model, path, handle)
        return replace(archive, skipped=(*archive.skipped, Skipped(*pickles.AROUND)))
    if len(found) != 1:
        several = f"{name}: this is a pickle with {counted(len(found), 'model')} in it. {ONE_BY_ONE}"
        raise unsafe_pickle(several)
    held = Held(found[0])
    try:
        if found[0][: len(_zip.SIGNATURE)] == _zip.SIGNATURE:
            archive = _open_zip(held, path, handle, limits)
        else:
            packed = tensorflow.in_tar(held, name, limits)
            if packed is None:
                raise error
            contents = tensorflow.read_folder(packed, name, limits, handle.check_open)
            archive = _of_contents("SavedModel", contents, path, handle)
    except LoadError as problem:
        text = str(problem).removeprefix(f"{name}: ")
        raise unsafe_pickle(f"{name}: this is a pickle, and the model in it cannot be read: {text}") from problem
    return replace(archive, skipped=(*archive.skipped, Skipped(*pickles.AROUND)))


def _check_parameters(archive: Archive, name: str, limits: Limits) -> None:
    """Raise where the weights have more values than they may: before anything is made for them."""
    weights, most = archive.weights, limits.parameters
    if weights is None or most is None:
        return
    found = sum(math.prod(array.shape) for array in weights.arrays)
    if found > most:
        raise UnsafeFileError(beyond(f"{name}: its weights have {counted(found, 'value')}", f"{most:,}", "parameters"))


def _open_zip(data: Bytes, path: str, handle: Handle, limits: Limits) -> Archive:
    name = handle.name
    archive = _zip.Archive(data, name, limits)
    members = set(archive.members)
    packed = tensorflow.in_zip(archive, name) if "config.json" not in members else None
    if packed is not None:
        found = tensorflow.read_folder(packed, name, limits, handle.check_open)
        return _of_contents("SavedModel", found, path, handle)
    refusal = describe_zip(name, members, archive.head)
    if refusal:
        raise refusal
    config, problem = parse_model(archive.read("config.json", limits.json_bytes), f"{name}: config.json", limits)
    metadata: dict[str, Any] = {}
    if "metadata.json" in members:
        metadata = parse_json(archive.read("metadata.json", limits.json_bytes), f"{name}: metadata.json", limits)
    root = open_hdf5(archive.open(_WEIGHTS), f"{name}: {_WEIGHTS}", limits)
    weights, skipped, state = read_tree([(root, handle.make)], describe_optimizer(config.get(COMPILED)))
    weights = with_vocabularies(weights, archive, name, limits)
    skipped += _unread(COMPILED, problem)
    read = {"config.json", "metadata.json", _WEIGHTS, *filter(is_vocabulary, members)}
    rest = sorted(m for m in members - read if not m.endswith("/"))
    if rest:
        what = f"{counted(len(rest), 'other file')} in the archive, the first {quote(rest[0])}"
        skipped.append(Skipped(what, "assets are not read"))
    version = metadata.get("keras_version")
    stated = version if isinstance(version, str) else None
    form = "Keras v3 .keras zip"
    return handle.archive(path, form, weights, skipped, versions=(stated, None), config=config, state=state)


def _open_hdf5(root: Group, path: str, handle: Handle, limits: Limits) -> Archive:
    name, names = handle.name, set(root.keys())
    if "model_config" in root.attrs or "model_weights" in names:
        return _open_legacy_model(root, path, handle, limits)
    if "layer_names" in root.attrs or "layer_names0" in root.attrs:
        weights, skipped = read_legacy(root, handle.make)
        versions = _text(root, "keras_version"), _text(root, "backend")
        return handle.archive(path, "legacy HDF5 weights", weights, skipped, versions=versions)
    if "nb_layers" in root.attrs:
        raise UnsupportedFileError(
            f"{name}: these are weights of Keras 0.x, which have neither names nor an architecture. "
            "Load them with that Keras and save the model again with Keras 1 or later."
        )
    if is_tree(root):
        weights, skipped, state = read_tree([(root, handle.make)])
        return handle.archive(path, "Keras v3 .weights.h5", weights, skipped, state=state)
    raise CorruptFileError(
        f"{name}: this is an HDF5 file, but not one of Keras: it has neither model_config nor layer_names nor layers. "
        "Check that it is the file you meant."
    )


def _open_shards(data: memoryview, path: str, handle: Handle, limits: Limits) -> Archive:
    index = _shards.read_index(data, handle.name, limits)

    def open_shard(shard: str) -> tuple[Group, MakeArray]:
        content = handle.open(_shards.find_shard(path, shard), follow=False)
        root = open_hdf5(content, shard, limits)
        return root, lambda dataset, dtype: handle.make(dataset, dtype, shard)

    weights, skipped, state = _shards.read_shards(handle.name, index, open_shard)
    return handle.archive(path, "Keras v3 sharded weights", weights, skipped, state=state)


def _open_tfjs(data: Bytes, path: str, handle: Handle, limits: Limits, has_path: bool, expected: str | None) -> Archive:
    name = handle.name
    if not has_path:
        raise UnsupportedFileError(
            f"{name}: this is a model of TensorFlow.js, whose weights stand in files beside it: pass its path."
        )
    if expected is not None:
        raise UnsupportedFileError(
            f"{name}: this is a model of TensorFlow.js: expected_sha256 would say what it holds, and not what the "
            "files of weights beside it hold. Compare the digests of all these files beforehand, and leave it out."
        )

    def opened(file: str) -> Bytes:
        return handle.open(_shards.find_shard(path, file), follow=False)

    found = tfjs.read_layers_model(data.read(0, data.size), name, limits, opened, handle.check_open)
    return _of_contents("TensorFlow.js layers model", found, path, handle)


def _open_tensorflow(
    place: tensorflow.Place, path: str, handle: Handle, limits: Limits, expected: str | None
) -> Archive:
    if expected is not None:
        raise UnsupportedFileError(
            f"{handle.name}: a SavedModel and a checkpoint are several files, of which no one digest says anything. "
            "Compare the digests of all of them beforehand, and leave expected_sha256 out."
        )
    kind, found = tensorflow.open_tensorflow(place, handle.open, handle.name, limits, handle.check_open)
    return _of_contents(kind, found, path, handle)


def _of_contents(kind: Format, found: _Contents, path: str, handle: Handle) -> Archive:
    versions = (found.keras_version, found.backend)
    return handle.archive(
        path,
        kind,
        found.weights,
        found.skipped,
        versions=versions,
        config=found.config,
        training=found.training_config,
        state=None if isinstance(found, tfjs.Contents) else found.optimizer,
    )


def _open_legacy_model(root: Group, path: str, handle: Handle, limits: Limits) -> Archive:
    name, source = handle.name, root.source
    base = root.get("model_weights")
    if base is not None and not isinstance(base, Group):
        raise source.corrupt("model_weights", "it is an array, expected a group")
    config = None
    if "model_config" in root.attrs:
        text = root.attrs["model_config"]
        if not isinstance(text, str):
            raise source.corrupt("@model_config", f"it is {type(text).__name__}, expected JSON text")
        config, _ = parse_model(text, f"{name}: model_config", limits)
    weights, skipped = read_legacy(base, handle.make) if base else (None, [])
    training = None
    if "training_config" in root.attrs:
        where = f"{name}: training_config"
        try:
            text = root.attrs["training_config"]
            training = parse_json(text if isinstance(text, str) else "null", where, limits, finite=False)
        except LoadError as error:
            skipped += _unread("training_config", error)
    optimizer = describe_optimizer(training)
    state = None
    if optimizer and "optimizer_weights" not in root:
        skipped.append(Skipped(optimizer, NO_STATE))
    for key in root:
        child = root.get(key)
        if key == "optimizer_weights" and isinstance(child, Group):
            state = read_state(child, handle.make, optimizer, skipped)
        elif key != "model_weights":
            skipped.append(Skipped(f"group {quote(key)}", "not part of a Keras model"))

    def stated(key: str) -> str | None:
        return _text(root, key) or (_text(base, key) if base else None)

    kind = "legacy HDF5 weights" if config is None else "legacy HDF5 model"
    versions = stated("keras_version"), stated("backend")
    return handle.archive(
        path, kind, weights, skipped, versions=versions, config=config, training=training, state=state
    )


def _unread(what: str, problem: LoadError | None) -> list[Skipped]:
    """What cannot be read of how a model was compiled; nothing that it computes depends on that."""
    return [] if problem is None else [Skipped(what, f"it cannot be read: {problem}", warns=True)]


def _text(group: Group, key: str) -> str | None:
    value = group.attrs.get(key)
    return value if isinstance(value, str) else None
