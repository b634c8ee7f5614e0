"""Cells of TensorFlow 1, run over a sequence: those that tf-keras keeps, and the operations of those that are gone."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np


def run(
    _: ModuleType, name: str, arrays: list[np.ndarray], x: np.ndarray, states: list[np.ndarray], **options: float
) -> list[np.ndarray]:
    """Outputs of all steps `(B, T, U)` and the last states, of which an LSTM has h and c."""
    from tf_keras.src.layers.rnn import legacy_cells

    cell = getattr(legacy_cells, name)(states[0].shape[1], **options)
    cell.build((None, x.shape[-1]))
    assert [tuple(weight.shape) for weight in cell.weights] == [array.shape for array in arrays]
    cell.set_weights(arrays)
    # An LSTM's state is (c, h) there.
    state: Any = legacy_cells.LSTMStateTuple(*reversed(states)) if len(states) > 1 else states[0]
    outputs = []
    for step in range(x.shape[1]):
        output, state = cell(x[:, step], state)
        outputs.append(output.numpy())
    last = [part.numpy() for part in reversed(state)] if len(states) > 1 else [state.numpy()]
    return [np.stack(outputs, 1), *last]


def block_lstm(
    _: ModuleType, arrays: list[np.ndarray], x: np.ndarray, states: list[np.ndarray], forget_bias: float
) -> list[np.ndarray]:
    """What LSTMBlockFusedCell calls, without peepholes and without a limit for c."""
    import tensorflow as tf

    none = np.zeros(states[0].shape[1], "float32")
    _, c, _, _, _, _, h = tf.raw_ops.BlockLSTM(
        seq_len_max=np.int64(x.shape[1]),
        x=x.transpose(1, 0, 2),
        cs_prev=states[1],
        h_prev=states[0],
        w=arrays[0],
        wci=none,
        wcf=none,
        wco=none,
        b=arrays[1],
        forget_bias=forget_bias,
        cell_clip=-1.0,
    )
    return [h.numpy().transpose(1, 0, 2), h.numpy()[-1], c.numpy()[-1]]


def gru_block_cell(
    _: ModuleType, arrays: list[np.ndarray], x: np.ndarray, states: list[np.ndarray]
) -> list[np.ndarray]:
    """What GRUBlockCell calls at each step."""
    import tensorflow as tf

    gates_kernel, gates_bias, kernel, bias = arrays
    (h,), outputs = states, []
    for step in range(x.shape[1]):
        *_, h = tf.raw_ops.GRUBlockCell(
            x=x[:, step], h_prev=h, w_ru=gates_kernel, w_c=kernel, b_ru=gates_bias, b_c=bias
        )
        outputs.append(h.numpy())
    return [np.stack(outputs, 1), outputs[-1]]
