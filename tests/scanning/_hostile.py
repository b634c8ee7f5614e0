"""Small files that hold what a loader that runs what a file says would have run, opened or fetched, and their kin."""

from __future__ import annotations

import base64
import functools
import io
import json
import pickle
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import kerastorch as kt

Config = dict[str, Any]
CODE = base64.b64encode(b"\xe3" + bytes(60)).decode()
LAMBDA = {"class_name": "__lambda__", "config": {"code": CODE, "defaults": None, "closure": None}}
OS_SYSTEM = {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}
MARK = "kerastorch-was-here"


@functools.cache
def _plain() -> bytes:
    kt.set_seed(1)
    model = kt.Sequential([kt.layers.Input((3,), name="x"), kt.layers.Dense(2, activation="tanh", name="d")], name="m")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.keras"
        kt.save_model(model, path)
        return path.read_bytes()


def members() -> dict[str, bytes]:
    """The members of a plain model: x -> Dense d."""
    with zipfile.ZipFile(io.BytesIO(_plain())) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(content: dict[str, bytes]) -> bytes:
    """A zip archive of these members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return stream.getvalue()


def changed(change: Callable[[Config], object]) -> bytes:
    """The plain model with another config."""
    content = members()
    config = json.loads(content["config.json"])
    change(config)
    content["config.json"] = json.dumps(config).encode()
    return packed(content)


def dense(**arguments: Any) -> bytes:
    """The plain model with other arguments of its layer."""
    return changed(lambda config: config["config"]["layers"][-1]["config"].update(arguments))


def layer(class_name: str, module: str | None = "keras.layers", registered: str | None = None, **config: Any) -> Config:
    """A layer in a `.keras` config."""
    return {
        "module": module,
        "class_name": class_name,
        "config": {"name": "evil", **config},
        "registered_name": registered,
    }


def with_layer(item: Config) -> bytes:
    """The plain model with a layer more."""
    return changed(lambda config: config["config"]["layers"].append(item))


def compiled(**stated: Any) -> bytes:
    """The plain model, compiled so."""
    return changed(lambda config: config.update(compile_config=stated))


def legacy(config: Config, path: Path) -> bytes:
    """A full-model .h5 file with this config and no weights."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(config), "2.4.0"
        file.attrs["backend"] = "tensorflow"
        file.create_group("model_weights").attrs["layer_names"] = np.array([], "S1")
    return path.read_bytes()


def old_lambda(**config: Any) -> Config:
    """A Sequential of Keras 2 with a Lambda."""
    item = {"class_name": "Lambda", "config": {"name": "evil", "batch_input_shape": [None, 3], **config}}
    return {"class_name": "Sequential", "config": {"name": "m", "layers": [item]}}


def pickled(protocol: int) -> bytes:
    """A pickle that would write to the terminal."""

    class Runs:
        def __reduce__(self) -> Any:
            return print, (MARK,)

    return pickle.dumps(Runs(), protocol)


def arrays(**held: Any) -> bytes:
    """A .npz file."""
    stream = io.BytesIO()
    np.savez(stream, **held)
    return stream.getvalue()


def array(held: Any) -> bytes:
    """A .npy file."""
    stream = io.BytesIO()
    np.save(stream, held, allow_pickle=True)
    return stream.getvalue()


def linked(kind: str, path: Path) -> bytes:
    """A weights file with a link, or an array that stands in another file."""
    with h5py.File(path, "w") as file:
        vars_ = file.create_group("layers/dense/vars")
        vars_["0"] = np.arange(6, dtype="float32").reshape(3, 2)
        if kind == "external link":
            vars_["1"] = h5py.ExternalLink("/etc/passwd", "/x")
        elif kind == "soft link":
            vars_["1"] = h5py.SoftLink("/layers/dense/vars/0")
        elif kind == "external storage":
            vars_.create_dataset("1", (2,), "float32", external=[("/etc/passwd", 0, 8)])
        elif kind == "virtual":
            layout = h5py.VirtualLayout((2,), "float32")
            layout[:] = h5py.VirtualSource("/etc/passwd", "x", (2,))
            vars_.create_virtual_dataset("1", layout)
        else:  # where no loader looks
            file.create_group("notes/deep")["far"] = h5py.ExternalLink("/etc/passwd", "/x")
    return path.read_bytes()


def zipped_link() -> bytes:
    """A .keras file of which a member is a symbolic link."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members().items():
            archive.writestr(name, data)
        link = zipfile.ZipInfo("assets/link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return stream.getvalue()
