"""RNN: any cell over time, built in or a person's own; stacks, nested states, constants, dropout, configs, files."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest
import torch
from _close import apart, assert_close
from _made_cells import ALL, MASK, Attending, Own, Running, fill, gradients, random

import kerastorch as kt
from kerastorch import Input, Model, Sequential, layers
from kerastorch.compat import to_spec
from kerastorch.errors import ArgumentError, ShapeError, UnsupportedError, UnsupportedFileError
from kerastorch.structure import leaves, map_structure

PAIRS = [
    (layers.LSTMCell, layers.LSTM, {}),
    (layers.LSTMCell, layers.LSTM, {"activation": "relu", "recurrent_activation": "hard_sigmoid"}),
    (layers.GRUCell, layers.GRU, {}),
    (layers.GRUCell, layers.GRU, {"reset_after": False, "use_bias": False}),
    (layers.SimpleRNNCell, layers.SimpleRNN, {}),
]


# ---------------------------------------------------------------- built-in cells


@pytest.mark.parametrize(("cell_class", "layer_class", "config"), PAIRS)
@pytest.mark.parametrize("options", [{}, {"go_backwards": True}, {"zero_output_for_mask": True}], ids=str)
@pytest.mark.parametrize("mask", [None, MASK], ids=["no mask", "mask"])
def test_a_built_in_cell_computes_what_its_layer_does(
    cell_class: Any, layer_class: Any, config: Any, options: Any, mask: Any
) -> None:
    layer = fill(layer_class(5, **config, **options, **ALL))
    rnn = fill(layers.RNN(cell_class(5, **config), **options, **ALL))
    assert rnn.count_params() == layer.count_params()
    assert rnn.kernel_choice().path == layer.kernel_choice().path
    states = [random(3, 5, seed=4 + index) for index in range(layer._state_count)]
    assert_close(gradients(rnn, random(3, 6, 4), mask=mask), gradients(layer, random(3, 6, 4), mask=mask))
    given = {"mask": mask, "initial_state": states}
    assert_close(gradients(rnn, random(3, 6, 4), **given), gradients(layer, random(3, 6, 4), **given))


class SteppedCells(layers.StackedRNNCells):
    """A stack that RNN runs step by step, since it does not know the class."""


@pytest.mark.parametrize("mask", [None, MASK], ids=["no mask", "mask"])
@pytest.mark.parametrize("fast", [True, False], ids=["kernels", "loops"])
def test_a_stack_cell_by_cell_equals_a_stack_step_by_step(mask: Any, fast: bool) -> None:
    def cells() -> list[Any]:
        return [
            layers.LSTMCell(5, activation="tanh" if fast else "relu"),
            layers.GRUCell(4, reset_after=fast),
            layers.SimpleRNNCell(3),
        ]

    whole, stepped = fill(layers.RNN(cells(), **ALL)), fill(layers.RNN(SteppedCells(cells()), **ALL))
    assert whole.kernel_choice().path == ("fused" if fast else "step loop")
    assert stepped.kernel_choice() == ("step loop", "'SteppedCells' is not one of kerastorch's own cells")
    states = [random(3, size, seed=size) for size in (5, 5, 4, 3)]
    given = {"mask": mask, "initial_state": states}
    assert_close(gradients(whole, random(3, 6, 4), **given), gradients(stepped, random(3, 6, 4), **given))


def test_the_choice_of_the_kernel_says_why() -> None:
    rnn = layers.RNN([layers.LSTMCell(2), layers.GRUCell(2, reset_after=False, name="slow")])
    path, reason = rnn.kernel_choice()
    assert path == "step loop"
    assert reason.startswith("GRUCell 'slow': torch's GRU kernel has reset_after=True only")
    assert layers.RNN([layers.LSTMCell(2)] * 2).kernel_choice() == ("fused", "every cell has a kernel")
    dropping = layers.RNN(layers.LSTMCell(2, recurrent_dropout=0.5))
    assert dropping.kernel_choice(training=False).path == "fused"
    assert "recurrent_dropout" in dropping.kernel_choice(training=True).reason


def test_states_are_nested_outside_and_flat_inside() -> None:
    rnn = fill(layers.RNN([layers.LSTMCell(5), layers.GRUCell(4)], **ALL))
    out, (h, c), g = rnn(random(3, 6, 4))
    assert [tuple(part.shape) for part in (out, h, c, g)] == [(3, 6, 4), (3, 5), (3, 5), (3, 4)]
    assert rnn.compute_output_shape((None, 6, 4)) == ((None, 6, 4), [(None, 5), (None, 5)], (None, 4))
    assert rnn.state_size == [[5, 5], 4]
    nested, flat = [[h, c], g], [h, c, g]
    x = random(3, 6, 4)
    for ours, theirs in zip(*(leaves(rnn(x, initial_state=given)) for given in (nested, flat)), strict=True):
        assert torch.equal(ours, theirs)
    behind = rnn([random(3, 6, 4), [h, c], g])  # as Keras 2 passes them
    assert torch.equal(behind[0], rnn(random(3, 6, 4), initial_state=nested)[0])
    assert not torch.equal(behind[0], out)
    with pytest.raises(ShapeError, match=r"expected 3 states of shape .* got 2"):
        rnn(random(3, 6, 4), initial_state=[h, c])
    with pytest.raises(ShapeError, match=r"state 2: expected shape \(3, 4\), got \(3, 5\)"):
        rnn(random(3, 6, 4), initial_state=[h, c, h])
    with pytest.raises(ArgumentError, match="initial_state is given twice"):
        rnn([random(3, 6, 4), h, c, g], initial_state=nested)
    zeros = rnn.get_initial_state(2)
    assert [tuple(state.shape) for state in leaves(zeros)] == [(2, 5), (2, 5), (2, 4)]


def test_a_stateful_stack_in_pieces_equals_the_whole() -> None:
    def make(**options: Any) -> Any:
        cells = [layers.LSTMCell(5), layers.GRUCell(4)]
        return fill(layers.RNN(cells, return_sequences=True, **options))

    rnn, x = make(stateful=True), random(3, 6, 4)
    whole = make()(x, mask=MASK)
    assert rnn.states is None
    pieces = [rnn(x[:, a:b], mask=MASK[:, a:b]) for a, b in ((0, 2), (2, 5), (5, 6))]
    # Behind masked first steps the whole repeats its output, and a piece, which has none yet, starts with zeros.
    valid = MASK.unsqueeze(-1)
    assert_close(torch.cat(pieces, 1) * valid, whole * valid)
    (h, c), g = map_structure(torch.clone, rnn.states)
    assert not h.requires_grad
    assert not any(name.startswith("state_") for name in rnn.state_dict())
    with pytest.raises(ShapeError, match="keeps states for a batch of 3, got a batch of 2"):
        rnn(x[:2])
    again = copy.deepcopy(rnn)
    rnn.reset_state()
    assert not any(state.any() for state in leaves(rnn.states))
    rnn.states = [[h, c], g]
    assert torch.equal(rnn(x), again(x))
    with pytest.raises(ArgumentError, match="keeps no state between batches"):
        make().reset_state()


def test_one_dropout_mask_for_a_sequence_and_another_for_the_next() -> None:
    cell = layers.SimpleRNNCell(50, activation="linear", dropout=0.5)
    rnn = layers.RNN(cell, return_sequences=True)
    rnn.build((None, 6, 40))
    kernel, recurrent, bias = rnn.get_weights()
    rnn.set_weights([kernel, recurrent * 0, bias])
    x = torch.ones(3, 6, 40)
    first, second = rnn(x, training=True), rnn(x, training=True)
    assert_close(first, first[:, :1].expand_as(first))
    assert apart(first, second)
    assert cell._dropout_mask is None
    assert torch.equal(rnn(x, training=False), rnn.eval()(x))
    rnn.train()
    cell._dropout_mask = torch.ones(1, 3, 40)  # a given mask is used, once
    assert_close(rnn(x), rnn.eval()(x))
    assert cell._dropout_mask is None


# ---------------------------------------------------------------- in models and wrappers


def test_in_a_functional_model() -> None:
    x, scale, shift = Input((6, 4)), Input((4,)), Input((4,))
    out, (h, c), g = layers.RNN([layers.LSTMCell(4), layers.GRUCell(3)], **ALL)(x)
    later = layers.RNN(Attending(), return_sequences=True)(x, initial_state=[h], constants=[scale, shift])
    model = Model([x, scale, shift], [out, later, c, g])
    assert [tensor.shape for tensor in model.outputs] == [(None, 6, 3), (None, 6, 4), (None, 4), (None, 3)]
    model.double()
    arrays = random(3, 6, 4), random(3, 4, seed=2), random(3, 4, seed=3)
    found = model(*arrays)
    first, second = (layer for layer in model.layers if isinstance(layer, layers.RNN))
    wanted, (h, c), g = first(arrays[0])
    pairs = [(wanted, found[0]), (c, found[2]), (g, found[3])]
    pairs.append((second(arrays[0], initial_state=h, constants=list(arrays[1:])), found[1]))
    assert all(torch.equal(ours, theirs) for ours, theirs in pairs)


def test_masks_reach_it_and_leave_it() -> None:
    model = Sequential([Input((6, 4)), layers.Masking(), layers.RNN(Own(5), return_sequences=True), layers.LSTM(2)])
    model.double()
    x = random(3, 6, 4) * MASK.unsqueeze(-1)
    _, _, rnn, lstm = model.layers if len(model.layers) == 4 else [None, *model.layers]
    assert torch.equal(model(x), lstm(rnn(x, mask=MASK), mask=MASK))
    assert not torch.equal(model(x), lstm(rnn(x)))


@pytest.mark.parametrize("make", [lambda: layers.LSTMCell(4), lambda: [layers.GRUCell(4), Running()], Running])
def test_bidirectional_runs_any_cell_both_ways(make: Any) -> None:
    both = fill(layers.Bidirectional(layers.RNN(make(), **ALL), merge_mode="sum"))
    forward, backward = both.forward_layer, both.backward_layer
    assert not np.array_equal(forward.get_weights()[0], backward.get_weights()[0])
    x = random(3, 6, 4)
    out, *states = both(x, mask=MASK)
    a, *first = forward(x, mask=MASK)
    b, *second = backward(x, mask=MASK)
    assert torch.equal(out, a + b.flip(1))
    for ours, theirs in zip(leaves(states), leaves([first, second]), strict=True):
        assert torch.equal(ours, theirs)
    given = [random(*state.shape, seed=index) for index, state in enumerate(leaves(states))]
    assert not torch.equal(both(x, mask=MASK, initial_state=given)[0], out)


def test_a_cell_without_a_config_cannot_be_copied() -> None:
    with pytest.raises(UnsupportedError, match=r"Own has no get_config, .* give it a get_config"):
        layers.Bidirectional(layers.RNN(Own(5)))

    class Forgetful(Own):
        def get_config(self) -> dict[str, Any]:
            return {"size": self.units}

    with pytest.raises(ArgumentError, match=r"Forgetful: its constructor does not take .* \('size'\)"):
        layers.Bidirectional(layers.RNN(Forgetful(5)))


def test_time_distributed_runs_a_sequence_at_each_step() -> None:
    rnn = fill(layers.RNN([layers.GRUCell(4), Running()], **ALL))
    x = random(3, 2, 6, 4)
    out, first, (outer, (mean, count)) = layers.TimeDistributed(rnn)(x)
    for step in range(2):
        wanted, f, (o, (m, n)) = rnn(x[:, step])
        pairs = [(out, wanted), (first, f), (outer, o), (mean, m), (count, n)]
        for ours, theirs in pairs:
            assert_close(ours[:, step], theirs)


# ---------------------------------------------------------------- configs and files


def test_configs_come_back() -> None:
    rnn = layers.RNN([layers.LSTMCell(3, dropout=0.1), layers.GRUCell(2, reset_after=False)], stateful=True, name="r")
    config = json.loads(json.dumps(rnn.get_config()))
    again = layers.RNN.from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config
    assert [type(cell) for cell in again.cell.cells] == [layers.LSTMCell, layers.GRUCell]
    assert again.cell.cells[0].dropout == 0.1
    assert "num_constants" not in config
    assert layers.RNN.from_config(layers.RNN(Running(2.0), num_constants=1).get_config()).cell.start == 2.0
    own = json.loads(json.dumps(layers.RNN(Running(name="mine")).get_config()))
    assert own["cell"]["class_name"] == "Running"
    with pytest.raises(ArgumentError, match="cell: unknown layer class 'Running'"):
        layers.RNN.from_config(own)
    frozen = layers.RNN(layers.LSTMCell(2), trainable=False)
    frozen.build((None, None, 3))
    assert not any(parameter.requires_grad for parameter in frozen.parameters())


def item(class_name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": config}


def old_model(*cells: dict[str, Any], version: str, **config: Any) -> dict[str, Any]:
    """A Sequential of Keras 2 with an RNN over a stack."""
    rnn = item("RNN", cell=item("StackedRNNCells", cells=list(cells)), batch_input_shape=[None, 5, 3], **config)
    return {**item("Sequential", name="m", layers=[rnn]), "keras_version": version, "backend": "tensorflow"}


def test_what_an_old_config_leaves_out_means_what_it_meant() -> None:
    cells = item("LSTMCell", units=2), item("GRUCell", units=2, recurrent_activation="sigmoid")

    def read(version: str) -> Any:
        return to_spec(old_model(*cells, version=version))[0].layers[1].config["cell"].config["cells"]

    first, second = read("2.2.4")
    assert first.config["recurrent_activation"] == "hard_sigmoid_keras2"
    assert second.config["reset_after"] is False
    first, second = read("2.15.0")
    assert first.config["recurrent_activation"] == "sigmoid"
    assert second.config["reset_after"] is True
    model = kt.model_from_json(json.dumps(old_model(*cells, version="2.2.4")))
    assert [cell.units for cell in model.layers[-1].cell.cells] == [2, 2]


def test_configs_that_cannot_be_meant_are_refused() -> None:
    cells = item("LSTMCell", units=2), item("LSTMCell", units=2)
    graph = old_model(*cells, version="2.1.6", return_state=True)
    rnn = {**graph["config"]["layers"][0], "name": "r", "inbound_nodes": [[["i", 0, 0, {}]]]}
    source = {**item("InputLayer", batch_input_shape=[None, 5, 3], name="i"), "name": "i", "inbound_nodes": []}
    graph = {
        **item("Model", name="m", layers=[source, rnn], input_layers=[["i", 0, 0]], output_layers=[["r", 0, 0]]),
        "keras_version": "2.1.6",
    }
    with pytest.raises(UnsupportedFileError, match=r"'r': until Keras 2\.2\.4 the states of StackedRNNCells stood in"):
        to_spec(graph)
    to_spec({**graph, "keras_version": "2.2.4"})
    reverse = old_model(*cells, version="2.3.1")
    reverse["config"]["layers"][0]["config"]["cell"]["config"]["reverse_state_order"] = True
    with pytest.raises(UnsupportedFileError, match="reverse_state_order = True: the states are in the order"):
        to_spec(reverse)
    with pytest.raises(UnsupportedFileError, match="'MyCell'"):
        to_spec(old_model(item("MyCell", units=2, name="c"), version="2.3.1"))


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float64", "bfloat16"])
def test_dtypes_are_those_of_the_cell(policy: str) -> None:
    rnn = layers.RNN(
        [layers.LSTMCell(5, dtype=policy), layers.GRUCell(4, dtype=policy, reset_after=False)], dtype=policy
    )
    lstm, gru = layers.LSTM(5, dtype=policy, return_sequences=True), layers.GRU(4, dtype=policy, reset_after=False)
    chain = Sequential([Input((6, 4)), lstm, gru])
    rnn.build((None, 6, 4))
    chain.set_weights(rnn.get_weights())
    x = torch.randn(3, 6, 4, dtype=lstm.dtype)
    found, wanted = rnn(x, mask=MASK), gru(lstm(x, mask=MASK), mask=MASK)
    assert found.dtype == wanted.dtype
    assert_close(found, wanted)
    assert rnn.get_config()["cell"]["config"]["cells"][0]["config"]["dtype"] == policy
    with torch.autocast("cpu", torch.bfloat16):
        assert rnn(x).dtype == gru(lstm(x)).dtype


@pytest.mark.parametrize(
    "make", [lambda: [layers.LSTMCell(5), layers.GRUCell(4)], lambda: Own(5)], ids=["stack", "own"]
)
def test_compiles_as_one_graph(make: Any) -> None:
    rnn = layers.RNN(make())
    x = torch.randn(3, 6, 4)
    wanted = rnn(x, mask=MASK)
    torch._dynamo.reset()  # it has compiled the call of a layer for others as often as it will
    found = torch.compile(rnn, fullgraph=True, backend="eager")(x, mask=MASK)
    assert_close(found, wanted)
