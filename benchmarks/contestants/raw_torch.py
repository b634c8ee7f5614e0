"""torch.nn.LSTM, GRU and RNN as they are; packed sequences where there is a mask."""

from __future__ import annotations

import numpy as np
import torch
from _rows import Arrays, Row
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from contestants import NotThere
from contestants._torch import DEVICE, Case, tensor, versions

__all__ = ["make", "versions"]

_CLASSES = {"GRU": nn.GRU, "SimpleRNN": nn.RNN}


def make(row: Row, arrays: Arrays) -> Case:
    if row.family == "ConvLSTM2D":
        raise NotThere("torch has no ConvLSTM")
    if row.activation == "relu" and row.family != "SimpleRNN":
        raise NotThere("tanh only")
    if row.recurrent_dropout:
        raise NotThere("no dropout between steps")
    if not row.reset_after:
        raise NotThere("reset_after only")
    if row.variant == "random mask":
        raise NotThere("a packed sequence has no holes")
    features, units = row.channels
    options = {"nonlinearity": "relu"} if row.activation == "relu" else {}
    module = _CLASSES.get(row.family, nn.LSTM)(
        features,
        units,
        num_layers=len(arrays.weights),
        bidirectional=row.family == "BiLSTM",
        batch_first=True,
        **options,
    ).to(DEVICE)
    flat = [array for layer in arrays.weights for array in layer]
    parts = [flat[start : start + 3] for start in range(0, len(flat), 3)]  # kernel, recurrent kernel, bias
    with torch.no_grad():
        for (w_ih, w_hh, b_ih, b_hh), (kernel, recurrent, bias) in zip(module.all_weights, parts, strict=True):
            w_ih.copy_(tensor(_turned(row, kernel).T.copy()))
            w_hh.copy_(tensor(_turned(row, recurrent).T.copy()))
            first, second = _turned(row, bias) if bias.ndim == 2 else (bias, np.zeros_like(bias))
            b_ih.copy_(tensor(first.copy()))
            b_hh.copy_(tensor(second.copy()))
    module.train(row.training)
    lengths = None if arrays.mask is None else torch.from_numpy(arrays.mask.sum(1))

    def run(x: Tensor) -> tuple[Tensor, list[Tensor]]:
        if lengths is None:
            output, states = module(x)
        else:
            packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            output, states = module(packed)
            output, _ = pad_packed_sequence(output, batch_first=True, total_length=x.shape[1])
        return output, _states(states) if row.return_state else []

    def gradients() -> list[np.ndarray]:
        found = []
        for w_ih, w_hh, b_ih, b_hh in module.all_weights:
            grads = [weight.grad.cpu().numpy() for weight in (w_ih, w_hh, b_ih, b_hh)]
            found += [_turned(row, grads[0].T), _turned(row, grads[1].T)]
            found.append(_turned(row, np.stack(grads[2:])) if row.family == "GRU" else grads[2])
        return found

    return Case(
        run,
        tensor(arrays.x),
        tensor(arrays.upstream) if row.training else None,
        list(module.parameters()),
        gradients,
        note="" if lengths is None else "packed",
    )


def _turned(row: Row, array: np.ndarray) -> np.ndarray:
    """A GRU's gates z r h as torch's r z h, and back: the same exchange."""
    if row.family != "GRU":
        return array
    z, r, h = np.split(array, 3, axis=-1)
    return np.concatenate([r, z, h], axis=-1)


def _states(states: Tensor | tuple[Tensor, Tensor]) -> list[Tensor]:
    """Keras's order: for each layer and direction h, c."""
    several = states if isinstance(states, tuple) else (states,)
    return [state[index] for index in range(several[0].shape[0]) for state in several]
