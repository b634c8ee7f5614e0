"""Recurrent layers in numpy, step by step from the definition, in float64 and in Keras's layout of the weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = Any
Function = Callable[[Any], Any]
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "linear": lambda x: x,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "hard_sigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "softsign": lambda x: x / (1 + abs(x)),
}


def lstm_step(x: Array, states: list[Array], weights: list[Array], f: Function, r: Function) -> list[Array]:
    """One step: `x` `(B, F)`, states h and c `(B, U)`, kernel `(F, 4U)`, recurrent kernel `(U, 4U)`, bias `(4U,)`."""
    kernel, recurrent, bias = weights
    h, c = states
    i, forget, candidate, o = np.split(x @ kernel + h @ recurrent + bias, 4, axis=1)
    c = r(forget) * c + r(i) * f(candidate)
    return [r(o) * f(c), c]


def gru_step(x: Array, states: list[Array], weights: list[Array], f: Function, r: Function) -> list[Array]:
    """One step: kernel `(F, 3U)`, recurrent kernel `(U, 3U)`; bias `(2, 3U)` if r acts after the product."""
    kernel, recurrent, bias = weights
    (h,) = states
    after = bias.ndim == 2
    xz, xr, xh = np.split(x @ kernel + (bias[0] if after else bias), 3, axis=1)
    if after:
        hz, hr, hh = np.split(h @ recurrent + bias[1], 3, axis=1)
        z, reset = r(xz + hz), r(xr + hr)
        candidate = f(xh + reset * hh)
    else:
        of_z, of_r, of_h = np.split(recurrent, 3, axis=1)
        z, reset = r(xz + h @ of_z), r(xr + h @ of_r)
        candidate = f(xh + (reset * h) @ of_h)
    return [z * h + (1 - z) * candidate]


def simple_step(x: Array, states: list[Array], weights: list[Array], f: Function, r: Function) -> list[Array]:
    """One step: kernel `(F, U)`, recurrent kernel `(U, U)`, bias `(U,)`."""
    kernel, recurrent, bias = weights
    return [f(x @ kernel + states[0] @ recurrent + bias)]


def run(
    step: Callable[..., list[Array]],
    x: Array,
    states: list[Array],
    weights: list[Array],
    activation: str,
    recurrent_activation: str = "sigmoid",
    mask: Array | None = None,
    go_backwards: bool = False,
) -> tuple[Array, list[Array]]:
    """All steps: outputs `(B, T, U)` in the order in which they were made, and the last states.

    A masked step repeats the output before it, zeros before the first, and leaves the states.
    """
    order = range(x.shape[1])[::-1] if go_backwards else range(x.shape[1])
    outputs, output = [], np.zeros_like(states[0])
    for t in order:
        new = step(x[:, t], states, weights, ACTIVATIONS[activation], ACTIVATIONS[recurrent_activation])
        used = np.ones((len(x), 1), bool) if mask is None else mask[:, t, None]
        states = [np.where(used, after, before) for after, before in zip(new, states, strict=True)]
        output = np.where(used, new[0], output)
        outputs.append(output)
    return np.stack(outputs, axis=1), states


def check(layer: Any, step: Callable[..., list[Array]], weights: list[Array], mask: Array | None, given: bool) -> None:
    """Fail unless a layer in float64 with these weights gives the outputs and states of `run`."""
    import torch
    from _close import FLOAT64, assert_close

    rng = np.random.default_rng(11)
    rows, steps, features, units = 4, 6, weights[0].shape[0], layer.units
    x = rng.normal(size=(rows, steps, features))
    count = 2 if step is lstm_step else 1
    states = [rng.normal(size=(rows, units)) if given else np.zeros((rows, units)) for _ in range(count)]
    layer.build((None, None, features))
    layer.set_weights(weights)
    call: dict[str, Any] = {"initial_state": [torch.tensor(state) for state in states]} if given else {}
    if mask is not None:
        call["mask"] = torch.tensor(mask)
    outputs, *last = layer(torch.tensor(x), **call)
    gates = {} if step is simple_step else {"recurrent_activation": layer.get_config()["recurrent_activation"]}
    expected, after = run(
        step, x, states, weights, layer.get_config()["activation"], mask=mask, go_backwards=layer.go_backwards, **gates
    )
    assert_close(outputs, torch.tensor(expected), FLOAT64)
    for mine, theirs in zip(last, after, strict=True):
        assert_close(mine, torch.tensor(theirs), FLOAT64)


MASKS: dict[str, Array | None] = {
    "no mask": None,
    "right": np.arange(6) < np.array([6, 4, 1, 3])[:, None],
    "left": np.arange(6) >= np.array([0, 2, 5, 3])[:, None],
    "holes and an empty row": np.array([[1, 0, 1, 1, 0, 1], [0, 1, 0, 0, 1, 1], [0] * 6, [1] * 6], bool),
}
