"""Real files that need code of their authors, read with that code written anew. Skipped where the files are not there.

Keras gave no outputs for them, so the values are held against the same formulas, computed by hand from the arrays.
"""

from __future__ import annotations

import json
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from _close import assert_close
from _needs import SHARED_FILES, needs
from test_corpus import CORPUS
from torch import Tensor

import kerastorch as kt
from kerastorch import Input, Model, layers
from kerastorch.errors import MismatchError, MissingLayersError

pytestmark = needs(CORPUS.exists(), SHARED_FILES)
FILES = CORPUS / "files"


def arrays_of(file: str) -> dict[str, np.ndarray]:
    """All weights of a legacy file by their names, read with another library than ours."""
    found: dict[str, np.ndarray] = {}

    def take(name: str, thing: Any) -> None:
        if isinstance(thing, h5py.Dataset):
            found[name.rpartition("model_weights/")[2]] = thing[()]

    with h5py.File(FILES / file) as stored:
        stored.visititems(take)
    return found


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def hard_sigmoid(x: np.ndarray) -> np.ndarray:
    return np.clip(0.2 * x + 0.5, 0, 1)


def lstm(x: np.ndarray, kernel: Any, recurrent: Any, bias: Any, gate: Any) -> np.ndarray:
    """All outputs of an LSTM, in float64, written from the equations."""
    units = recurrent.shape[0]
    h = c = np.zeros((len(x), units))
    outputs = []
    for step in x.transpose(1, 0, 2):
        z = step @ kernel + h @ recurrent + bias
        i, f, g, o = (z[:, k * units : (k + 1) * units] for k in range(4))
        c = gate(f) * c + gate(i) * np.tanh(g)
        h = gate(o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs, 1)


# ---------------------------------------------------------------------------- Lambda

SLICES = "CodeDogandCat__ChineseGrammarErrorDiagnose__addition_rnn.h5"


def slice_of(arguments: dict[str, int], **rest: Any) -> Any:
    """`get_slice` of keras.utils.multi_gpu_model: part i of the batch."""
    part, parts = arguments["i"], arguments["parts"]

    def get_slice(x: Tensor) -> Tensor:
        step = x.shape[0] // parts
        return x[part * step :] if part == parts - 1 else x[part * step : (part + 1) * step]

    return get_slice


def test_a_model_that_was_trained_on_several_gpus() -> None:
    with pytest.raises(MissingLayersError) as caught:
        kt.load_model(FILES / SLICES)
    assert "'arguments': {'i': 5, 'parts': 6}" in str(caught.value)
    assert "replace={'lambda_1': ..., 'lambda_2': ...," in str(caught.value)
    model = kt.load_model(FILES / SLICES, {"Lambda": slice_of})
    x = np.random.default_rng(0).random((13, 7, 12)).astype("float32")
    outputs = model.predict(x, batch_size=13)
    stored = arrays_of(SLICES)

    def weights(name: str) -> list[np.ndarray]:
        found = [stored[key] for key in stored if f"/{name}/" in key]
        return sorted(found, key=lambda array: (array.ndim, array.shape[0]), reverse=True)

    first, second = weights("lstm_1"), weights("lstm_2")
    last = lstm(x, *first, hard_sigmoid)[:, -1]
    # lstm_2's two kernels have one shape: their names say which is which.
    named = [next(stored[key] for key in stored if f"/lstm_2/{name}:0" in key) for name in
             ("kernel", "recurrent_kernel", "bias")]  # fmt: skip
    assert [array.shape for array in second] == [array.shape for array in named]
    decoded = lstm(np.repeat(last[:, None], 4, 1), *named, hard_sigmoid)
    kernel, bias = weights("time_distributed_1")
    scores = decoded @ kernel + bias
    expected = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    assert_close(outputs, expected)
    replaced = {f"lambda_{i + 1}": slice_of({"i": i, "parts": 6}) for i in range(6)}
    assert np.array_equal(kt.load_model(FILES / SLICES, replace=replaced).predict(x, batch_size=13), outputs)


# ---------------------------------------------------------------------------- a subclass of LSTM

REVERSED = "IlyaGusev__rnnmorph__eval_model.h5"


class ReversedLSTM(layers.LSTM):
    """Of rnnmorph: an LSTM from the last step to the first, with its outputs in the order of time."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(units, **{**kwargs, "go_backwards": True})

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return super().forward(*args, **kwargs).flip(1)


def test_a_subclass_of_lstm() -> None:
    text = (FILES / f"{REVERSED}.arch.json").read_text()
    with pytest.raises(MissingLayersError, match=r"custom_objects=\{'ReversedLSTM': \.\.\.\}"):
        kt.model_from_json(text)
    model = kt.model_from_json(text, {"ReversedLSTM": ReversedLSTM})
    kt.load_weights(model, FILES / REVERSED)
    words = np.random.default_rng(0).random((2, 6, 200)).astype("float32")
    stored = arrays_of(REVERSED)
    kernels = [stored[f"LSTM_1_backward/LSTM_1_backward/{name}:0"] for name in ("kernel", "recurrent_kernel", "bias")]
    expected = lstm(words[:, ::-1], *kernels, hard_sigmoid)[:, ::-1]
    found = model.get_layer("LSTM_1_backward")(torch.from_numpy(words)).detach().numpy()
    assert_close(found, expected)
    chars = np.random.default_rng(1).integers(0, 153, (2, 6, 32)).astype("float32")
    grammemes = np.random.default_rng(2).random((2, 6, 13)).astype("float32")
    outputs = model.predict([grammemes, chars])
    assert_close(outputs.sum(-1), np.ones((2, 6)))  # a softmax over 187 tags
    # A plain LSTM in its place fits every array, and computes something else.
    plain = kt.model_from_json(text, {"ReversedLSTM": layers.LSTM})
    kt.load_weights(plain, FILES / REVERSED)
    assert np.abs(plain.predict([grammemes, chars]) - outputs).max() > 1e-2


# ---------------------------------------------------------------------------- textgenrnn


class AttentionWeightedAverage(layers.Layer):
    """Of textgenrnn (from DeepMoji): a weighted average over time, padding left out."""

    supports_masking = True

    def build(self, input_shape: Any) -> None:
        self.W = self.add_weight(shape=(input_shape[2], 1), initializer="uniform", name="attention_W")

    def call(self, x: Tensor, mask: Any = None) -> Tensor:
        logits = (x @ self.W)[..., 0]
        weights = (logits - logits.max(-1, keepdim=True).values).exp()
        if mask is not None:
            weights = weights * mask
        weights = weights / (weights.sum(1, keepdim=True) + 1e-7)
        return (x * weights[..., None]).sum(1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], input_shape[2])

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        return None


def textgenrnn(words: int, lstm_class: str) -> str:
    """The config of textgenrnn's model: its files hold weights only."""

    def item(class_name: str, name: str, before: list[str], **config: Any) -> dict[str, Any]:
        nodes = [[[layer, 0, 0, {}] for layer in before]] if before else []
        return {"class_name": class_name, "name": name, "config": {"name": name, **config}, "inbound_nodes": nodes}

    gates = {} if lstm_class.startswith("CuDNN") else {"recurrent_activation": "sigmoid"}
    items = [
        item("InputLayer", "input", [], batch_input_shape=[None, 40], dtype="float32"),
        item("Embedding", "embedding", ["input"], input_dim=words, output_dim=100, input_length=40),
        item(lstm_class, "rnn_1", ["embedding"], units=128, return_sequences=True, **gates),
        item(lstm_class, "rnn_2", ["rnn_1"], units=128, return_sequences=True, **gates),
        item("Concatenate", "rnn_concat", ["embedding", "rnn_1", "rnn_2"]),
        item("AttentionWeightedAverage", "attention", ["rnn_concat"]),
        item("Dense", "output", ["attention"], units=words, activation="softmax"),
    ]
    ends = {"input_layers": [["input", 0, 0]], "output_layers": [["output", 0, 0]]}
    config = {"class_name": "Model", "config": {"name": "textgenrnn", "layers": items, **ends}}
    return json.dumps({**config, "keras_version": "2.1.5", "backend": "tensorflow"})


@pytest.mark.parametrize(
    ("file", "words", "lstm_class"),
    [
        ("minimaxir__textgenrnn__textgenrnn_weights.hdf5", 465, "CuDNNLSTM"),
        ("minimaxir__textgenrnn__reddit_rarepuppers_politics.hdf5", 465, "CuDNNLSTM"),
        ("Kahsolt__textgenrnn-postmodern-philosophy__weights.hdf5", 1521, "LSTM"),
    ],
)
def test_textgenrnn(file: str, words: int, lstm_class: str) -> None:
    text = textgenrnn(words, lstm_class)
    with pytest.raises(MissingLayersError, match=r"'attention' of class 'AttentionWeightedAverage'"):
        kt.model_from_json(text)
    model = kt.model_from_json(text, {"AttentionWeightedAverage": AttentionWeightedAverage})
    report = kt.load_weights(model, FILES / file)
    assert "layer 'attention': attention_W" in dict(report.assigned)
    stored = {name.partition("/")[0] + "/" + name.rpartition("/")[2]: array for name, array in arrays_of(file).items()}
    stored = {name.replace("_2:0", ":0"): array for name, array in stored.items()}
    tokens = np.random.default_rng(0).integers(0, words, (3, 40))
    outputs = model.predict(tokens)
    embedded = stored["embedding/embeddings:0"][tokens].astype("float64")
    if lstm_class == "LSTM":
        first = lstm(embedded, *(stored[f"rnn_1/{name}:0"] for name in NAMES), sigmoid)
        second = lstm(first, *(stored[f"rnn_2/{name}:0"] for name in NAMES), sigmoid)
    else:  # the layout of cuDNN's kernels is held against Keras elsewhere
        part = Model(model.input, [model.get_layer("rnn_1").output, model.get_layer("rnn_2").output])
        first, second = part.predict(tokens)
    x = np.concatenate([embedded, first, second], -1)
    scores = (x @ stored["attention/attention_W:0"])[..., 0]
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    average = (x * (weights / (weights.sum(-1, keepdims=True) + 1e-7))[..., None]).sum(1)
    logits = average @ stored["output/kernel:0"] + stored["output/bias:0"]
    expected = np.exp(logits - logits.max(-1, keepdims=True))
    assert_close(outputs, expected / expected.sum(-1, keepdims=True))
    # Without its weights the attention is refused.
    with pytest.raises(MismatchError, match="attention"):
        kt.load_weights(kt.model_from_json(text, replace={"attention": kt.recipes.mean_over(1)}), FILES / file)


NAMES = ("kernel", "recurrent_kernel", "bias")


def test_what_stands_for_an_author_s_layer_works_in_models_made_by_hand() -> None:
    x = Input((None, 4))
    model = Model(x, AttentionWeightedAverage()(x))
    data = torch.randn(2, 5, 4)
    mask = torch.tensor([[1, 1, 0, 0, 0], [1, 1, 1, 1, 1]], dtype=torch.bool)
    assert_close(model(data, mask=mask)[0], model(data[:1, :2])[0])
