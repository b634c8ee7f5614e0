"""Functional models and Sequential: shapes, graphs, masks, torch's protocols, and what wrong input is told."""

from __future__ import annotations

import copy
import io
from typing import Any

import numpy as np
import pytest
import torch
from _close import apart, assert_close

import kerastorch as kt
from kerastorch import Input, Model, Sequential, layers
from kerastorch.errors import ArgumentError, NotBuiltError, ShapeError, UnsupportedError


def randomize(model: layers.Layer, seed: int = 0) -> None:
    """Random distinct values in every array."""
    rng = np.random.default_rng(seed)
    model.set_weights(
        [rng.normal(0.1, 0.4, array.shape) ** 2 + 0.1 * rng.random(array.shape) for array in model.get_weights()]
    )


def encoder_decoder() -> Model:
    source, target = Input((None, 3), name="source"), Input((None, 2), name="target")
    _, *states = layers.LSTM(4, return_state=True, name="encoder")(source)
    decoded = layers.LSTM(4, return_sequences=True, name="decoder")(target, initial_state=states)
    return Model([source, target], layers.TimeDistributed(layers.Dense(2), name="head")(decoded), name="seq2seq")


def test_shapes_and_counts_that_keras_prints() -> None:
    model = Sequential([Input((20, 1)), layers.LSTM(5, return_sequences=True), layers.LSTM(4)])
    assert [layer.output_shape for layer in model.layers] == [(None, 20, 5), (None, 4)]
    assert [layer.count_params() for layer in model.layers] == [140, 160]
    model = Sequential(
        [
            layers.LSTM(100, input_shape=(125, 2)),
            layers.RepeatVector(50),
            layers.LSTM(100, return_sequences=True),
            layers.TimeDistributed(layers.Dense(2)),
        ]
    )
    assert (model.count_params(), model.output_shape) == (121_802, (None, 50, 2))


@pytest.mark.parametrize(
    ("layer", "shape", "count"),
    [
        (lambda: layers.LSTM(128), (None, None, 30), 81_408),
        (lambda: layers.Bidirectional(layers.LSTM(300)), (None, None, 300), 1_442_400),
        (lambda: layers.Bidirectional(layers.CuDNNLSTM(300)), (None, None, 300), 1_444_800),
        (lambda: layers.SimpleRNN(64), (None, None, 1), 4_224),
    ],
)
def test_counts(layer: Any, shape: tuple[Any, ...], count: int) -> None:
    made = layer()
    made.build(shape)
    assert made.count_params() == count


def test_summary_has_keras_columns_and_counts() -> None:
    lines: list[str] = []
    encoder_decoder().summary(print_fn=lines.append)
    (text,) = lines
    for part in ("seq2seq", "Layer (type)", "Output Shape", "Param #", "Connected to", "source, ", "encoder (LSTM)"):
        assert part in text or part == "source, "
    assert "[(None, 4), (None, 4), (None, 4)]" in text
    assert "target, encoder" in text
    assert "Total params: 250" in text
    assert "Trainable params: 250" in text


def test_summary_of_nested_models_and_frozen_layers() -> None:
    inner = Sequential([Input((3,)), layers.Dense(2, name="deep")], name="inner")
    inner.trainable = False
    model = Sequential([Input((3,)), inner, layers.BatchNormalization()])
    lines: list[str] = []
    model.summary(print_fn=lines.append, expand_nested=True)
    assert "deep (Dense)" in lines[0]
    assert "Trainable params: 4\n" in lines[0]
    assert "Non-trainable params: 12" in lines[0]


def test_summary_in_torch_style() -> None:
    lines: list[str] = []
    encoder_decoder().summary(print_fn=lines.append, style="torch")
    assert "Total params: 250" in lines[0].replace(",", "")
    assert "mult-adds" in lines[0]


def test_graph_computes_what_its_layers_compute() -> None:
    model = encoder_decoder()
    randomize(model)
    source, target = torch.randn(2, 5, 3), torch.randn(2, 7, 2)
    _, *states = model.get_layer("encoder")(source)
    expected = model.get_layer("head")(model.get_layer("decoder")(target, initial_state=states))
    for call in (
        lambda: model([source, target]),
        lambda: model(source, target),
        lambda: model({"source": source, "target": target}),
    ):
        assert torch.equal(call(), expected)
    assert model.output_shape == (None, None, 2)
    assert model.input_shape == [(None, None, 3), (None, None, 2)]


def test_shared_layer_and_nested_model_train_once() -> None:
    left, right = Input((4, 3)), Input((4, 3))
    shared = layers.GRU(5, name="shared")
    inner_in = Input((5,))
    inner = Model(inner_in, layers.Dense(2)(inner_in), name="inner")
    merged = layers.Concatenate()([inner(shared(left)), inner(shared(right))])
    model = Model([left, right], merged)
    assert len(model.get_weights()) == 5
    x = [torch.randn(2, 4, 3), torch.randn(2, 4, 3)]
    assert torch.equal(model(x), torch.cat([inner(shared(x[0])), inner(shared(x[1]))], dim=-1))
    model(x).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert len(list(model.parameters())) == 6  # a GRU bias is two parameters in torch


def test_outputs_keep_their_structure() -> None:
    x = Input((4, 3))
    out, state = layers.GRU(5, return_state=True, return_sequences=True)(x)
    model = Model(x, {"all": out, "last": [state]})
    result = model(torch.zeros(2, 4, 3))
    assert set(result) == {"all", "last"}
    assert result["last"][0].shape == (2, 5)
    predicted = model.predict(np.zeros((70, 4, 3), np.float32), batch_size=32)
    assert predicted["all"].shape == (70, 4, 5)
    assert predicted["last"][0].shape == (70, 5)


def test_masks_travel_along_the_edges() -> None:
    tokens = Input((6,), dtype="int64")
    embedded = layers.Embedding(9, 4, mask_zero=True, name="embedding")(tokens)
    hidden = layers.LSTM(3, return_sequences=True, name="lstm")(layers.Dropout(0.5)(embedded))
    model = Model(tokens, layers.GRU(2, name="gru")(hidden)).eval()
    randomize(model)
    x = torch.tensor([[1, 2, 3, 0, 0, 0], [4, 5, 6, 7, 8, 1]])
    mask = x != 0
    hidden_by_hand = model.get_layer("lstm")(model.get_layer("embedding")(x), mask=mask)
    assert torch.equal(model(x), model.get_layer("gru")(hidden_by_hand, mask=mask))
    plain = model.get_layer("embedding")(x).clone()  # a new tensor, on which no mask hangs
    unmasked = model.get_layer("gru")(model.get_layer("lstm")(plain))
    assert apart(model(x)[0], unmasked[0])
    chain = Sequential([Input((6,), dtype="int64"), *(model.get_layer(name) for name in ("embedding", "lstm", "gru"))])
    assert torch.equal(chain(x), model(x))


def test_a_nested_model_hands_its_mask_on() -> None:
    tokens = Input((6,), dtype="int64")
    inner = Sequential([layers.Embedding(9, 4, mask_zero=True, input_shape=(6,))], name="inner")
    model = Model(tokens, layers.LSTM(3, name="lstm")(inner(tokens)))
    x = torch.tensor([[1, 2, 3, 0, 0, 0]])
    expected = model.get_layer("lstm")(inner(x), mask=x != 0)
    assert torch.equal(model(x), expected)


def test_models_are_ordinary_modules() -> None:
    model = encoder_decoder()
    randomize(model)
    inputs = [torch.randn(2, 5, 3), torch.randn(2, 7, 2)]
    expected = model(inputs)
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    buffer.seek(0)
    other = encoder_decoder()
    other.load_state_dict(torch.load(buffer, weights_only=True))
    assert torch.equal(other(inputs), expected)
    copied = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    assert torch.equal(copied(inputs), expected)
    assert not torch.equal(model(inputs), expected)
    assert copied.inputs[0].shape == (None, None, 3)  # the copy has a graph of its own
    assert copied.outputs[0].node.layer is copied.get_layer("head")
    assert copied.double()([tensor.double() for tensor in inputs]).dtype == torch.float64


def test_predict_is_in_batches_and_leaves_the_mode_alone() -> None:
    model = Sequential([Input((4, 3)), layers.LSTM(5), layers.Dropout(0.5)])
    x = np.random.default_rng(0).normal(size=(70, 4, 3))
    assert model.training
    predicted = model.predict(x, batch_size=16)
    assert model.training
    assert isinstance(predicted, np.ndarray)
    assert predicted.dtype == np.float32
    model.eval()
    whole = model(torch.tensor(x, dtype=torch.float32)).detach().numpy()
    assert_close(predicted, whole)  # batch size changes the order of float32 sums
    assert np.array_equal(model.predict(x.tolist()), model.predict(x))


def test_predict_takes_integers_exactly() -> None:
    model = Sequential([Input((1,), dtype="float32"), layers.Embedding(20_000_000, 1)])
    big = 2**24 + 1  # not a float32
    assert model.predict(np.array([[big]]))[0, 0, 0] == model.get_weights()[0][big, 0]


def test_sequential_builds_at_the_first_call() -> None:
    model = Sequential([layers.LSTM(5, return_sequences=True), layers.Dense(2)])
    assert model.get_weights() == model.weights == model.losses == []
    with pytest.raises(NotBuiltError, match=r"LSTM 'lstm.*' is not built, so it has no weights yet"):
        model.count_params()
    with pytest.raises(NotBuiltError, match=r"LSTM 'lstm.*' is not built, so it has no weights yet"):
        model.set_weights([np.zeros(3)])
    with pytest.raises(NotBuiltError, match=r"has no weights yet.*before its parameters are used"):
        torch.optim.SGD(model.parameters(), lr=0.1)
    assert model(torch.zeros(3, 7, 4)).shape == (3, 7, 2)
    assert model.output_shape == (None, 7, 2)
    torch.optim.SGD(model.parameters(), lr=0.1)


def test_an_optimizer_of_a_torch_module_around_unbuilt_layers_says_so() -> None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(3, 3)
            self.lstm = layers.LSTM(5, name="mine")

    with pytest.raises(NotBuiltError, match="LSTM 'mine' has no weights yet"):
        torch.optim.Adam(Net().parameters())


def test_sequential_add_and_pop() -> None:
    model = Sequential([Input((20, 1))])
    model.add(layers.LSTM(5))
    model.add(layers.Dense(2, name="last"))
    assert model.output_shape == (None, 2)
    assert model.pop().name == "last"
    assert model.output_shape == (None, 5)
    assert model(torch.zeros(2, 20, 1)).shape == (2, 5)


def test_config_round_trip() -> None:
    for model in (encoder_decoder(), Sequential([Input((4, 3)), layers.GRU(2), layers.Dense(1)])):
        again = type(model).from_config(model.get_config())
        assert type(model).from_config(again.get_config()).get_config() == again.get_config()
        assert [layer.get_config() for layer in again.layers] == [layer.get_config() for layer in model.layers]
        again.set_weights(model.get_weights())
        inputs = [torch.randn(2, 5, 3), torch.randn(2, 7, 2)] if len(model.inputs) == 2 else torch.randn(2, 4, 3)
        assert torch.equal(again(inputs), model(inputs))


def test_a_thousand_layers_deep() -> None:
    x = tensor = Input((2,))
    for _ in range(1500):
        tensor = layers.Activation("relu")(tensor)
    model = Model(x, tensor)
    assert len(model.layers) == 1501
    assert model(torch.ones(1, 2)).shape == (1, 2)
    assert copy.deepcopy(model).outputs[0].shape == (None, 2)


def test_stateful_models() -> None:
    model = Sequential([Input(batch_shape=(2, 4, 3)), layers.LSTM(5, stateful=True)])
    randomize(model)
    x = np.random.default_rng(0).normal(size=(2, 4, 3))
    first, second = model.predict(x), model.predict(x)
    assert apart(first, second)
    whole = layers.LSTM(5)
    whole.build((None, 8, 3))
    whole.set_weights(model.get_weights())
    both = torch.tensor(np.concatenate([x, x], axis=1), dtype=torch.float32)
    assert_close(whole(both).detach().numpy(), second)
    model.reset_states()
    assert np.array_equal(model.predict(x), first)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Model(Input((3,)), None), ArgumentError, "needs inputs and outputs"),
        (lambda: Model(torch.zeros(3), Input((3,))), ArgumentError, "expected symbolic tensors"),
        (
            lambda: Model(Input((3,)), layers.Dense(2)(Input((3,), name="loose"))),
            ArgumentError,
            r"depend on input \['loose'\]",
        ),
        (lambda: Input(), ArgumentError, "either shape"),
        (lambda: Input((3,), batch_shape=(None, 3)), ArgumentError, "either shape"),
        (lambda: Input((3,), sparse=True), UnsupportedError, "sparse=True is not supported"),
        (lambda: Sequential([3]), ArgumentError, "expected a kerastorch layer or a torch module, got 'int'"),
        (
            lambda: Sequential([layers.Dense(2, name="a"), layers.Dense(2, name="a")]),
            ArgumentError,
            "already a layer named 'a'",
        ),
        (lambda: encoder_decoder().get_layer("nope"), ArgumentError, "has no layer 'nope'"),
        (lambda: encoder_decoder()(torch.zeros(1, 5, 3)), ShapeError, "expected 2 inputs, got 1"),
        (
            lambda: encoder_decoder()([torch.zeros(1, 5, 4), torch.zeros(1, 5, 2)]),
            ShapeError,
            r"input 'source': expected shape \(None, None, 3\), got \(1, 5, 4\)",
        ),
        (
            lambda: Sequential([Input((20, 1)), layers.LSTM(2)])(torch.zeros(100)),
            ShapeError,
            r"expected shape \(None, 20, 1\), got \(100,\)\.$",
        ),
        (
            lambda: Sequential([Input((None, 3)), layers.LSTM(2)])(torch.zeros(20, 3)),
            ShapeError,
            r"got \(20, 3\)\. One row without its batch axis\? Pass x\[None\]\.$",
        ),
        (
            lambda: Sequential([Input((20, 1)), layers.LSTM(5), layers.LSTM(4)]),
            ShapeError,
            r"got \(None, 5\)\..* Behind a recurrent layer\? Give that one return_sequences=True\.$",
        ),
        (
            lambda: Sequential([Input((20, 1)), layers.LSTM(2, stateful=True)]),
            ShapeError,
            "is stateful, so the batch size must be known",
        ),
        (
            lambda: encoder_decoder().predict([np.zeros((3, 5, 3)), np.zeros((4, 5, 2))]),
            ShapeError,
            "different numbers of rows",
        ),
    ],
)
def test_errors(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_two_layers_of_one_name_are_refused() -> None:
    x = Input((3,))
    with pytest.raises(ArgumentError, match="two layers have the name 'same'"):
        Model(x, layers.Dense(2, name="same")(layers.Dense(2, name="same")(x)))


def test_a_model_of_your_own() -> None:
    class Own(Model):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = layers.LSTM(4)
            self.head = torch.nn.Linear(4, 2)

        def call(self, x: Any, training: bool | None = None) -> Any:
            return self.head(self.encoder(x, training=training))

    model = Own()
    assert model(torch.zeros(3, 5, 2)).shape == (3, 2)
    assert model.predict(np.zeros((3, 5, 2), np.float32)).shape == (3, 2)
    assert len(model.get_weights()) == 5
    with pytest.raises(UnsupportedError, match="no graph of layers"):
        model.inputs  # noqa: B018


def test_a_layer_of_your_own_in_a_model() -> None:
    class Scale(layers.Layer):
        supports_masking = True

        def build(self, input_shape: Any) -> None:
            self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")
            self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False, name="calls")

        def call(self, x: Any) -> Any:
            return x * self.scale

    model = Sequential([Input((None, 3)), Scale(), layers.GRU(2)])
    assert model.layers[0].output_shape == (None, None, 3)
    assert list(model.layers[0].state_dict()) == ["scale", "calls"]
    assert model.count_params() == 3 + 1 + 42
    assert torch.equal(kt.Sequential([Input((None, 3)), model])(torch.ones(1, 2, 3)), model(torch.ones(1, 2, 3)))


def test_the_dtype_of_an_input_follows_the_model() -> None:
    model = Sequential([Input((3,)), layers.Dense(2)])
    x = torch.randn(2, 3, dtype=torch.float64)
    assert model(x).dtype == torch.float32
    assert torch.equal(model(x), model(x.float()))
    exact = copy.deepcopy(model).double()
    assert exact(x.float()).dtype == torch.float64
    assert torch.equal(exact(x.float()), exact(x.float().double()))
    assert exact.layers[0].get_config()["dtype"] == "float64"
    half = copy.deepcopy(model).half()
    assert half(x).dtype == torch.float16
    x.requires_grad_(True)
    model(x).sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == torch.float64


def test_words_are_looked_up_exactly_in_half_precision() -> None:
    embedding = layers.Embedding(4000, 1)
    for model in (Sequential([Input((2,)), embedding]), Model(i := Input((2,)), Sequential([embedding])(i))):
        model.half()
        ids = torch.tensor([[2049, 3001]])  # no float16 is 2049
        expected = embedding.weight[ids].squeeze(-1)
        assert torch.equal(model(ids).squeeze(-1), expected)
        assert torch.equal(model(ids.numpy()).squeeze(-1), expected)
        assert np.array_equal(model.predict(ids.numpy())[..., 0], expected.detach().numpy())
