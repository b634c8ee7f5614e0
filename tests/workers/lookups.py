"""Layers that look words up, run with Keras or kerastorch as `k`."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np


def plain(value: Any) -> np.ndarray:
    """An output as an array, text as `str`."""
    array = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
    if array.dtype == object:
        array = np.array([item.decode() if isinstance(item, bytes) else item for item in array.flat]).reshape(
            array.shape
        )
    return array


def run(k: ModuleType, cases: dict[str, tuple[str, dict[str, Any], Any, list[Any]]]) -> dict[str, Any]:
    """Of each case: the vocabulary, its size, and the outputs.

    Args:
        k: Keras or kerastorch.
        cases: Label -> class, arguments, data to adapt it to (None: none), inputs.
    """
    found: dict[str, Any] = {}
    for label, (name, config, data, inputs) in cases.items():
        layer = getattr(k.layers, name)(**config)
        if data is not None:
            layer.adapt(iter(data) if isinstance(data, tuple) else data)  # a tuple holds batches
        outputs = [plain(layer(x)) for x in inputs]
        words = layer.get_vocabulary()
        found[label] = {
            "vocabulary": [word if word is None or isinstance(word, str) else int(word) for word in words],
            "words": list(map(str, layer.get_vocabulary(include_special_tokens=False))),
            "size": layer.vocabulary_size(),
            "outputs": outputs,
            "dtypes": [str(output.dtype) for output in outputs if output.dtype.kind != "U"],
        }
    return found


def refused(k: ModuleType, cases: dict[str, tuple[str, dict[str, Any], Any]]) -> dict[str, bool]:
    """Whether a case raises."""
    found = {}
    for label, (name, config, inputs) in cases.items():
        try:
            getattr(k.layers, name)(**config)(inputs)
            found[label] = False
        except Exception:  # noqa: BLE001 - of TensorFlow, too
            found[label] = True
    return found


def configs(k: ModuleType) -> dict[str, Any]:
    """The arguments as the layers tell them, and what is made of them again."""
    layers = k.layers
    made = {
        "words": layers.StringLookup(vocabulary=["b", "a"], num_oov_indices=2, mask_token="m", name="w"),
        "integers": layers.IntegerLookup(vocabulary=np.array([3, 1]), output_mode="count", name="i"),
        "texts": layers.TextVectorization(vocabulary=["b", "a"], ngrams=2, output_sequence_length=3, name="t"),
    }
    found = {}
    for label, layer in made.items():
        config = layer.get_config()
        found[label] = {key: plain_setting(value) for key, value in config.items() if key != "dtype"}
        again = type(layer).from_config(config)
        found[f"{label} again"] = plain_setting(again.get_vocabulary())
    return found


def plain_setting(value: Any) -> Any:
    """A value of a config without Keras's own lists."""
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain_setting(item) for item in value]
    return int(value) if isinstance(value, np.integer) else value


TEXTS = np.array([["The cat sat!"], ["a dog"], [""], ["the dog, the CAT"]], dtype=object)


def in_models(k: ModuleType, ends: list[np.ndarray], length: int | None) -> dict[str, Any]:
    """Models that begin with text: functional, around another model, Sequential."""
    vectorizer = k.layers.TextVectorization(output_sequence_length=length)
    vectorizer.adapt(TEXTS)
    words = k.Input((None,), dtype="int64")
    embedded = k.layers.Embedding(vectorizer.vocabulary_size(), 3, mask_zero=True)(words)
    inner = k.Model(words, k.layers.Dense(1)(k.layers.LSTM(4)(embedded)))
    inner.set_weights(ends)
    text = k.Input((1,), dtype="string", name="text")
    whole = k.Model(text, inner(vectorizer(text)))
    listed = k.Sequential([k.Input((1,), dtype="string"), vectorizer, *inner.layers[1:]])
    free = k.Sequential([vectorizer, *inner.layers[1:]])
    given = k.ops.convert_to_tensor(TEXTS.tolist()) if k.__name__ == "keras" else TEXTS
    found: dict[str, Any] = {"shape": whole.output_shape, "indices": vectorizer(text).shape}
    for label, model in (("whole", whole), ("listed", listed), ("free", free)):
        found[label] = model.predict(given, verbose=0)
        found[f"{label} called"] = np.asarray(k.ops.convert_to_numpy(model(given)))
        model.compile(optimizer="sgd", loss="mse")
        y = np.arange(4.0).reshape(4, 1).astype("float32")
        found[f"{label} judged"] = np.float32(model.evaluate(given, y, verbose=0))
        history = model.fit(given, y, batch_size=2, epochs=2, shuffle=False, verbose=0)
        found[f"{label} trained"] = np.asarray(history.history["loss"], "float32")
        inner.set_weights(ends)
    return found
