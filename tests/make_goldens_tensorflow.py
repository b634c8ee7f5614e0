"""Write the golden SavedModels and checkpoints: `python tests/make_goldens_tensorflow.py`, with tf-keras installed.

It writes tests/goldens/tensorflow.zip: models of make_goldens.py with the same weights, as `NAME/` without the traced
functions, and as the checkpoint `NAME.ckpt` of their weights. The outputs that tf-keras computed stand beside the same
models in tf_keras.zip. `trained` models hold the state of an optimizer; their `.h5` file lies beside them.
"""

from __future__ import annotations

import functools
import io
import os
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from make_goldens import CASES, GOLDENS, SEED, randomise

TO = GOLDENS / "tensorflow.zip"
NAMES = ("recurrent", "bidirectional", "encoder_decoder", "seq2seq", "embedded", "masking", "nested", "stateful")
OPTIMIZERS = ("new", "legacy")


def trained(k: Any, optimizer: str) -> Any:
    """A model with a frozen layer in a nested model, trained for two steps."""
    layers = k.layers
    inner = k.Sequential([layers.Dense(4, name="frozen"), layers.BatchNormalization(name="norm")], name="inner")
    inner.layers[0].trainable = False
    x = k.Input((6, 3), name="x")
    y = layers.Bidirectional(layers.GRU(2, name="gru"), name="both")(x)
    model = k.Model(x, layers.Dense(1, name="dense")(inner(y)), name="trained")
    kinds = k.optimizers.legacy if optimizer == "legacy" else k.optimizers
    model.compile(kinds.Adam(0.01, beta_1=0.8), "mse", metrics=["mae"])
    rng = np.random.default_rng(SEED)
    randomise(model, rng)
    for _ in range(2):
        model.train_on_batch(rng.normal(size=(4, 6, 3)).astype("f4"), rng.normal(size=(4, 1)).astype("f4"))
    return model


def main() -> None:
    """Write all files."""
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    import tf_keras as k

    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for name in NAMES:
            k.utils.set_random_seed(SEED)
            k.backend.clear_session()
            model = CASES[name].build(k)
            randomise(model, np.random.default_rng([SEED, zlib.crc32(name.encode())]))
            model.save(folder / name, save_format="tf", save_traces=False)
            model.save_weights(folder / f"{name}.ckpt", save_format="tf")
        for optimizer in OPTIMIZERS:
            k.backend.clear_session()
            model = trained(k, optimizer)
            model.save(folder / f"trained_{optimizer}", save_format="tf", save_traces=False)
            model.save(folder / f"trained_{optimizer}.h5")
            model.save_weights(folder / f"trained_{optimizer}.ckpt", save_format="tf")
        _pack(folder)
    print(f"{TO.name}: {len(NAMES) + len(OPTIMIZERS)} models, {TO.stat().st_size} bytes")


def _pack(folder: Path) -> None:
    """One tar, so that what stands in several files is stored once."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name not in ("fingerprint.pb", "checkpoint"):
                member = tarfile.TarInfo(path.relative_to(folder).as_posix())  # without a time stamp
                content = path.read_bytes()
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    with zipfile.ZipFile(TO, "w") as archive:
        archive.writestr(zipfile.ZipInfo("files.tar"), packed.getvalue(), zipfile.ZIP_LZMA)


@functools.cache
def files() -> dict[str, bytes]:
    """The files of all models, by their paths."""
    with zipfile.ZipFile(TO) as archive, tarfile.open(fileobj=io.BytesIO(archive.read("files.tar"))) as tar:
        held = {member.name: tar.extractfile(member) for member in tar}
        return {name: file.read() for name, file in held.items() if file is not None}


def unpack(to: Path) -> None:
    """Write the files of all models below a folder."""
    for name, content in files().items():
        path = to / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


if __name__ == "__main__":
    main()
