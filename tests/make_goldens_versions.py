"""Write golden files with an older Keras 3: `/path/to/its/python tests/make_goldens_versions.py`.

For the interpreter of an environment with one version of Keras and JAX, on which all of them run and train:

    python3.11 -m venv k3.5 && k3.5/bin/pip install keras==3.5.0 "jax[cpu]<0.5" "numpy<2.1" scipy h5py

It writes tests/goldens/versions/keras-VERSION.zip: the models below in every format that this version could write, and
beside each the inputs, and the outputs that this very version computed, as in make_goldens.py. (Keras 3.15 and tf-keras
have their own, larger sets there.) The last release of each of the versions in `VERSIONS` is expected.
"""

from __future__ import annotations

import os
import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from make_goldens import ALL_FORMATS, CASES, GOLDENS, SEED, Case, pack, randomise, record, values

FOLDER = GOLDENS / "versions"
VERSIONS = ("3.0.5", "3.5.0", "3.8.0", "3.12.3")


def conv_lstm(k: Any) -> Any:
    layers = k.layers
    x = k.Input((3, 5, 4, 2), name="x")
    y = layers.ConvLSTM2D(3, (3, 2), padding="same", return_sequences=True, name="conv_lstm")(x)
    y = layers.ConvLSTM2D(2, 2, recurrent_activation="hard_sigmoid", name="conv_lstm_hard")(y)
    return k.Model(x, layers.Dense(2, name="dense")(layers.Flatten(name="flatten")(y)), name="conv_lstm_model")


def trained(k: Any) -> Any:
    """A compiled model inside another one, which is compiled and trained for a step: both have optimizers."""
    layers = k.layers
    inner = k.Sequential([k.Input((6, 3)), layers.LSTM(4, name="lstm"), layers.BatchNormalization(name="norm")])
    inner.compile("sgd", "mse")
    x = k.Input((6, 3), name="x")
    model = k.Model(x, layers.Dense(1, name="dense")(inner(x)), name="trained")
    model.compile(k.optimizers.Adam(0.01, beta_1=0.8), "mse", metrics=["mae"])
    model.train_on_batch(np.ones((2, 6, 3), "f4"), np.ones((2, 1), "f4"))
    return model


MODELS = {
    **{
        name: CASES[name] for name in ("recurrent", "bidirectional", "encoder_decoder", "seq2seq", "embedded", "nested")
    },
    "conv_lstm": Case(conv_lstm, values(2, 3, 5, 4, 2), formats=ALL_FORMATS),
    "trained": Case(trained, values(3, 6, 3), formats=ALL_FORMATS),
}
# Keras 3.0 named the weights in an .h5 by their bare names, which collide inside one layer: it cannot save these.
CANNOT = {("3.0.5", name, ".h5") for name in ("bidirectional", "embedded", "nested")}


def expected_files(version: str) -> list[tuple[str, str]]:
    """(model, ending) of every model file of a version."""
    return [
        (name, ending)
        for name, case in MODELS.items()
        for ending in case.formats
        if (version, name, ending) not in CANNOT
    ]


def main() -> None:
    """Write the files of the Keras that is importable here."""
    os.environ["KERAS_BACKEND"] = "jax"
    import keras as k

    version = k.__version__
    if version not in VERSIONS:
        raise SystemExit(f"Keras {version} is not one of {', '.join(VERSIONS)}")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for name, case in MODELS.items():
            k.utils.set_random_seed(SEED)
            k.backend.clear_session()
            rng = np.random.default_rng([SEED, zlib.crc32(name.encode())])
            model = case.build(k)
            randomise(model, rng)
            info = {"writer": "keras", "version": version, "backend": k.backend.backend(), "seed": str(SEED)}
            np.savez_compressed(folder / f"{name}.npz", **record(case, model, rng, info))
            for ending in case.formats:
                save = model.save_weights if ending == ".weights.h5" else model.save
                to = folder / f"{name}{ending}"
                if (version, name, ending) not in CANNOT:
                    save(to)
                    continue
                try:
                    save(to)
                except ValueError:
                    to.unlink(missing_ok=True)
                else:
                    raise SystemExit(f"{to.name}: Keras {version} can write it after all; mend CANNOT")
        FOLDER.mkdir(exist_ok=True)
        pack(folder, FOLDER / f"keras-{version}.zip")
    print(f"keras {version}: {(FOLDER / f'keras-{version}.zip').stat().st_size} bytes")


if __name__ == "__main__":
    main()
