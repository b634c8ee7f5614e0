"""What people write around layers: the same code, run with Keras and with kerastorch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from _keras_worker import KerasWorker
from workers import habits

import kerastorch as kt
from kerastorch import layers
from kerastorch.layers._base import REGISTRY

NOT_IN_KERAS_3 = ("CuDNNGRU", "CuDNNLSTM", "Highway", "LocallyConnected1D", "LocallyConnected2D", "MaxoutDense")
# Built from other layers, or from what only a file has; their inner layers are in the other cases.
NOT_ALONE = ("RNN", "StackedRNNCells", "Bidirectional", "TimeDistributed", "Operation", "InputLayer", "ThresholdedReLU")
CELLS = ("LSTMCell", "GRUCell", "SimpleRNNCell")


def layer_cases() -> dict[str, Any]:
    """The first example of every layer that Keras 3 has."""
    cases: dict[str, Any] = {}
    for name, cls in REGISTRY.items():
        if cls.EXAMPLES and name not in (*NOT_IN_KERAS_3, *NOT_ALONE, *CELLS):
            example = cls.EXAMPLES[0]
            config = dict(example.config)
            if name.startswith(("Average", "Max")) and "Pooling" in name:
                config["pool_size"] = 2  # for which Keras 3 has no default
            cases[name] = (name, config, example.input_shape, config.get("input_dim"))
    return cases


def test_every_layer_takes_training_and_its_input_by_name(keras_worker: KerasWorker) -> None:
    cases = layer_cases()
    assert len(cases) > 60
    theirs = keras_worker.call("keras3", "habits:takes_training", cases)
    ours = habits.takes_training(kt, cases)  # type: ignore[arg-type]
    refused = {
        name: (mine, theirs[name])
        for name, mine in ours.items()
        if any(a != b and b == "fine" for a, b in zip(mine, theirs[name], strict=True))
    }
    assert not refused
    assert sum(answer == "fine" for answers in theirs.values() for answer in answers) > 300


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
def test_training_reaches_what_is_inside(keras_worker: KerasWorker, framework: str) -> None:
    theirs = keras_worker.call(framework, "habits:reached_by_training")
    assert habits.reached_by_training(kt) == theirs  # type: ignore[arg-type]


def test_modes_are_as_before_after_a_call_with_training() -> None:
    class Block(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = layers.Dropout(0.5), torch.nn.Dropout(0.5)

        def call(self, x: Any) -> Any:
            return self.other(self.one(x))

    block = Block()
    block.one.eval()
    x = torch.ones(4, 5)
    assert torch.equal(block(x, training=False), x)
    assert (block.one.training, block.other.training) == (False, True)
    assert block(x, training=True).unique().tolist() == [0.0, 4.0]
    assert (block.one.training, block.other.training) == (False, True)
    with pytest.raises(TypeError):
        block(x, training=True, other=1)
    assert (block.one.training, block.other.training) == (False, True)
    compiled = torch.compile(block, fullgraph=True, backend="eager")
    assert torch.equal(compiled(x, training=False), x)
    assert compiled(x, training=True).unique().tolist() == [0.0, 4.0]
    assert (block.one.training, block.other.training) == (False, True)
