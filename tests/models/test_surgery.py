"""Taking models apart: symbolic inputs and outputs of layers, new models from old layers, add and pop."""

from __future__ import annotations

import copy
import gc
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from _taken_apart import chain, seq2seq
from torch import Tensor

from kerastorch import Input, Model, Sequential, layers
from kerastorch.errors import ArgumentError, NotBuiltError


def copies(model: Any) -> list[Any]:
    return [model, copy.deepcopy(model), pickle.loads(pickle.dumps(model))]


# ---------------------------------------------------------------- symbolic tensors


def test_a_layer_knows_its_first_call_and_the_others() -> None:
    shared = layers.LSTM(4, name="shared")
    a, b = Input((5, 3)), Input((7, 3))
    first, second = shared(a), shared(b)
    assert shared.input is a
    assert shared.output is first
    assert shared.get_input_at(1) is b
    assert shared.get_output_at(-1) is second
    assert shared.get_input_shape_at(1) == (None, 7, 3)
    assert shared.get_output_shape_at(0) == (None, 4)
    assert a.node.layer.input is a.node.layer.output is a
    with pytest.raises(
        ArgumentError,
        match=r"LSTM 'shared': there is no output at call 2: it was called 2 times, on "
        r"\[\(None, 5, 3\), \(None, 7, 3\)\]",
    ):
        shared.get_output_at(2)
    join = layers.Concatenate(name="join")
    join([first, second])
    assert [tensor is wanted for tensor, wanted in zip(join.input, [first, second], strict=True)] == [True, True]


def test_a_layer_that_was_never_called_says_so() -> None:
    layer = layers.LSTM(4, name="alone")
    layer(torch.zeros(1, 2, 3))
    for ask in (lambda: layer.input, lambda: layer.output, lambda: layer.get_output_at(0)):
        with pytest.raises(NotBuiltError, match="LSTM 'alone' has never been called on a symbolic tensor"):
            ask()
    with pytest.raises(NotBuiltError, match="Sequential 's' is not built, so it has no inputs yet"):
        Sequential([layers.LSTM(4)], name="s").output  # noqa: B018


def test_states_stand_behind_the_input() -> None:
    for model in copies(seq2seq()):
        decoder, encoder = model.get_layer("decoder"), model.get_layer("encoder")
        assert decoder.input[0] is model.input[1]
        assert decoder.input[1:] == encoder.output[1:]
        assert [tensor.shape for tensor in decoder.output] == [(None, None, 4), (None, 4), (None, 4)]
        assert model.output is model.outputs[0] is model.get_layer("head").output
        assert (model.input_names, model.output_names) == (["source", "target"], ["head"])


def test_names_places_and_structures() -> None:
    model = seq2seq()
    assert model.get_layer("head") is model.get_layer(4) is model.get_layer(index=-1) is model.get_layer(name="head")
    assert model.get_layer("head", index=0) is model.layers[0]  # as in Keras, the index counts
    assert model.layers.index(model.layers[3]) == 3
    model.layers[:-1].append(layers.Dense(3))  # a list of its own, as in Keras
    model.layers.pop()
    assert len(model.layers) == 5
    with pytest.raises(ArgumentError, match="give a name or an index"):
        model.get_layer()
    with pytest.raises(ArgumentError, match="has 5 layers, no index 5"):
        model.get_layer(5)
    x = Input((3,), name="x")
    y = layers.Dense(2)(x)
    assert Model([x], [y]).output_shape == (None, 2)  # a list of one is that one, as in Keras
    assert isinstance(Model([x], [y])(torch.zeros(1, 3)), Tensor)
    named = Model({"x": x}, {"y": y})
    assert named.input == {"x": x}
    assert named.output == {"y": y}


def test_a_copied_model_has_one_graph_whoever_is_asked_first() -> None:
    for model in copies(seq2seq())[1:]:
        head = model.get_layer("head").output
        features = Model(model.input, [head, *model.get_layer("encoder").output[1:]])
        x, y = torch.randn(2, 5, 3), torch.randn(2, 4, 2)
        assert torch.equal(features([x, y])[0], model([x, y]))
        # A layer that is called elsewhere first has still its own model's call as call 0.
    model = copy.deepcopy(seq2seq())
    other = model.get_layer("head")(Input((1, 4)))
    assert model.get_layer("head").output is model.output
    assert model.get_layer("head").get_output_at(1) is other


def test_a_sequential_has_one_graph_whoever_is_asked_first() -> None:
    for model in copies(chain()):
        elsewhere = Input((2, 5))
        model.get_layer("two")(elsewhere)
        features = Model(model.input, [layer.output for layer in model.layers])
        x = torch.randn(2, 6, 3)
        assert torch.equal(features.eval()(x)[-1], model.eval()(x))


def test_a_layer_does_not_keep_its_sequential_alive() -> None:
    model = chain()
    layer = model.layers[0]
    del model
    gc.collect()
    with pytest.raises(NotBuiltError, match="has never been called"):
        layer.output  # noqa: B018


def test_symbols_of_a_model_that_a_call_has_built_leave_it_free() -> None:
    model = Sequential([layers.LSTM(4, return_sequences=True), layers.Dense(2)])
    model(torch.zeros(2, 7, 3))
    assert Model(model.inputs, model.layers[0].output).output_shape == (None, 7, 4)
    assert model(torch.zeros(2, 9, 3)).shape == (2, 9, 2)


# ---------------------------------------------------------------- tensors in the middle as inputs


def test_an_intermediate_tensor_becomes_an_input() -> None:
    for model in copies(seq2seq()):
        decoder = model.get_layer("decoder")
        tail = Model(decoder.output[0], model.output)
        assert [layer.name for layer in tail.layers] == ["decoder_output_0", "head"]
        assert tail.layers[1] is model.layers[4]
        hidden = torch.randn(2, 5, 4)
        assert torch.equal(tail(hidden), model.layers[4](hidden))
        assert model.get_layer("head").output is model.output  # its first call, as before


def test_one_output_of_a_call_can_be_given_and_the_other_be_computed() -> None:
    model = seq2seq()
    h, c = model.get_layer("encoder").output[1:]
    assert model.input[0] is model.get_layer("encoder").input
    part = Model([model.input[0], model.input[1], h], model.output)
    x, y, state = torch.randn(2, 5, 3), torch.randn(2, 4, 2), torch.randn(2, 4)
    cell = model.get_layer("encoder")(x)[2]
    wanted = model.get_layer("head")(model.get_layer("decoder")(y, initial_state=[state, cell])[0])
    assert torch.equal(part([x, y, state]), wanted)
    both = Model([model.input[1], h, c], model.output)
    assert torch.equal(both([y, state, cell]), wanted)
    assert len(part.get_weights()) == 8
    assert len(both.get_weights()) == 5


def test_models_from_the_middle_are_models() -> None:
    model = chain()
    tail = Model(model.get_layer("one").output, model.output).eval()
    for again in [*copies(tail), Model.from_config(tail.get_config())]:
        again.set_weights(tail.get_weights())
        x = torch.randn(2, 6, 5)
        assert torch.equal(again.eval()(x), tail(x))
    assert tail.input_shape == (None, 6, 5)
    with pytest.raises(ArgumentError, match="the same input is given twice"):
        Model([model.layers[0].output, model.layers[0].output], model.output)
    with pytest.raises(ArgumentError, match=r"depend on input \[.*\] that is not in inputs=.*; add it"):
        Model(model.layers[2].output, model.layers[1].output)


def test_the_layers_of_a_nested_model_hang_on_its_own_inputs() -> None:
    inner = chain()
    x = Input((6, 3), name="x")
    outer = Model(x, layers.Dense(1)(inner(x)))
    inside = outer.layers[1]
    assert Model(inside.input, inside.get_layer("two").output).output_shape == (None, 4)
    assert Model(outer.input, inside.get_output_at(1)).output_shape == (None, 2)
    assert inside.get_output_at(0) is inside.output
    with pytest.raises(ArgumentError, match=r"Layers inside a nested model hang on .*get_output_at\(1\)"):
        Model(outer.input, inside.get_layer("two").output)


# ---------------------------------------------------------------- weights and modes


def test_parts_share_parameters_and_keep_the_mode() -> None:
    model = chain().eval()
    part = Model(model.input, model.get_layer("two").output)
    assert not part.training
    wanted = {id(parameter) for layer in model.layers[:3] for parameter in layer.parameters()}
    assert {id(parameter) for parameter in part.parameters()} == wanted
    tuned = Model(model.input, layers.Dense(3, name="new")(part.output))
    assert tuned.training  # the new layer is
    x = np.random.default_rng(0).normal(size=(2, 6, 3)).astype(np.float32)
    tuned.predict(x)
    assert not model.get_layer("drop").training
    assert tuned.get_layer("new").training
    assert torch.equal(model(torch.tensor(x)), model(torch.tensor(x)))
    assert not Sequential(model.layers[:-1]).eval().training


def test_frozen_layers_count_as_such() -> None:
    model = chain()
    assert (len(model.trainable_weights), len(model.non_trainable_weights), len(model.weights)) == (8, 0, 8)
    for layer in model.layers[:-1]:
        layer.trainable = False
    assert [variable.name for variable in model.trainable_variables] == ["kernel", "bias"]
    assert len(model.non_trainable_variables) == 6
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    assert " Trainable params: 10\n" in lines[0]
    np.testing.assert_array_equal(model.layers[0].weights[0].numpy(), model.layers[0].get_weights()[0])
    part = Model(model.input, layers.Dense(3)(model.get_layer("two").output))
    assert len(part.trainable_weights) == 2


# ---------------------------------------------------------------- add and pop


def test_add_and_pop_on_a_model_with_a_graph() -> None:
    for model in copies(chain()):
        before = model.output
        assert model.pop().name == "head"
        assert model.output is model.get_layer("two").output is before.node.args[0]
        model.add(layers.Dense(3, name="head"))
        model.add(layers.Dense(1))
        assert model.layers[-1].output is model.output
        assert model.output.shape == model.output_shape == (None, 1)
        assert model.layers[-2].input is model.get_layer("two").output
        part = Model(model.input, model.layers[-2].output).eval()
        assert part(torch.zeros(2, 6, 3)).shape == (2, 3)
        assert type(model).from_config(model.get_config()).output_shape == (None, 1)
    empty = Sequential([Input((3,)), layers.Dense(2)])
    assert empty.output_shape == (None, 2)
    empty.pop()
    empty.add(layers.Dense(4))
    assert empty.output.shape == (None, 4)
    empty.pop()
    with pytest.raises(ArgumentError, match="has no layer to remove"):
        empty.pop()


def test_a_name_from_a_file_is_not_given_again(tmp_path: Any) -> None:
    name = layers.Dense(2).name
    number = int(name.rpartition("_")[2]) if "_" in name else 0
    model = Sequential([Input((3,)), layers.Dense(2, name=f"dense_{number + 1}")])
    model.add(layers.Dense(2))
    assert model.layers[1].name == f"dense_{number + 2}"


def test_a_slice_starts_where_the_model_starts() -> None:
    for model in copies(chain()):
        sliced = Sequential(model.layers[:-1])
        assert (sliced.built, sliced.input_shape, sliced.output_shape) == (True, (None, 6, 3), (None, 4))
        assert sliced.layers[0] is model.layers[0]
    behind = Sequential(model.layers[1:])
    assert behind.input_shape == (None, 6, 5)
    unbuilt = Sequential([layers.LSTM(4), layers.Dense(2)])
    unbuilt(torch.zeros(1, 5, 3))
    again = Sequential(unbuilt.layers)
    assert again(torch.zeros(1, 7, 3)).shape == (1, 2)
    stateful = Sequential([Input(batch_shape=(2, 4, 3)), layers.LSTM(3, stateful=True), layers.Dense(1)])
    assert Sequential(stateful.layers[:-1]).input_shape == (2, 4, 3)


# ---------------------------------------------------------------- a loss inside the model


def test_a_loss_layer_of_your_own_is_left_behind() -> None:
    class CTCLayer(layers.Layer):
        def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
            steps = torch.full((len(y_pred),), y_pred.shape[1])
            lengths = torch.full((len(y_true),), y_true.shape[1])
            self.loss = torch.nn.functional.ctc_loss(y_pred.log().transpose(0, 1), y_true, steps, lengths)
            return y_pred

        def compute_output_shape(self, input_shape: Any) -> Any:
            return (None, 6, 5)

    image, label = Input((6, 3), name="image"), Input((2,), name="label", dtype="int64")
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True), name="bidi")(image)
    x = layers.Dense(5, activation="softmax", name="dense2")(x)
    model = Model([image, label], CTCLayer(name="ctc_loss")(label, x))
    data, labels = torch.randn(2, 6, 3), torch.tensor([[1, 2], [3, 4]])
    out = model([data, labels])
    model.get_layer("ctc_loss").loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    prediction = Model(model.input[0], model.get_layer(name="dense2").output)
    assert torch.equal(prediction(data), out)
    assert prediction.input_names == ["image"]
