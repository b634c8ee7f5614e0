"""Write the configs of small models by a real Keras: `python make_configs.py keras3` or `... tf_keras`.

The result, `configs_<framework>.json`, maps a name to the parsed `to_json()` text (which holds the version) of a model.
Run it once per framework, in a process of its own each, with that framework installed (Keras 3 on TensorFlow).
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


def models(k: Any, keras3: bool) -> dict[str, Any]:
    """The models, with explicit names: those that Keras counts differ from run to run."""
    layers, source, model = k.layers, k.Input, k.Model

    def words(name: str, length: int = 7) -> Any:
        return source((length,), name=name)

    def embed(name: str, x: Any, mask: bool = True) -> Any:
        return layers.Embedding(10, 4, mask_zero=mask, name=name)(x)

    made: dict[str, Any] = {}
    i, j = words("i"), words("j")
    x = layers.LSTM(3, return_sequences=True, name="a")(embed("e", i))
    x = layers.TimeDistributed(layers.Dense(2, name="inner"), name="td")(x)
    x = layers.Dropout(0.1, name="d")(x)
    made["masked_chain"] = model(i, layers.Dense(2, name="out")(layers.GRU(3, name="b")(x)), name="m")

    f = source((7, 4), name="f")
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True, name="w"), name="bi")(
        layers.Masking(0.5, name="k")(f)
    )
    x = layers.LayerNormalization(name="ln")(layers.BatchNormalization(name="bn")(x))
    made["masking_bidirectional"] = model(f, layers.SimpleRNN(2, name="r")(x), name="m")

    a, b, plain = embed("ea", i), embed("eb", j), embed("ep", j, mask=False)
    for kind in ("Add", "Multiply", "Maximum", "Concatenate"):
        for label, pair in (("two", [a, b]), ("three", [a, b, a]), ("half", [a, plain])):
            joined = getattr(layers, kind)(name="joined")(pair)
            made[f"{kind}_{label}"] = model([i, j], layers.LSTM(2, name="r")(joined), name="m")
    joined = layers.Concatenate(axis=1, name="joined")([a, b])
    made["Concatenate_time"] = model([i, j], layers.LSTM(2, name="r")(joined), name="m")

    e, d = source((7, 4), name="enc"), source((5, 4), name="dec")
    states = layers.LSTM(3, return_state=True, name="encoder")(e)[1:]
    y = layers.LSTM(3, return_sequences=True, return_state=True, name="decoder")(d, initial_state=states)[0]
    made["encoder_decoder"] = model([e, d], y, name="m")
    state = layers.GRU(3, return_state=True, name="encoder")(e)[1]
    made["encoder_decoder_gru"] = model([e, d], layers.GRU(3, name="decoder")(d, initial_state=state), name="m")
    states = layers.Bidirectional(layers.LSTM(3, return_state=True, name="w"), name="encoder")(e)[1:]
    y = layers.Bidirectional(layers.LSTM(3, return_sequences=True, name="v"), name="decoder")(d, initial_state=states)
    made["encoder_decoder_bidirectional"] = model([e, d], y, name="m")
    h = layers.Dense(3, name="h")(words("s", 3))
    made["state_on_masked"] = model(
        [i, h._keras_history[0].input], layers.GRU(3, name="r")(embed("e", i), initial_state=h), name="m"
    )

    shared = layers.Embedding(10, 4, mask_zero=True, name="e")
    two = [layers.LSTM(3, name="la")(shared(i)), layers.LSTM(3, name="lb")(shared(j))]
    made["shared"] = model([i, j], layers.Subtract(name="diff")(two), name="m")

    inside = source((7, 4), name="inside")
    inner = model(inside, layers.LSTM(4, return_sequences=True, name="il")(inside), name="inner")
    once, again = inner(f), inner(inner(f))
    made["nested_functional"] = model(f, [layers.LSTM(2, name="r")(again), once], name="m")
    inner = k.Sequential([source((7, 4), name="is"), layers.Dense(4, name="id")], name="inner")
    made["nested_sequential"] = model(f, inner(inner(f)), name="m")
    inner = k.Sequential([layers.Dense(4, name="id")], name="inner")
    made["nested_deferred"] = model(f, inner(inner(f)), name="m")
    inner = model(inside, layers.LSTM(4, return_sequences=True, name="il")(inside), name="inner")
    made["nested_masked"] = model(i, layers.LSTM(2, name="r")(inner(embed("e", i))), name="m")

    mask = source((7,), dtype="bool", name="mask")
    made["mask_as_input"] = model([f, mask], layers.LSTM(3, name="r")(f, mask=mask), name="m")
    lost = layers.Reshape((7, 4), name="lost")(embed("e", i))
    found = layers.Embedding(10, 4, mask_zero=True, name="x").compute_mask(i)
    made["mask_by_hand"] = model(i, layers.LSTM(3, name="r")(lost, mask=found), name="m")
    made["dict_ends"] = model(
        {"f": f}, {"y": layers.Dense(2, name="y")(f), "z": layers.Dense(3, name="z")(f)}, name="m"
    )
    made["training"] = model(f, layers.Dropout(0.5, name="d")(f, training=True), name="m")
    if keras3:
        made["arithmetic"] = model(f, layers.Dense(2, name="y")(f * 2.0), name="m")

    made["sequential"] = k.Sequential(
        [
            source((7, 4), name="f"),
            layers.LSTM(3, recurrent_activation="hard_sigmoid", activation="relu", name="a"),
            layers.Dense(2, activation="swish", kernel_regularizer="l2", kernel_constraint="max_norm", name="y"),
            layers.Activation("hard_sigmoid", name="h"),
        ],
        name="s",
    )
    made["embedding_first"] = k.Sequential(
        [
            words("i"),
            layers.Embedding(10, 4, name="e"),
            layers.SpatialDropout1D(0.2, name="d"),
            layers.GRU(3, name="r"),
        ],
        name="s",
    )
    made["reshaping"] = k.Sequential(
        [
            source((7, 4), name="f"),
            layers.Reshape((4, -1), name="a"),
            layers.Permute((2, 1), name="b"),
            layers.Flatten(name="c"),
            layers.RepeatVector(3, name="d"),
        ],
        name="s",
    )
    made["dot"] = model([e, d], layers.Dot((2, 2), normalize=True, name="y")([e, d]), name="m")
    made["float64"] = k.Sequential([source((4,), name="f"), layers.Dense(2, dtype="float64", name="y")], name="s")
    made["mixed"] = k.Sequential([source((4,), name="f"), layers.Dense(2, dtype="mixed_float16", name="y")], name="s")
    return made


def main() -> None:
    framework = sys.argv[1]
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["KERAS_BACKEND"] = "tensorflow"
    if framework == "keras3":
        import keras as k
    else:
        import tf_keras as k
    texts = {name: json.loads(model.to_json()) for name, model in models(k, framework == "keras3").items()}
    path = Path(__file__).with_name(f"configs_{framework}.json")
    path.write_text("{\n" + ",\n".join(f"{json.dumps(n)}: {json.dumps(t)}" for n, t in texts.items()) + "\n}\n")
    print(path.name, path.stat().st_size, k.__version__)


if __name__ == "__main__":
    main()
