"""Write an archive: the same values that `open_archive` returns, back into a file that Keras opens.

HDF5 goes through h5py: what is written here is ours, so nothing of it can be hostile. The same archive gives the same
bytes: no clock, no random number and no process id goes into a file.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from kerastorch.errors import SaveError, counted, quote
from kerastorch.paths import AnyPath, is_path

from ._sink import new_hdf5
from ._values import Archive, Array, LegacyWeights, OptimizerState, TreeWeights
from .replacing import replacing, streaming

if TYPE_CHECKING:
    import h5py

_HEADER_LIMIT = 64512  # bytes that an attribute may take in an object header; Keras cuts longer lists into pieces
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip archive knows; Keras writes it too
_COPY = 1 << 20


def write_archive(archive: Archive, path: AnyPath | BinaryIO) -> None:
    """Write an archive to `path`, in its format. The file that stood there stays whole until the new one is.

    Args:
        archive: What to write; `skipped` is left out.
        path: The file, or a binary stream.

    Raises:
        SaveError: The file cannot be written, or a name cannot stand in this format.
    """
    with replacing(path) if is_path(path) else streaming(path) as temporary:
        if archive.format == "Keras v3 .keras zip":
            _write_zip(archive, temporary)
        else:
            _write_hdf5(archive, temporary)


def _write_zip(archive: Archive, temporary: str) -> None:
    metadata = {"keras_version": archive.keras_version, "date_saved": "1980-01-01@00:00:00"}
    inner = f"{temporary}.h5"
    try:
        _write_hdf5(archive, inner)
        size = os.path.getsize(inner)
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as packed:
            packed.writestr(zipfile.ZipInfo("metadata.json", _EPOCH), json.dumps(metadata))
            packed.writestr(zipfile.ZipInfo("config.json", _EPOCH), json.dumps(archive.config))
            member = zipfile.ZipInfo("model.weights.h5", _EPOCH)
            member.file_size = size
            with open(inner, "rb") as source, packed.open(member, "w") as target:
                shutil.copyfileobj(source, target, _COPY)
    finally:
        if os.path.exists(inner):
            os.unlink(inner)


def _write_hdf5(archive: Archive, path: str) -> None:
    with new_hdf5(path) as file:
        if isinstance(archive.weights, TreeWeights):
            _write_tree(file, archive.weights)
            if archive.optimizer is not None:
                _write_state(file.create_group("optimizer"), archive.optimizer)
            return
        base: h5py.Group = file
        if archive.config is not None:
            file.attrs["keras_version"] = _text(archive.keras_version)
            file.attrs["backend"] = _text(archive.backend)
            file.attrs["model_config"] = json.dumps(archive.config)
            if archive.training_config is not None:
                file.attrs["training_config"] = json.dumps(archive.training_config)
            base = file.create_group("model_weights")
        base.attrs["backend"] = _text(archive.backend)
        base.attrs["keras_version"] = _text(archive.keras_version)
        if archive.weights is not None:
            _write_legacy(base, archive.weights)
        if archive.optimizer is not None:
            _write_weights(file, "optimizer_weights", archive.optimizer.arrays)


def _text(value: str | None) -> bytes:
    return (value or "").encode()


def _write_tree(file: h5py.File, weights: TreeWeights) -> None:
    file.create_group("vars")  # of the model itself; it is there even if the model has none of its own
    for path, stored in weights.objects.items():
        group = file.require_group(f"{path}/vars" if path else "vars")
        if stored.name is not None:
            group.attrs["name"] = _storable(stored.name)
        keys = stored.keys if stored.keys is not None else map(str, range(len(stored.arrays)))
        for key, array in zip(keys, stored.arrays, strict=True):
            _write_array(group, key, array, names_bfloat16=True)


def _write_state(group: h5py.Group, state: OptimizerState) -> None:
    holder = group.create_group("vars")
    if state.name is not None:
        holder.attrs["name"] = state.name
    for index, (_, array) in enumerate(state.arrays):
        _write_array(holder, str(index), array, names_bfloat16=True)
    if state.inner:
        inner = group.create_group("inner_optimizer/vars")
        for index, array in enumerate(state.inner):
            _write_array(inner, str(index), array, names_bfloat16=True)


def _write_legacy(base: h5py.Group, weights: LegacyWeights) -> None:
    _write_names(base, "layer_names", [layer.name for layer in weights.layers])
    for layer in weights.layers:
        _write_weights(base, layer.name, layer.weights)
    _write_weights(base, "top_level_model_weights", weights.top_level)


def _write_weights(base: h5py.Group, name: str, stored: Iterable[tuple[str, Array]]) -> None:
    stored = list(stored)
    if name in base:
        raise SaveError(f"{quote(name)}: two layers, or a layer and a part of another one's name, would share a place.")
    group = base.create_group(name)
    _write_names(group, "weight_names", [key for key, _ in stored])
    for key, array in stored:
        if key in group:
            raise SaveError(f"layer {quote(name)} has two weights called {quote(key)}, which this format cannot hold.")
        _write_array(group, key, array, names_bfloat16=False)


def _storable(name: str, of_place: str = "") -> str:
    """The name, if a file can hold it; one `of_place` also if no reader takes it for another place.

    Raises:
        SaveError: It cannot stand there.
    """
    problem = None
    if not name.isprintable() and ("\0" in name or any("\ud800" <= letter <= "\udfff" for letter in name)):
        problem = "a name without NUL and without half characters is needed"
    elif of_place and any(part in ("", ".", "..") for part in name.split("/")):
        problem = f"as the name {of_place} this is a path to another one; a .keras file takes it"
    if problem is not None:
        raise SaveError(f"{quote(name)}: {problem}. Rename the layer.")
    return name


def _write_names(group: h5py.Group, key: str, names: Sequence[str]) -> None:
    """A list of names; cut into numbered pieces where it does not fit into one attribute, as Keras does."""
    encoded = [_storable(name, "of a part of the file").encode() for name in names]
    long = [name for name in encoded if len(name) > _HEADER_LIMIT]
    if long:
        raise SaveError(
            f"{quote(long[0].decode())}: a name of {counted(len(long[0]), 'byte')} does not fit into an HDF5 file."
        )
    data = np.asarray(encoded) if encoded else np.zeros(0, "S1")
    pieces = 1
    while any(piece.nbytes > _HEADER_LIMIT for piece in np.array_split(data, pieces)):
        pieces += 1
    if pieces == 1:
        group.attrs[key] = data
        return
    for index, piece in enumerate(np.array_split(data, pieces)):
        group.attrs[f"{key}{index}"] = piece


def _write_array(group: h5py.Group, key: str, array: Array, names_bfloat16: bool) -> None:
    values = array.read()
    if array.dtype in ("bfloat16", "opaque2"):  # two bytes without a meaning of their own; a tree states it beside them
        dataset = group.create_dataset(key, data=values.view("V2"))
        if names_bfloat16 and array.dtype == "bfloat16":
            dataset.attrs["dtype"] = "bfloat16"
        return
    group.create_dataset(key, data=values)


def in_memory(
    path: str,
    form: Any,
    *,
    keras_version: str,
    backend: str,
    config: Mapping[str, Any] | None,
    weights: LegacyWeights | TreeWeights,
    training_config: Mapping[str, Any] | None = None,
    optimizer: OptimizerState | None = None,
) -> Archive:
    """An archive that comes from no file."""
    return Archive(
        path=path,
        format=form,
        keras_version=keras_version,
        backend=backend,
        config=None if config is None else dict(config),
        weights=weights,
        training_config=None if training_config is None else dict(training_config),
        skipped=(),
        _close=lambda: None,
        optimizer=optimizer,
    )
