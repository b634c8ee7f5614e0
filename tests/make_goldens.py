"""Write the golden files from real Keras: `python tests/make_goldens.py keras`; in another process, `... tf_keras`.

Keras (its TensorFlow backend) writes tests/goldens/keras3.zip and demo/, tf-keras writes tests/goldens/tf_keras.zip
(the files of small models are mostly the empty tables of HDF5: 2 MB, 240 kB zipped). Each model has random distinct
values in every array, so that no swapped gate, bias or layer can hide behind equal numbers. Beside its files stands
NAME.npz: inputs `x0, x1, ...` and outputs `y0, ...`; `mx0, ...` and `my0, ...` for a second case whose inputs hold
masked steps; `second_y0, ...` for a second predict() of a stateful model; `info`, a JSON text that says what wrote it.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
GOLDENS = ROOT / "tests" / "goldens"
SEED = 20240
ALL_FORMATS = (".keras", ".h5", ".weights.h5")


@dataclass(frozen=True)
class Case:
    """One model: `build(k)` with k the keras module, `inputs(rng)` and, for masks, `masked(rng)`."""

    build: Callable[[Any], Any]
    inputs: Callable[[np.random.Generator], list[np.ndarray]]
    masked: Callable[[np.random.Generator], list[np.ndarray]] | None = None
    formats: tuple[str, ...] = (".keras", ".h5")
    second: bool = False
    folder: Path | None = None  # None: tests/goldens/<writer>
    writers: tuple[str, ...] = ("keras", "tf_keras")


def values(*shape: int) -> Callable[[np.random.Generator], list[np.ndarray]]:
    """One float input of this shape."""
    return lambda rng: [rng.normal(size=shape).astype("float32")]


def words(rng: np.random.Generator, batch: int, steps: int, size: int) -> np.ndarray:
    """Word numbers from 1, none of them the padding 0."""
    return rng.integers(1, size, size=(batch, steps)).astype("int32")


def padded_words(rng: np.random.Generator, steps: int, size: int) -> np.ndarray:
    """Five rows: whole, padded on the right, on the left, with holes, and padding only."""
    ids = words(rng, 5, steps, size)
    ids[1, steps // 2 :] = 0
    ids[2, : steps // 2] = 0
    ids[3, 1::3] = 0
    ids[4, :] = 0
    return ids


def padded_values(rng: np.random.Generator, steps: int, features: int) -> np.ndarray:
    """The same five kinds of rows for Masking: a masked step holds zeros only."""
    keep = padded_words(rng, steps, 9)[..., None] != 0
    return (rng.normal(size=(5, steps, features)) * keep).astype("float32")


def recurrent(k: Any) -> Any:
    """Each recurrent layer, on a fused kernel and where there is none."""
    layers = k.layers
    x = k.Input((None, 3), name="x")
    outputs = [
        layers.LSTM(4, return_sequences=True, name="lstm")(x),
        layers.LSTM(4, go_backwards=True, return_sequences=True, use_bias=False, name="lstm_backwards")(x),
        layers.LSTM(4, activation="relu", recurrent_activation="hard_sigmoid", name="lstm_relu")(x),
        layers.GRU(4, return_sequences=True, name="gru")(x),
        layers.GRU(4, reset_after=False, name="gru_before")(x),
        layers.SimpleRNN(4, return_sequences=True, name="rnn")(x),
        layers.SimpleRNN(4, activation="relu", go_backwards=True, name="rnn_relu")(x),
    ]
    return k.Model(x, outputs, name="recurrent")


def states(k: Any) -> Any:
    """Final states as outputs of the model."""
    layers = k.layers
    x = k.Input((6, 3), name="x")
    _, h, c = layers.LSTM(4, return_state=True, name="lstm")(x)
    _, g = layers.GRU(5, return_state=True, name="gru")(x)
    both = layers.Bidirectional(layers.LSTM(2, return_state=True), name="both")(x)
    return k.Model(x, [h, c, g, *both[1:]], name="states")


def bidirectional(k: Any) -> Any:
    layers = k.layers
    return k.Sequential(
        [
            k.Input((None, 3)),
            layers.Bidirectional(layers.LSTM(4, return_sequences=True)),
            layers.Bidirectional(layers.GRU(3, return_sequences=True), merge_mode="sum"),
            layers.Bidirectional(layers.SimpleRNN(3, return_sequences=True), merge_mode="ave"),
            layers.Bidirectional(layers.GRU(4, reset_after=False), merge_mode="mul"),
            layers.Dense(2, activation="tanh"),
        ],
        name="bidirectional",
    )


def encoder_decoder(k: Any) -> Any:
    layers = k.layers
    return k.Sequential(
        [
            k.Input((7, 2)),
            layers.LSTM(6),
            layers.RepeatVector(5),
            layers.LSTM(6, return_sequences=True),
            layers.TimeDistributed(layers.Dense(2)),
        ],
        name="encoder_decoder",
    )


def seq2seq(k: Any) -> Any:
    """Two inputs; the encoder's final states start the decoder."""
    layers = k.layers
    source, target = k.Input((None, 3), name="source"), k.Input((None, 2), name="target")
    _, h, c = layers.LSTM(5, return_state=True, name="encoder")(source)
    decoded = layers.LSTM(5, return_sequences=True, name="decoder")(target, initial_state=[h, c])
    return k.Model([source, target], layers.Dense(4, activation="softmax", name="token")(decoded), name="seq2seq")


def embedded(k: Any) -> Any:
    """A mask that starts at an Embedding and reaches every recurrent layer."""
    layers = k.layers
    ids = k.Input((None,), dtype="int32", name="ids")
    x = layers.Embedding(12, 4, mask_zero=True, name="embedding")(ids)
    x = layers.SpatialDropout1D(0.2, name="drop")(x)
    seq = layers.Bidirectional(layers.LSTM(3, return_sequences=True), name="both")(x)
    outputs = [
        layers.GRU(4, name="gru")(seq),
        layers.GRU(4, reset_after=False, return_sequences=True, name="gru_before")(seq),
        layers.LSTM(4, go_backwards=True, name="lstm_backwards")(seq),
        layers.SimpleRNN(4, return_sequences=True, name="rnn")(seq),
        layers.TimeDistributed(layers.Dense(2), name="tags")(seq),
    ]
    return k.Model(ids, outputs, name="embedded")


def masking(k: Any) -> Any:
    layers = k.layers
    x = k.Input((6, 3), name="x")
    y = layers.Masking(0.0, name="masking")(x)
    outputs = [
        layers.LSTM(4, return_sequences=True, name="lstm")(y),
        layers.LSTM(4, return_sequences=True, zero_output_for_mask=True, name="lstm_zeros")(y),
        layers.Bidirectional(layers.GRU(3), name="both")(y),
    ]
    return k.Model(x, outputs, name="masking")


def nested(k: Any) -> Any:
    """A model inside a model, called twice, and a frozen layer in it."""
    layers = k.layers
    inner_in = k.Input((6, 3), name="inner_in")
    y = layers.GRU(4, return_sequences=True, name="gru")(inner_in)
    y = layers.BatchNormalization(name="norm")(y)
    frozen = layers.LSTM(4, name="lstm")
    inner = k.Model(inner_in, frozen(y), name="inner")
    frozen.trainable = False
    left, right = k.Input((6, 3), name="left"), k.Input((6, 3), name="right")
    a, b = inner(left), inner(right)
    both = layers.Concatenate(name="both")([a, b, layers.Subtract(name="less")([a, b])])
    return k.Model(
        [left, right], [layers.Dense(3, name="dense")(both), layers.Dot(1, name="dot")([a, b])], name="nested"
    )


def shapes(k: Any) -> Any:
    """Normalisation, shape and merging layers."""
    layers = k.layers
    x = k.Input((4, 6), name="x")
    a = layers.BatchNormalization(momentum=0.9, epsilon=1e-2, name="batch_norm")(x)
    b = layers.LayerNormalization(name="layer_norm")(layers.Permute((2, 1), name="permute")(x))
    b = layers.Reshape((4, 6), name="reshape")(b)
    merged = [
        layers.Add(name="add")([a, b]),
        layers.Multiply(name="multiply")([a, b]),
        layers.Average(name="average")([a, b]),
        layers.Maximum(name="maximum")([a, b]),
        layers.Minimum(name="minimum")([a, b]),
    ]
    y = layers.Dropout(0.3, name="dropout")(layers.Concatenate(axis=1, name="concatenate")(merged))
    y = layers.Activation("elu", name="activation")(y)
    y = layers.Dense(3, activation="softplus", name="dense")(layers.Flatten(name="flatten")(y))
    return k.Model(x, [y, merged[0]], name="shapes")


def stateful(k: Any) -> Any:
    layers = k.layers
    return k.Sequential(
        [
            k.Input((5, 3), batch_size=2),
            layers.LSTM(4, stateful=True, return_sequences=True),
            layers.GRU(3, stateful=True),
            layers.Dense(2),
        ],
        name="stateful",
    )


def tagger(k: Any) -> Any:
    """The demonstration: padded words in, a tag for each word and a score for the sentence out."""
    layers = k.layers
    ids = k.Input((None,), dtype="int32", name="words")
    x = layers.Embedding(50, 12, mask_zero=True, name="embedding")(ids)
    x = layers.Bidirectional(layers.LSTM(12, return_sequences=True), name="context")(x)
    tags = layers.TimeDistributed(layers.Dense(6, activation="softmax"), name="tags")(x)
    score = layers.Dense(1, activation="sigmoid", name="score")(layers.GRU(8, name="sentence")(x))
    return k.Model(ids, [tags, score], name="tagger")


def pair(*shapes: tuple[int, ...]) -> Callable[[np.random.Generator], list[np.ndarray]]:
    """Several float inputs."""
    return lambda rng: [rng.normal(size=shape).astype("float32") for shape in shapes]


def keras3_layers(k: Any) -> Any:
    """Layers and arguments that only Keras 3 has: adaptive pooling of rows, images and volumes, renormalisation."""
    layers = k.layers
    x = k.Input((12, 8), name="x")
    normal = layers.BatchNormalization(renorm=True, renorm_clipping={"rmax": 1.5, "dmax": 0.5}, name="renormalised")(x)
    image = layers.Reshape((12, 4, 2), name="image")(normal)
    volume = layers.Reshape((4, 3, 4, 2), name="volume")(normal)
    outputs = []
    for kind in ("Average", "Max"):
        one, two, three = (getattr(layers, f"Adaptive{kind}Pooling{rank}D") for rank in (1, 2, 3))
        outputs += [
            one(5, name=f"{kind.lower()}_of_rows")(normal),
            two((5, 3), name=f"{kind.lower()}_of_images")(image),
            three((3, 2, 3), data_format="channels_first", name=f"{kind.lower()}_of_volumes")(volume),
        ]
    return k.Model(x, outputs, name="keras3_layers")


CASES = {
    "recurrent": Case(recurrent, values(3, 6, 3), formats=ALL_FORMATS),
    "states": Case(states, values(3, 6, 3), formats=(".keras",)),
    "bidirectional": Case(bidirectional, values(3, 6, 3), formats=ALL_FORMATS),
    "encoder_decoder": Case(encoder_decoder, values(3, 7, 2)),
    "seq2seq": Case(seq2seq, pair((3, 6, 3), (3, 4, 2))),
    "embedded": Case(
        embedded, lambda rng: [words(rng, 3, 6, 12)], lambda rng: [padded_words(rng, 6, 12)], formats=ALL_FORMATS
    ),
    "masking": Case(masking, values(3, 6, 3), lambda rng: [padded_values(rng, 6, 3)], formats=(".keras",)),
    "nested": Case(nested, pair((3, 6, 3), (3, 6, 3)), formats=ALL_FORMATS),
    "shapes": Case(shapes, values(3, 4, 6)),
    "stateful": Case(stateful, values(2, 5, 3), second=True),
    "keras3_layers": Case(keras3_layers, values(3, 12, 8), writers=("keras",)),
    "tagger": Case(
        tagger,
        lambda rng: [words(rng, 4, 9, 50)],
        lambda rng: [padded_words(rng, 9, 50)],
        formats=(".keras",),
        folder=ROOT / "demo",
        writers=("keras",),
    ),
}


def randomise(model: Any, rng: np.random.Generator) -> None:
    """Give every array random distinct values of a size that keeps gates off their flat ends."""
    arrays = []
    for weight in model.weights:
        shape = tuple(weight.shape)
        if "gamma" in weight.name or "variance" in weight.name:
            arrays.append(rng.uniform(0.5, 1.5, shape).astype("float32"))
        else:
            scale = 1.0 / np.sqrt(shape[0]) if len(shape) > 1 and shape[0] > 2 else 0.5
            arrays.append((rng.normal(size=shape) * scale).astype("float32"))
    model.set_weights(arrays)


def as_list(outputs: Any) -> list[np.ndarray]:
    """The outputs of predict() as a list."""
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def record(case: Case, model: Any, rng: np.random.Generator, info: dict[str, str]) -> dict[str, np.ndarray]:
    """Run the model on the inputs of its case: the arrays of the golden npz."""
    arrays = {"info": np.array(json.dumps(info))}

    def run(mark: str, inputs: list[np.ndarray]) -> None:
        # The whole input is one batch: a stateful model takes no other.
        outputs = as_list(model.predict(inputs if len(inputs) > 1 else inputs[0], batch_size=len(inputs[0]), verbose=0))
        if not all(np.isfinite(y).all() for y in outputs):
            raise SystemExit(f"{model.name}: an output holds values that are not finite")
        arrays.update({f"{mark}y{i}": y for i, y in enumerate(outputs)})

    inputs = case.inputs(rng)
    arrays.update({f"x{i}": x for i, x in enumerate(inputs)})
    run("", inputs)
    if case.second:
        run("second_", inputs)
    if case.masked is not None:
        inputs = case.masked(rng)
        arrays.update({f"mx{i}": x for i, x in enumerate(inputs)})
        run("m", inputs)
    return arrays


def pack(folder: Path, to: Path, method: int = zipfile.ZIP_DEFLATED) -> None:
    """Zip the files of `folder`; the same files always give the same bytes."""
    with zipfile.ZipFile(to, "w") as archive:
        for path in sorted(folder.iterdir()):
            member = zipfile.ZipInfo(path.name)  # without a time stamp
            archive.writestr(member, path.read_bytes(), method, compresslevel=9)


def main(writer: str) -> None:
    """Write all files of one writer, 'keras' or 'tf_keras'."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    k = importlib.import_module(writer)
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as made:
        for name, case in CASES.items():
            if writer not in case.writers:
                continue
            to = case.folder or Path(made)
            k.utils.set_random_seed(SEED)
            k.backend.clear_session()
            # Its own stream for each model: a new case must not change the files of the others.
            rng = np.random.default_rng([SEED, zlib.crc32(name.encode())])
            model = case.build(k)
            randomise(model, rng)
            info = {"writer": writer, "version": k.__version__, "tensorflow": tf.__version__, "seed": str(SEED)}
            np.savez_compressed(to / f"{name}.npz", **record(case, model, rng, info))
            for ending in case.formats:
                save = model.save_weights if ending == ".weights.h5" else model.save
                save(to / f"{name}{ending}")
            print(name, {path.name: path.stat().st_size for path in sorted(to.glob(f"{name}.*"))})
        packed = GOLDENS / ("keras3.zip" if writer == "keras" else "tf_keras.zip")
        pack(Path(made), packed)
    print(f"{writer} {k.__version__}: {packed.stat().st_size} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in ("keras", "tf_keras"):
        raise SystemExit("usage: make_goldens.py keras | tf_keras")
    main(sys.argv[1])
