"""Files of weights written, and read, by real Keras."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from . import models
from .layers import flat, random_weights, weight_names


def frozen(k: ModuleType, freeze: bool = True) -> Any:
    """Two models inside with equal names, the first with a frozen Dense before a BatchNormalization; a shared layer."""
    lay = k.layers

    def inner(name: str, frozen: bool) -> Any:
        model = k.Sequential([k.Input((3,)), lay.Dense(3, name="x"), lay.BatchNormalization(name="y")], name=name)
        model.layers[0].trainable = not frozen
        return model

    x = k.Input((3,), name="in0")
    shared = lay.Dense(3, name="shared")
    y = shared(inner("i1", freeze)(shared(x)))
    return k.Model(x, lay.Dense(2, name="z")(inner("i2", False)(y)), name="frozen")


def frozen_model(k: ModuleType, freeze: bool = True) -> Any:
    """A model inside that is frozen as a whole, two recurrent layers and a normalisation in it."""
    lay = k.layers
    inner_in = k.Input((4, 3))
    y = lay.BatchNormalization(name="n")(lay.LSTM(3, return_sequences=True, name="l")(inner_in))
    inner = k.Model(inner_in, lay.Bidirectional(lay.GRU(2), name="b")(y), name="inner")
    inner.trainable = not freeze
    x = k.Input((4, 3), name="in0")
    return k.Model(x, lay.Dense(2, name="z")(inner(x)), name="outer")


BUILDERS = {"frozen": frozen, "frozen_model": frozen_model}


def make(k: ModuleType, builder: str, **options: Any) -> Any:
    """A model of `models.py` or of this file, in whatever has Keras's names."""
    return (BUILDERS.get(builder) or getattr(models, builder))(k, **options)


def build(k: ModuleType, builder: str, seed: int = 5, **options: Any) -> tuple[Any, list[np.ndarray]]:
    """The model with random weights, and these."""
    model = make(k, builder, **options)
    weights = random_weights(list(zip(weight_names(model.weights), model.get_weights(), strict=True)), seed)
    model.set_weights(weights)
    return model, weights


def save(k: ModuleType, builder: str, folder: str, endings: list[str], **options: Any) -> list[np.ndarray]:
    """Write `w` + each ending: weights for `.weights.h5`, `.weights.json`, `.only.h5`, else the whole model."""
    model, weights = build(k, builder, **options)
    for ending in endings:
        path = str(Path(folder) / f"w{ending}")
        if ending == ".weights.json":
            model.save_weights(path, max_shard_size=max(weight.nbytes for weight in weights) * 1.5 / 1024**3)
        elif ending in (".weights.h5", ".only.h5"):
            model.save_weights(path)
        else:
            model.save(path)
    return weights


def small(k: ModuleType, units: int, head: str) -> Any:
    return k.Sequential(
        [k.Input((4, 3)), k.layers.LSTM(units, name="body"), k.layers.Dense(2, name=head)], name=f"small_{head}"
    )


def partly(k: ModuleType, path: str, units: int) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """Keras's own by_name with skip_mismatch, into a model with another head: the file's weights, before, after."""
    source = small(k, 3, "old")
    weights = random_weights([("", array) for array in source.get_weights()], 5)
    source.set_weights(weights)
    source.save_weights(path)
    model = small(k, units, "new")
    before = model.get_weights()
    model.load_weights(path, by_name=True, skip_mismatch=True)
    return weights, before, model.get_weights()


def cudnn(k: ModuleType, class_name: str, target: str, path: str, wrapped: bool) -> dict[str, Any]:
    """Save a model of one layer and load it, by Keras 2's own conversion, into one of another layer."""
    from tf_keras.src.layers.rnn import cudnn_gru, cudnn_lstm

    known = {"CuDNNLSTM": cudnn_lstm.CuDNNLSTM, "CuDNNGRU": cudnn_gru.CuDNNGRU, "LSTM": k.layers.LSTM}

    def around(name: str) -> Any:
        layer = known.get(name, k.layers.GRU)(3)
        return k.Sequential([k.Input((4, 2)), k.layers.Bidirectional(layer) if wrapped else layer])

    source, model = around(class_name), around(target)
    weights = random_weights([("", array) for array in source.get_weights()], 5)
    source.set_weights(weights)
    source.save_weights(path)
    model.load_weights(path)
    return {"stored": weights, "loaded": model.get_weights()}


def quantized(k: ModuleType, mode: str, path: str) -> None:
    """The weights of a quantized Dense."""
    model = k.Sequential([k.Input((4,)), k.layers.Dense(6, name="d")])
    model.quantize(mode)
    model.save_weights(path)


def outputs_of(k: ModuleType, path: str, weights: str | None, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """What Keras computes for a file, maybe with the weights of another one."""
    model = k.models.load_model(path, compile=False)
    if weights is not None:
        model.load_weights(weights)
    outputs = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    return [np.asarray(output).astype("f8") for output in flat(outputs)]
