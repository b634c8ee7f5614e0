"""kt.convert against TensorFlow 1's cells themselves: tf-keras has the classes, TensorFlow the fused operations."""

from __future__ import annotations

import pytest
from _close import assert_close
from _keras_worker import KerasWorker
from _tensorflow1_cells import CELLS, example


@pytest.mark.parametrize("forget_bias", [1.0, 0.25])
@pytest.mark.parametrize("name", ["BasicLSTMCell", "GRUCell", "BasicRNNCell"])
def test_the_layer_computes_what_the_cell_computes(keras_worker: KerasWorker, name: str, forget_bias: float) -> None:
    cell = CELLS[name]
    options = cell.options(forget_bias)
    wanted = keras_worker.call("keras2", "tensorflow1:run", name, *example(cell), **options)
    assert_close(cell.run(*example(cell), **options), wanted)


@pytest.mark.parametrize("forget_bias", [1.0, 0.25])
def test_the_fused_lstm(keras_worker: KerasWorker, forget_bias: float) -> None:
    cell = CELLS["LSTMBlockFusedCell"]
    wanted = keras_worker.call("keras2", "tensorflow1:block_lstm", *example(cell), forget_bias)
    assert_close(cell.run(*example(cell), forget_bias=forget_bias), wanted)


def test_the_fused_gru(keras_worker: KerasWorker) -> None:
    cell = CELLS["GRUCell"]
    wanted = keras_worker.call("keras2", "tensorflow1:gru_block_cell", *example(cell))
    assert_close(cell.run(*example(cell)), wanted)
