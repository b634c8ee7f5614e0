"""What the callback TensorBoard writes, read by tensorboard itself."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _close import apart_numbers, assert_close
from _needs import needs

import kerastorch as kt
from kerastorch.errors import ArgumentError, UnsupportedError

INSTALLED = needs(importlib.util.find_spec("tensorboard"), "tensorboard is not installed")
RNG = np.random.default_rng(4)
X, Y = RNG.normal(size=(20, 4, 3)).astype("float32"), RNG.normal(size=(20, 1)).astype("float32")
WORDS = RNG.integers(0, 5, size=(20, 4))


def _model(*layers: Any) -> Any:
    kt.set_seed(1)
    model = kt.Sequential([*layers, kt.layers.GRU(3, name="rnn"), kt.layers.Dense(1, name="head")], name="net")
    model.compile(kt.optimizers.SGD(0.125), "mse", metrics=["mae"])
    return model


def _read(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    everything = {"tensors": 0, "histograms": 0, "scalars": 0, "images": 0}
    return EventAccumulator(str(folder), size_guidance=everything).Reload()


@INSTALLED
def test_what_is_written(tmp_path: Path) -> None:
    """The tags of Keras 3.15 on TensorFlow for the same arguments, with the numbers of the history."""
    model = _model(kt.Input((4, 3)))
    board = kt.callbacks.TensorBoard(tmp_path, histogram_freq=1, write_images=True, update_freq=2)
    history = model.fit(X, Y, 4, 2, 0, validation_data=(X[:8], Y[:8]), callbacks=[board]).history
    train, held = _read(tmp_path / "train"), _read(tmp_path / "validation")
    batch, epoch = ["batch_loss", "batch_mae"], ["epoch_learning_rate", "epoch_loss", "epoch_mae"]
    assert sorted(train.Tags()["scalars"]) == [*batch, *epoch]
    judged = [f"evaluation_{name}_vs_iterations" for name in ("loss", "mae")]
    assert sorted(held.Tags()["scalars"]) == [*epoch[1:], *judged]
    weights = ["rnn/gru_cell/kernel", "rnn/gru_cell/recurrent_kernel", "rnn/gru_cell/bias", "head/kernel", "head/bias"]
    assert sorted(train.Tags()["histograms"]) == sorted(f"net/{name}/histogram" for name in weights)
    assert sorted(train.Tags()["images"]) == sorted(f"net/{name}/image" for name in weights[:-1])  # a number is none
    assert train.SummaryMetadata("keras").plugin_data.plugin_name == "graph_keras_model"
    (graph,) = train.Tensors("keras")[0].tensor_proto.string_val
    assert [layer.name for layer in kt.model_from_json(graph.decode()).layers] == ["rnn", "head"]
    for reader, name, tag in (
        *((train, name, f"epoch_{name}") for name in ("loss", "mae")),
        *((held, f"val_{name}", f"epoch_{name}") for name in ("loss", "mae")),
    ):
        found = reader.Scalars(tag)
        assert [event.step for event in found] == [0, 1]
        assert apart_numbers([event.value for event in found], history[name]) is None
    assert [event.step for event in train.Scalars("batch_loss")] == [2, 4, 6, 8, 10]
    assert [event.step for event in held.Scalars(judged[0])] == [5, 10]


@INSTALLED
def test_an_evaluation_and_embeddings(tmp_path: Path) -> None:
    model = _model(kt.Input((4,)), kt.layers.Embedding(5, 3, name="table"))
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\ne\n")
    labels = {"table": tmp_path / "labels.txt"}
    board = kt.callbacks.TensorBoard(tmp_path, write_graph=False, embeddings_freq=1, embeddings_metadata=labels)
    model.fit(WORDS, Y, verbose=0, callbacks=[board])
    loss = model.evaluate(WORDS, Y, verbose=0, callbacks=[board])[0]
    (table,) = (tmp_path / "train").rglob("tensors.tsv")
    assert_close(np.loadtxt(table, dtype="float32"), model.layers[0].get_weights()[0])  # as text
    assert table.with_name("metadata.tsv").read_text().split() == ["a", "b", "c", "d", "e"]
    found = _read(tmp_path / "validation").Scalars("evaluation_loss_vs_iterations")
    assert [event.step for event in found] == [1]
    assert apart_numbers(found[0].value, loss) is None
    board = kt.callbacks.TensorBoard(tmp_path, embeddings_freq=1, embeddings_metadata={"tables": "labels.txt"})
    with pytest.raises(ArgumentError, match="no Embedding is called 'tables'; there are 'table'"):
        model.fit(WORDS, Y, verbose=0, callbacks=[board])


def test_without_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UnsupportedError, match="is not installed: pip install tensorboard, or use CSVLogger"):
        _model(kt.Input((4, 3))).fit(X, Y, verbose=0, callbacks=[kt.callbacks.TensorBoard(tmp_path)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"profile_batch": (1, 2)}, r"profile_batch is \(1, 2\), expected 0: use torch.profiler"),
        ({"update_freq": 0}, 'update_freq is 0, expected "epoch", "batch" or a positive integer'),
        ({"histogram_freq": -1}, "histogram_freq is -1, expected an integer from 0"),
    ],
)
def test_messages(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        kt.callbacks.TensorBoard(**arguments)


@INSTALLED
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:.torch.jit:DeprecationWarning")
def test_torchs_writer_draws_the_graph(tmp_path: Path) -> None:
    """`add_graph` walks every attribute of every layer and traces the model."""
    from torch.utils.tensorboard import SummaryWriter

    layers = kt.layers
    model = kt.Sequential(
        [kt.Input((4, 3)), layers.Bidirectional(layers.LSTM(2, return_sequences=True)), layers.GRU(3)]
    )
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_graph(model.eval(), torch.randn(2, 4, 3))
    (definition,) = [graph for graph in [_read(tmp_path).Graph()] if graph.node]
    scopes = {node.name.split("/")[1] for node in definition.node if "/" in node.name}
    assert any("bidirectional" in scope.lower() for scope in scopes)
    assert any("gru" in scope.lower() for scope in scopes)
