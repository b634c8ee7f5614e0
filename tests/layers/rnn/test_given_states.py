"""States that are given: to both directions of a Bidirectional, and behind the input; and masks of one column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close
from torch import Tensor

from kerastorch import Input, Model, layers
from kerastorch.errors import ArgumentError, ShapeError

B, T, F, U = 3, 4, 5, 2
MASK = torch.tensor([[1, 1, 0, 0], [0, 1, 0, 1], [1, 1, 1, 0]], dtype=torch.bool)
RECURRENT: dict[str, Any] = {
    "LSTM": lambda **config: layers.LSTM(U, **config),
    "LSTM, step loop": lambda **config: layers.LSTM(U, activation="softsign", **config),
    "GRU": lambda **config: layers.GRU(U, **config),
    "SimpleRNN": lambda **config: layers.SimpleRNN(U, **config),
    "CuDNNLSTM": lambda **config: layers.CuDNNLSTM(U, **config),
    "RNN": lambda **config: layers.RNN(layers.LSTMCell(U), **config),
    "RNN of several": lambda **config: layers.RNN([layers.LSTMCell(3), layers.GRUCell(U)], **config),
}


def made(layer: Any, shape: tuple[Any, ...] = (B, T, F)) -> Any:
    """The layer in float64, with random distinct weights."""
    layer.build(shape)
    layer.double()
    rng = np.random.default_rng(2)
    layer.set_weights([rng.normal(0, 0.6, array.shape) for array in layer.get_weights()])
    return layer.eval()


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def states_for(layer: Any, rows: int = B) -> list[Tensor]:
    """One state for each that the layer has, all different."""
    return [random(rows, *size, seed=10 + index) for index, size in enumerate(layer._state_sizes)]


def same(ours: Any, theirs: Any) -> None:
    for mine, its in zip(flat(ours), flat(theirs), strict=True):
        # float64: the same sums, in one call of a kernel or in two.
        assert_close(mine, its)


def flat(value: Any) -> list[Tensor]:
    return [leaf for part in value for leaf in flat(part)] if isinstance(value, (list, tuple)) else [value]


# ---------------------------------------------------------------- Bidirectional


def directions(name: str, rows: int = B, **config: Any) -> tuple[Any, Any, Any]:
    """A Bidirectional that keeps states, and the two layers that it is made of, by themselves."""
    config = {"stateful": True, "return_sequences": True, **config}
    both = made(layers.Bidirectional(RECURRENT[name](**config), merge_mode=None), (rows, T, F))
    weights, half = both.get_weights(), len(both.get_weights()) // 2
    alone = [made(RECURRENT[name](**config, go_backwards=backwards), (rows, T, F)) for backwards in (False, True)]
    alone[0].set_weights(weights[:half])
    alone[1].set_weights(weights[half:])
    return both, *alone


def run_both(forward: Any, backward: Any, x: Tensor, states: list[list[Tensor]] | None = None) -> list[Tensor]:
    one, two = (states or (None, None))[0], (states or (None, None))[1]
    return [forward(x, initial_state=one), backward(x, initial_state=two).flip(1)]


@pytest.mark.parametrize("how", ["reset_state", "reset_states", "states"])
@pytest.mark.parametrize("name", RECURRENT)
def test_states_of_both_directions_are_set_forward_first(name: str, how: str) -> None:
    both, forward, backward = directions(name)
    x = random(B, T, F, seed=1)
    one, two = states_for(forward), [state.flip(0) + 0.5 for state in states_for(backward)]
    both(x)
    if how == "states":
        both.states = [*one, *two]
    else:
        getattr(both, how)([*one, *two])
    for kept, given in zip(flat(both.states), [*one, *two], strict=True):
        assert torch.equal(kept, given)
    swapped = run_both(forward, backward, x, [two, one])
    found = both(x)
    same(found, run_both(forward, backward, x, [one, two]))
    assert not any(torch.equal(mine, its) for mine, its in zip(found, swapped, strict=True))
    same(both.states, [*forward.states, *backward.states])  # each goes on with its own
    same(both(x), run_both(forward, backward, x))
    both.reset_state()
    assert all(torch.equal(state, torch.zeros_like(state)) for state in flat(both.states))
    forward.reset_state()
    backward.reset_state()
    same(both(x), run_both(forward, backward, x))


def test_states_of_a_batch_of_one_in_one_call_of_a_kernel() -> None:
    both, forward, backward = directions("LSTM", rows=1)
    x = random(1, T, F, seed=1)
    one, two = states_for(forward, 1), [state + 0.5 for state in states_for(backward, 1)]
    assert "both directions in one call" in both.kernel_choice(x).reason
    both.states = [*one, *two]
    with torch.no_grad():
        same(both(x), run_both(forward, backward, x, [one, two]))
        same(both.states, [*forward.states, *backward.states])


# ---------------------------------------------------------------- states behind the input


def with_states(name: str, **config: Any) -> tuple[Any, Tensor, list[Tensor]]:
    layer = RECURRENT[name](return_sequences=True, return_state=True, **config)
    layer = made(layer)
    return layer, random(B, T, F, seed=1), states_for(layer)


@pytest.mark.parametrize("join", [list, tuple])
@pytest.mark.parametrize("name", RECURRENT)
def test_states_behind_the_input_are_initial_states(name: str, join: Any) -> None:
    layer, x, states = with_states(name)
    found, wanted = layer(join([x, *states])), layer(x, initial_state=states)
    assert all(torch.equal(mine, its) for mine, its in zip(flat(found), flat(wanted), strict=True))
    assert not torch.equal(flat(found)[0], flat(layer(x))[0])
    masked = layer(join([x, *states]), mask=MASK)
    assert all(torch.equal(a, b) for a, b in zip(flat(masked), flat(layer(x, MASK, states)), strict=True))


@pytest.mark.parametrize("name", ["LSTM", "GRU", "RNN"])
def test_states_behind_the_input_of_a_bidirectional(name: str) -> None:
    layer = made(layers.Bidirectional(RECURRENT[name](return_sequences=True)))
    x, one = random(B, T, F, seed=1), states_for(layer.forward_layer)
    two = [state.flip(0) - 0.5 for state in one]
    found, wanted = layer([x, *one, *two]), layer(x, initial_state=[*one, *two])
    assert torch.equal(found, wanted)
    assert not torch.equal(found, layer(x, initial_state=[*two, *one]))
    assert not torch.equal(found, layer(x))


@pytest.mark.parametrize("size", [(3, 4), (5, 4)])
def test_states_behind_the_images_of_a_conv_lstm(size: tuple[int, int]) -> None:
    layer = made(layers.ConvLSTM2D(2, 3, padding="same"), (B, T, *size, F))
    x, (h, c) = random(B, T, *size, F, seed=1), (random(B, *size, 2, seed=i) for i in (2, 3))
    assert torch.equal(layer([x, h, c]), layer(x, initial_state=[h, c]))
    assert not torch.equal(layer([x, h, c]), layer([x, c, h]))


def given_inputs(*sizes: tuple[int, ...]) -> list[Any]:
    return [Input(size, dtype="float64") for size in sizes]


@pytest.mark.parametrize("built", [True, False])
@pytest.mark.parametrize("name", RECURRENT)
def test_symbolic_states_behind_the_input(name: str, built: bool) -> None:
    layer = RECURRENT[name](return_sequences=True, return_state=True, dtype=None if built else "float64")
    if built:
        made(layer)
    x, states = random(B, T, F, seed=1), states_for(layer)
    source, *given = given_inputs((T, F), *layer._state_sizes)
    listed = Model([source, *given], layer([source, *given]))
    made(layer)
    named = Model([source, *given], layer(source, initial_state=given))
    found = flat(listed([x, *states]))
    for mine, by_name, direct in zip(found, flat(named([x, *states])), flat(layer(x, None, states)), strict=True):
        assert torch.equal(mine, by_name)
        assert torch.equal(mine, direct)
    assert not torch.equal(found[0], flat(layer(x))[0])


@pytest.mark.parametrize("name", RECURRENT)
def test_states_behind_the_input_of_a_layer_that_is_not_built(name: str) -> None:
    layer = RECURRENT[name](return_sequences=True, return_state=True, dtype="float64")
    x, states = random(B, T, F, seed=1), states_for(layer)
    found = flat(layer([x, *states]))
    assert all(torch.equal(a, b) for a, b in zip(found, flat(layer(x, initial_state=states)), strict=True))
    assert not torch.equal(found[0], flat(layer(x))[0])


@pytest.mark.parametrize("name", ["LSTM", "GRU", "RNN"])
def test_states_behind_the_input_of_a_bidirectional_that_is_not_built(name: str) -> None:
    x = random(B, T, F, seed=1)
    layer = layers.Bidirectional(RECURRENT[name](dtype="float64"))
    states = [random(B, U, seed=20 + index) for index in range(2 * layer.forward_layer._state_count)]
    assert torch.equal(layer([x, *states]), layer(x, initial_state=states))
    drawn = layers.Bidirectional(RECURRENT[name](dtype="float64"))
    source, *given = given_inputs((T, F), *[(U,) for _ in states])
    listed = Model([source, *given], drawn([source, *given]))
    drawn.set_weights(layer.get_weights())
    assert torch.equal(listed([x, *states]), layer(x, initial_state=states))
    assert not torch.equal(listed([x, *states]), layer(x))


def test_states_behind_the_images_of_a_conv_lstm_that_is_not_built() -> None:
    x, states = random(B, T, 3, 4, F, seed=1), [random(B, 3, 4, 2, seed=i) for i in (2, 3)]
    layer = layers.ConvLSTM2D(2, 3, padding="same", dtype="float64")
    assert torch.equal(layer([x, *states]), layer(x, initial_state=states))
    drawn = layers.ConvLSTM2D(2, 3, padding="same", dtype="float64")
    source, *given = given_inputs((T, 3, 4, F), (3, 4, 2), (3, 4, 2))
    listed = Model([source, *given], drawn([source, *given]))
    drawn.set_weights(layer.get_weights())
    assert torch.equal(listed([x, *states]), layer(x, initial_state=states))


@pytest.mark.parametrize("name", ["LSTM", "RNN", "Bidirectional"])
def test_states_are_given_once(name: str) -> None:
    """Behind the input, by keyword or by position; the input alone in a list is the input."""
    x = random(B, T, F, seed=1)
    layer = made(layers.Bidirectional(RECURRENT["GRU"]()) if name == "Bidirectional" else RECURRENT[name]())
    h, c = random(B, U, seed=2), random(B, U, seed=3)
    with pytest.raises(ArgumentError, match="initial_state is given twice: behind the input and as an argument"):
        layer([x, h, c], initial_state=[h, c])
    with pytest.raises(ArgumentError, match="initial_state is given twice"):
        layer([x, h, c], None, [h, c])
    assert torch.equal(layer([x], initial_state=[h, c]), layer([x, h, c]))
    assert torch.equal(layer(x=[x, h, c]), layer([x, h, c]))


class Halved(layers.LSTM):
    """Takes the list as it is: half of each state."""

    def forward(self, pair: Any) -> Any:
        return super().forward([pair[0], *(state / 2 for state in pair[1:])])


class HalvedBoth(layers.Bidirectional):
    def forward(self, pair: Any) -> Any:
        return super().forward([pair[0], *(state / 2 for state in pair[1:])])


@pytest.mark.parametrize("make", [lambda: Halved(U), lambda: HalvedBoth(layers.GRU(U))], ids=["LSTM", "Bidirectional"])
def test_a_forward_that_takes_a_list_gets_it_whole(make: Any) -> None:
    layer, x = made(make()), random(B, T, F, seed=1)
    states = [random(B, U, seed=2), random(B, U, seed=3)]
    wanted = type(layer).__bases__[0].forward(layer, x, initial_state=[state / 2 for state in states])
    assert torch.equal(layer([x, *states]), wanted)


# ---------------------------------------------------------------- symbolic states that do not fit


def both_of(name: str) -> Any:
    return layers.Bidirectional(RECURRENT[name]())


def images() -> Any:
    return layers.ConvLSTM2D(2, 3, padding="same")


WRONG: dict[str, tuple[Any, tuple[int, ...], list[tuple[int | None, ...]], str]] = {
    "one for two": (RECURRENT["LSTM"], (T, F), [(U,)], "expected 2 states? of shape .batch, 2. and .*, got 1"),
    "two for one": (RECURRENT["GRU"], (T, F), [(U,), (U,)], "expected 1 states? of shape .batch, 2., got 2"),
    "none": (RECURRENT["LSTM"], (T, F), [], "expected 2 states? of shape .*, got 0"),
    "size": (RECURRENT["LSTM"], (T, F), [(U,), (7,)], r"state 1: expected shape .batch, 2., got .None, 7."),
    "rank": (RECURRENT["SimpleRNN"], (T, F), [(T, U)], r"state 0: expected shape .batch, 2., got .None, 4, 2."),
    "size, cuDNN": (RECURRENT["CuDNNLSTM"], (T, F), [(9,), (U,)], r"state 0: expected shape .batch, 2."),
    "number, RNN": (RECURRENT["RNN"], (T, F), [(U,)] * 3, "expected 2 states? of shape .*, got 3"),
    "order, stack": (RECURRENT["RNN of several"], (T, F), [(U,), (3,), (3,)], r"state 0: expected shape .batch, 3."),
    "number, both": (lambda: both_of("LSTM"), (T, F), [(U,), (U,)], "expected 4 initial states .*, got 2"),
    "odd number, both": (lambda: both_of("GRU"), (T, F), [(U,)] * 3, "expected 2 initial states .*, got 3"),
    "size, backwards": (lambda: both_of("LSTM"), (T, F), [(U,)] * 3 + [(5,)], r"LSTM .backward_.*: state 1: expected"),
    "rank, forwards": (lambda: both_of("RNN"), (T, F), [(1, U), (U,), (U,), (U,)], "RNN 'forward_.*: state 0"),
    "image": (
        images,
        (T, 3, 4, F),
        [(3, 4, 2), (3, 5, 2)],
        r"state 1: expected shape .batch, 3, 4, 2., got .None, 3, 5",
    ),
    "channels": (images, (T, None, 4, F), [(3, 4, 5), (3, 4, 2)], r"state 0: expected shape .batch, None, 4, 2."),
}


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("built", [False, True])
@pytest.mark.parametrize("case", WRONG)
def test_symbolic_states_that_do_not_fit_raise_when_the_graph_is_made(case: str, built: bool, behind: bool) -> None:
    make, shape, sizes, message = WRONG[case]
    layer = make()
    if built:
        layer.build((None, *shape))
    source, given = Input(shape), [Input(size) for size in sizes]
    if behind and not given:
        return  # that is the input alone
    with pytest.raises(ShapeError, match=message):
        layer([source, *given]) if behind else layer(source, initial_state=given)
    assert not layer._nodes  # the call left nothing: the layer serves in another graph
    assert layer(source) is not None


@pytest.mark.parametrize("name", ["GRU", "SimpleRNN"])
def test_a_symbolic_state_by_itself(name: str) -> None:
    source = Input((T, F), dtype="float64")
    layer = RECURRENT[name](dtype="float64")
    with pytest.raises(ShapeError, match=r"state 0: expected shape .batch, 2., got .None, 3."):
        layer(source, initial_state=Input((3,), dtype="float64"))
    with pytest.raises(ShapeError, match=r"expected 2 states? of shape .*, got 1"):
        RECURRENT["LSTM"]()(source, initial_state=Input((U,)))
    state = Input((U,), dtype="float64")
    model, x, h = (
        Model([source, state], layer(source, initial_state=state)),
        random(B, T, F, seed=1),
        random(B, U, seed=2),
    )
    assert torch.equal(model([x, h]), layer(x, initial_state=[h]))


@pytest.mark.parametrize("rows", [(None, None), (B, B), (None, B), (B, None), (None, 1)])
@pytest.mark.parametrize("features", [U, None])
def test_symbolic_states_whose_sizes_are_not_known_fit(rows: tuple[Any, Any], features: int | None) -> None:
    """Which rows and sizes come is for the data to say, as in Keras."""
    layer, x, states = with_states("LSTM")
    source = Input(batch_shape=(rows[0], T, F), dtype="float64")
    given = [Input(batch_shape=(rows[1], features), dtype="float64") for _ in states]
    model = Model([source, *given], layer(source, initial_state=tuple(given)))
    if rows[1] != 1:
        assert torch.equal(flat(model([x, *states]))[0], flat(layer(x, None, states))[0])


def test_symbolic_states_nested_as_the_cells() -> None:
    layer, x, states = with_states("RNN of several")
    source, h, c, other = given_inputs((T, F), *layer._state_sizes)
    model = Model([source, h, c, other], layer(source, initial_state=[[h, c], other]))
    assert torch.equal(flat(model([x, *states]))[0], flat(layer(x, None, states))[0])
    with pytest.raises(ShapeError, match=r"state 2: expected shape .batch, 2., got .None, 3."):
        layer(source, initial_state=[[h, c], c])


def test_constant_states_of_a_graph_are_checked_too() -> None:
    source = Input((T, F))
    h = np.ones((B, U), np.float32)
    layer = RECURRENT["LSTM"]()
    layer(source, initial_state=[h, torch.ones(B, U)])
    with pytest.raises(ShapeError, match=r"state 1: expected shape .batch, 2., got .3, 5."):
        layer(source, initial_state=[h, np.ones((B, 5), np.float32)])


class FromOne(layers.LSTM):
    """Makes both states of one, twice as wide."""

    def forward(self, x: Any, initial_state: Any = None) -> Any:
        return super().forward(x, initial_state=list(initial_state.chunk(2, dim=-1)))


class Doubled(layers.GRU):
    """Takes a state in two halves side by side, and adds them."""

    def forward(self, x: Any, mask: Any = None, initial_state: Any = None, training: Any = None) -> Any:
        return super().forward(x, mask, initial_state[0][:, :U] + initial_state[0][:, U:], training)


def test_a_forward_of_ones_own_says_what_its_states_are_in_both_directions() -> None:
    layer = made(layers.Bidirectional(Doubled(U)))
    source, *given = given_inputs((T, F), (2 * U,), (2 * U,))
    model = Model([source, *given], layer(source, initial_state=given))
    x, states = random(B, T, F, seed=1), [random(B, 2 * U, seed=2), random(B, 2 * U, seed=3)]
    assert torch.equal(model([x, *states]), layer(x, initial_state=states))


def test_a_forward_of_ones_own_says_what_its_states_are() -> None:
    layer = made(FromOne(U))
    source, state = given_inputs((T, F), (2 * U,))
    model, x, both = (
        Model([source, state], layer(source, initial_state=state)),
        random(B, T, F, seed=1),
        random(B, 4, seed=2),
    )
    assert torch.equal(model([x, both]), layer(x, initial_state=both))


# ---------------------------------------------------------------- masks


@pytest.mark.parametrize("dtype", [torch.bool, torch.float32, torch.int64])
@pytest.mark.parametrize("name", RECURRENT)
def test_a_mask_of_one_column_is_the_mask(name: str, dtype: torch.dtype) -> None:
    """`(B, T, 1)`, as a mask stands that was made by comparing features."""
    layer, x, _ = with_states(name)
    wanted = flat(layer(x, mask=MASK))
    for mask in (MASK[..., None].to(dtype), MASK.to(dtype)):
        assert all(torch.equal(mine, its) for mine, its in zip(flat(layer(x, mask=mask)), wanted, strict=True))
    inverted = flat(layer(x, mask=~MASK))
    assert all(not torch.equal(mine, its) for mine, its in zip(inverted, wanted, strict=True))
    steps = [flat(layer(x[row : row + 1][:, MASK[row]])) for row in range(B)]  # what a mask means: these steps alone
    for index, state in enumerate(wanted[1:], 1):
        same(state, torch.cat([each[index] for each in steps]))


@pytest.mark.parametrize("name", ["LSTM", "GRU", "RNN"])
def test_a_mask_of_one_column_on_both_directions(name: str) -> None:
    layer = made(layers.Bidirectional(RECURRENT[name](return_sequences=True)))
    x = random(B, T, F, seed=1)
    assert torch.equal(layer(x, mask=MASK[..., None]), layer(x, mask=MASK))
    assert not torch.equal(layer(x, mask=~MASK[..., None]), layer(x, mask=MASK))
