"""Whole files, of which mutants are made: what each Keras has written, and what h5py can write."""

from __future__ import annotations

import functools
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

import kerastorch as kt

GOLDENS = Path(__file__).resolve().parents[1] / "goldens"
# archive of goldens -> small files in it; weights alone come with a whole file of the same model.
_REAL = {
    "keras3.zip": ("stateful.h5", "stateful.keras", "encoder_decoder.keras"),
    "tf_keras.zip": ("stateful.keras", "seq2seq.h5"),
    "versions/keras-3.5.0.zip": ("seq2seq.keras", "conv_lstm.weights.h5"),
}
_MODELS = {"conv_lstm.weights.h5": "conv_lstm.keras"}


class Seed(NamedTuple):
    """A whole file.

    Attributes:
        name: What to call it.
        content: Its bytes.
        model: Makes the model that its weights are for, where it holds weights alone.
    """

    name: str
    content: bytes
    model: Callable[[], kt.Model] | None = None

    @property
    def zipped(self) -> bool:
        return self.content[:2] == b"PK"


def _plain() -> kt.Model:
    layers = kt.layers
    return kt.Sequential([kt.Input((None, 3)), layers.LSTM(2, name="lstm"), layers.Dense(2, name="dense")], name="m")


def _own_model(name: str, folder: str) -> Seed:
    model = _plain()
    model.compile(kt.optimizers.Adam(0.01), "mse", metrics=["mae"])
    path = Path(folder) / name
    model.save_weights(path) if name.startswith("w") else model.save(path)
    return Seed(name, path.read_bytes(), _plain if name.startswith("w") else None)


def _of_text(folder: str) -> Seed:
    """A model of text whose words stand beside the weights."""
    words = kt.layers.TextVectorization(vocabulary=["the", "cat"], output_sequence_length=3, name="tv")
    model = kt.Sequential([kt.Input((1,), dtype="string"), words, kt.layers.Embedding(4, 2), kt.layers.LSTM(2)])
    path, made = Path(folder) / "of text.keras", io.BytesIO()
    model.save(path)
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as target:
        for member in source.namelist():
            content = source.read(member)
            if member == "config.json":
                content = content.replace(b'"vocabulary": ["the", "cat"]', b'"vocabulary": null')
            target.writestr(member, content)
        target.writestr("assets/layers/text_vectorization/_lookup_layer/vocabulary.txt", "\n[UNK]\nthe\ncat")
    return Seed("texts.keras", made.getvalue())


def _packed(name: str, **options: Any) -> Seed:
    """A file of weights as h5py writes it with other options: chunks, filters, newer structures."""
    stream = io.BytesIO()
    rng = np.random.default_rng(0)
    latest = options.pop("libver", None)
    with h5py.File(stream, "w", libver=latest) as file:
        file.create_group("vars").attrs["name"] = "m"
        for layer, label, shapes in (
            ("lstm/cell", "lstm_cell", ((3, 8), (2, 8), (8,))),
            ("dense", "d", ((2, 2), (2,))),
        ):
            group = file.create_group(f"layers/{layer}/vars")
            group.attrs["name"] = label
            for index, shape in enumerate(shapes):
                group.create_dataset(str(index), data=rng.normal(size=shape).astype("float32"), **options)
        if latest:
            file["layers"].attrs.update({f"a{index}": index for index in range(3)})
    return Seed(name, stream.getvalue(), _plain)


@functools.cache
def all_seeds() -> tuple[Seed, ...]:
    """All files."""
    import tempfile

    found: list[Seed] = []
    for packed, names in _REAL.items():
        with zipfile.ZipFile(GOLDENS / packed) as archive:
            for name in names:
                make = None
                if name in _MODELS:
                    make = functools.partial(kt.load_model, io.BytesIO(archive.read(_MODELS[name])))
                    config = _config(archive.read(_MODELS[name]))
                    make = functools.partial(kt.model_from_json, config)
                found.append(Seed(f"{packed}/{name}", archive.read(name), make))
    with tempfile.TemporaryDirectory() as folder:
        found += [_own_model(name, folder) for name in ("m.keras", "m.h5", "w.weights.h5", "w.h5")]
        found.append(_of_text(folder))
    found += [
        _packed("chunks.h5", chunks=True, compression="gzip", shuffle=True, fletcher32=True),
        _packed("small-chunks.h5", chunks=True, maxshape=None),
        _packed("latest.h5", libver="latest"),
        _packed("latest-chunks.h5", libver="latest", chunks=True, compression="gzip"),
    ]
    return tuple(found)


def _config(content: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        version = json.loads(archive.read("metadata.json"))["keras_version"]
        return json.dumps({**json.loads(archive.read("config.json")), "keras_version": version})


def inner(seed: Seed) -> bytes:
    """The HDF5 file that a seed is, or has in it."""
    if not seed.zipped:
        return seed.content
    with zipfile.ZipFile(io.BytesIO(seed.content)) as archive:
        return archive.read("model.weights.h5")
