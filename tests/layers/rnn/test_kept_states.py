"""What a stateful layer keeps is its own: nothing that it returned or was given shares memory with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from _conv_lstms import MASK, images, make
from torch import Tensor

from kerastorch import Input, layers
from kerastorch.errors import ShapeError

B, T, F, U = 2, 3, 4, 5
KEPT: dict[str, Any] = {
    "LSTM": lambda **config: layers.LSTM(U, **config),
    "LSTM, step loop": lambda **config: layers.LSTM(U, activation="softsign", **config),
    "GRU": lambda **config: layers.GRU(U, **config),
    "SimpleRNN": lambda **config: layers.SimpleRNN(U, **config),
    "CuDNNGRU": lambda **config: layers.CuDNNGRU(U, **config),
    "RNN": lambda **config: layers.RNN(layers.LSTMCell(U, dtype=config["dtype"]), **config),
    "Bidirectional": lambda **config: layers.Bidirectional(layers.LSTM(U, **config)),
    "ConvLSTM": lambda **config: layers.ConvLSTM1D(U, 2, padding="same", **config),
}


def made(name: str, dtype: str, **config: Any) -> tuple[Any, Tensor]:
    layer = KEPT[name](stateful=True, return_state=True, dtype=dtype, **config).eval()
    generator = torch.Generator().manual_seed(1)
    shape = (B, T, 6, F) if name == "ConvLSTM" else (B, T, F)
    x = torch.randn(shape, generator=generator, dtype=getattr(torch, dtype))
    layer.build(shape)
    rng = np.random.default_rng(2)
    layer.set_weights([rng.normal(0, 0.5, array.shape) for array in layer.get_weights()])
    return layer, x


@pytest.mark.parametrize("steps", [1, T])
@pytest.mark.parametrize("dtype", ["float32", "float64"])  # compiled code, and operations of torch
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("name", KEPT)
def test_a_reset_leaves_what_was_returned(name: str, sequences: bool, masked: bool, dtype: str, steps: int) -> None:
    layer, x = made(name, dtype, return_sequences=sequences)
    x = x[:, :steps]
    mask = torch.tensor([[1] * steps, [0] * steps], dtype=torch.bool) if masked else None
    with torch.no_grad():
        layer(x)  # so that the states are there before
        returned = [*layer(x, mask=mask)]
        kept = [state.clone() for state in layer.states]
        copies = [tensor.clone() for tensor in returned]
        layer.reset_state()
        assert all(torch.equal(ours, copy) for ours, copy in zip(returned, copies, strict=True))
        layer.reset_state(kept)
        following = layer(x)[0]
        layer.reset_state(kept)
        returned = [*layer(x, mask=mask)]
        layer.reset_state(kept)
        for tensor in returned:
            tensor.fill_(7.0)
        assert all(torch.equal(ours, state) for ours, state in zip(layer.states, kept, strict=True))
        assert torch.equal(layer(x)[0], following)


@pytest.mark.parametrize("name", KEPT)
def test_changing_what_was_returned_changes_no_state(name: str) -> None:
    for dtype in ("float32", "float64"):
        layer, x = made(name, dtype, return_sequences=True)
        with torch.no_grad():
            returned = [*layer(x)]
            kept = [state.clone() for state in layer.states]
            for tensor in returned:
                tensor.fill_(7.0)
            assert all(torch.equal(ours, state) for ours, state in zip(layer.states, kept, strict=True))


@pytest.mark.parametrize("how", ["tensors", "arrays"])
@pytest.mark.parametrize("name", KEPT)
def test_given_states_are_copied(name: str, how: str) -> None:
    layer, x = made(name, "float32")
    layer(x)
    given: list[Any] = [torch.rand_like(state) for state in layer.states]
    copies = [state.clone() for state in given]
    if how == "arrays":
        given = [state.numpy() for state in given]
    layer.reset_state(given)
    layer.reset_state()
    assert all(np.array_equal(np.asarray(mine), np.asarray(copy)) for mine, copy in zip(given, copies, strict=True))
    layer.states = given
    for state in given:
        state[...] = 3.0
    assert all(torch.equal(mine, copy) for mine, copy in zip(layer.states, copies, strict=True))


@pytest.mark.parametrize("name", [name for name in KEPT if name != "ConvLSTM"])
def test_initial_states_are_left_as_they_are(name: str) -> None:
    """They start the batch, and the kept states go on from there."""
    layer, x = made(name, "float32")
    layer(x)
    given = [torch.rand_like(state) for state in layer.states]
    copies = [state.clone() for state in given]
    layer(x, initial_state=given, mask=torch.zeros(B, T, dtype=torch.bool))  # the final states are the given ones
    assert all(torch.equal(mine, copy) for mine, copy in zip(layer.states, copies, strict=True))
    layer.reset_state()
    assert all(torch.equal(mine, copy) for mine, copy in zip(given, copies, strict=True))


# ---------------------------------------------------------------- the last step of a ConvLSTM

LAST = MASK.clone()
LAST[0, -1], LAST[1, -1], LAST[1, 0] = True, False, True  # first and last step differ in every row


@pytest.mark.parametrize("hide", [False, True])
@pytest.mark.parametrize(
    ("data_format", "places"), [("channels_last", False), ("channels_last", True), ("channels_first", False)]
)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_last_output_of_a_conv_lstm_has_the_mask_of_the_last_step(
    rank: int, data_format: str, places: bool, hide: bool
) -> None:
    config = {"padding": "same", "data_format": data_format, "zero_output_for_mask": hide}
    last, whole = make(rank, **config), make(rank, **config, return_sequences=True)
    x = images(rank)
    mask = LAST
    if places:
        mask = torch.rand(x.shape[:-1], generator=torch.Generator().manual_seed(3)) < 0.6
    x = x.movedim(-1, 2) if data_format == "channels_first" else x
    found, wanted = last(x, mask=mask), whole(x, mask=mask)[:, -1]
    assert torch.equal(found, wanted)
    unhidden = make(rank, **{**config, "zero_output_for_mask": False})(x, mask=mask)
    step = mask[:, -1]
    keep = step.reshape(*step.shape, *[1] * (unhidden.ndim - step.ndim))
    assert torch.equal(found, unhidden * keep if hide else unhidden)
    assert unhidden[~step].any()  # there is something to hide


@pytest.mark.parametrize("ran", [False, True])
@pytest.mark.parametrize("name", KEPT)
def test_states_of_another_batch_size_are_refused(name: str, ran: bool) -> None:
    layer, x = made(name, "float32")
    if ran:
        layer(x)
    kept = None if layer.states is None else [state.clone() for state in layer.states]
    wrong = [torch.ones(B + 1, *state.shape[1:]) for state in (kept or made_states(name, x))]
    right = [torch.ones(B, *state.shape[1:]) for state in wrong]
    mixed = [*right[:-1], wrong[-1]]
    for given in (wrong, *([mixed] if len(mixed) > 1 else [])):
        for put in (layer.reset_state, layer.reset_states, lambda values: setattr(layer, "states", values)):
            with pytest.raises(ShapeError, match=rf"state \d: expected shape \({B}, .*, got \({B + 1}, "):
                put(given)
    assert (layer.states is None) is (kept is None)
    for now, before in zip(layer.states or (), kept or (), strict=True):
        assert torch.equal(now, before)
    layer.reset_state(right)
    assert all(torch.equal(now, given) for now, given in zip(layer.states, right, strict=True))


def made_states(name: str, x: Tensor) -> list[Tensor]:
    other, _ = made(name, "float32")
    other(x)
    return other.states


def test_states_before_anything_is_known() -> None:
    layer: Any = layers.LSTM(U, stateful=True)
    with pytest.raises(ShapeError, match=r"expected states of one batch size, got \[2, 3\] rows"):
        layer.reset_state([torch.ones(2, U), torch.ones(3, U)])
    layer.reset_state([torch.ones(3, U)] * 2)
    with pytest.raises(
        ShapeError, match=r"keeps states for a batch of 3, got a batch of 2\. Keep the batch size, or make"
    ):
        layer(torch.ones(2, T, F))


def test_rows_of_states_in_graphs() -> None:
    x, step, given = Input(batch_shape=(B, T, F)), Input(batch_shape=(B, F)), Input(batch_shape=(B + 1, U))
    calls: list[Any] = [
        lambda: layers.GRU(U)(x, initial_state=given),
        lambda: layers.Bidirectional(layers.GRU(U))(x, initial_state=[given, given]),
        lambda: layers.RNN(layers.GRUCell(U))(x, initial_state=given),
        lambda: layers.GRUCell(U)(step, [given]),
        lambda: layers.StackedRNNCells([layers.GRUCell(U)])(step, [[given]]),
    ]
    for call in calls:
        with pytest.raises(ShapeError, match=rf"state 0: expected shape \({B}, {U}\), got \({B + 1}, {U}\)"):
            call()
