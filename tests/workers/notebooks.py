"""What Keras computed for the notebooks: a model of tf.keras with what it tags, and three trainings of Keras 3."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

OPTIMIZERS = {
    "Adam": {"learning_rate": 0.01},
    "RMSprop": {"learning_rate": 0.003},
    "SGD": {"learning_rate": 0.1, "momentum": 0.9},
}
BEFORE, EPOCHS = 6, 12  # the model with Adam is saved after some epochs and goes on


def sentences(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Words 1 to 19, zeros behind the end. The tag of a word is its remainder by 3, and 3 more behind an even word."""
    rng = np.random.default_rng(seed)
    words = rng.integers(1, 20, size=(rows, 10)) * (np.arange(10) < rng.integers(3, 11, size=(rows, 1)))
    before = np.pad(words, ((0, 0), (1, 0)))[:, :-1]
    return words, words % 3 + 3 * (before % 2 == 0)


def tagger(k: ModuleType, folder: str) -> None:
    """A trained model as people have it from Keras 2, with `hard_sigmoid` gates, and what it says of some sentences."""
    k.utils.set_random_seed(1)
    lay = k.layers
    lstm = lay.LSTM(12, return_sequences=True, recurrent_activation="hard_sigmoid")
    model = k.Sequential(
        [
            lay.Embedding(20, 8, mask_zero=True, input_length=10, name="words"),
            lay.Bidirectional(lstm, name="context"),
            lay.TimeDistributed(lay.Dense(6, activation="softmax"), name="tags"),
        ]
    )
    model.compile(k.optimizers.legacy.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = sentences(400, seed=0)
    model.fit(x, y, epochs=6, batch_size=40, verbose=0)
    model.save(Path(folder) / "old_tagger.h5")
    some, _ = sentences(6, seed=1)
    np.savez_compressed(Path(folder) / "old_tagger.npz", x0=some, y0=model.predict(some, verbose=0))


def trainings(k: ModuleType, folder: str) -> dict[str, Any]:
    """The losses of each epoch for each optimizer, all from the weights of one file."""
    k.utils.set_random_seed(2)
    lay, rng, place = k.layers, np.random.default_rng(2), Path(folder)
    x = rng.normal(size=(128, 12, 3)).astype("float32")
    y = np.tanh(x[:, -4:, 0].sum(1) * x[:, :, 1].mean(1)).astype("float32")
    fresh = k.Sequential([k.Input((12, 3)), lay.LSTM(16, name="lstm"), lay.Dense(1, name="dense")])
    fresh.save(place / "fresh.keras")
    found: dict[str, Any] = {"x": x, "y": y}
    for name, arguments in OPTIMIZERS.items():
        model = k.models.load_model(place / "fresh.keras")
        model.compile(getattr(k.optimizers, name)(**arguments), "mse")
        fitted = {"batch_size": 16, "shuffle": False, "verbose": 0}
        losses = model.fit(x, y, epochs=BEFORE, **fitted).history["loss"]
        if name == "Adam":
            model.save(place / "half_trained.keras")
        losses += model.fit(x, y, epochs=EPOCHS - BEFORE, **fitted).history["loss"]
        found[name] = np.array(losses)
    np.savez_compressed(place / "trainings.npz", keras_version=np.array(k.__version__), **found)
    return found
