"""Layers to plain torch modules and back: outputs, states and gradients, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import kerastorch as kt
from kerastorch import activations, layers
from kerastorch.errors import ArgumentError, NotBuiltError, UnsupportedError
from kerastorch.interop import AllSteps, LastStep
from kerastorch.layers._graph import leaves
from kerastorch.layers._plain import ACTIVATIONS

# Both sides run the same torch kernels, or the same sums in another order: a few roundings of numbers around 1.
TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}
DTYPES = [torch.float32, torch.float64]
SEQUENCE = {"return_sequences": True, "return_state": True}


def randomize(module: nn.Module) -> nn.Module:
    """Give every trainable weight another value, and statistics that are possible."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0, 0.5)
        for name, buffer in module.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer.uniform_(0.5, 2)
    return module


def results(module: Callable[..., Any], x: Tensor, *args: Any, **kwargs: Any) -> list[Tensor]:
    """Every output, and the gradient of a random function of all of them by the input."""
    x = x.clone().requires_grad_(x.is_floating_point())
    outputs = leaves(module(x, *args, **kwargs))
    torch.manual_seed(7)
    # Not randn_like, which fills in the order of memory: the two sides may differ in that.
    loss = sum((out.squeeze(0) * torch.randn(out.squeeze(0).shape, dtype=out.dtype)).sum() for out in outputs)
    if isinstance(loss, Tensor) and loss.requires_grad:
        loss.backward()
    return [out.detach() for out in outputs] + ([x.grad] if x.grad is not None else [])


def assert_close(actual: list[Tensor], expected: list[Tensor], dtype: torch.dtype) -> None:
    assert len(actual) == len(expected)
    for one, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(one.squeeze(0), other.squeeze(0), rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def gradients(module: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad for name, p in module.named_parameters() if p.grad is not None}


def assert_same_gradients(layer: nn.Module, module: nn.Module, dtype: torch.dtype) -> None:
    ours, theirs = gradients(layer), gradients(module)
    assert sorted(ours) == sorted(theirs)
    assert ours
    assert_close([ours[name] for name in ours], [theirs[name] for name in ours], dtype)


def built(layer: Any, shape: tuple[Any, ...], dtype: torch.dtype = torch.float32) -> Any:
    layer.to(dtype)
    layer.build(shape)
    return randomize(layer)


# ------------------------------------------------------------------ layer.to_torch(): recurrent

RECURRENT = {
    "lstm": (lambda **o: layers.LSTM(5, **o), nn.LSTM),
    "lstm without bias": (lambda **o: layers.LSTM(5, use_bias=False, **o), nn.LSTM),
    "gru": (lambda **o: layers.GRU(5, **o), nn.GRU),
    "gru without bias": (lambda **o: layers.GRU(5, use_bias=False, **o), nn.GRU),
    "simple rnn": (lambda **o: layers.SimpleRNN(5, **o), nn.RNN),
    "relu rnn": (lambda **o: layers.SimpleRNN(5, activation="relu", **o), nn.RNN),
    "cudnn lstm": (lambda **o: layers.CuDNNLSTM(5, **o), nn.LSTM),
    "cudnn gru": (lambda **o: layers.CuDNNGRU(5, **o), nn.GRU),
}


def states_of(module: nn.RNNBase, batch: int, dtype: torch.dtype) -> Any:
    """Random initial states in torch's form: `(directions, B, U)` each."""
    shape = (1 + module.bidirectional, batch, module.hidden_size)
    make = lambda: torch.randn(shape, dtype=dtype)  # noqa: E731
    return (make(), make()) if isinstance(module, nn.LSTM) else make()


def in_keras_order(state: Any) -> list[Tensor]:
    """torch's states as Keras has them: of the forward direction, then of the backward direction."""
    parts = state if isinstance(state, tuple) else (state,)
    return [part[direction] for direction in range(len(parts[0])) for part in parts]


def flat(module: nn.RNNBase) -> Callable[..., list[Tensor]]:
    """A torch module that returns its output and states as a layer with `return_state` does."""

    def run(x: Tensor, state: Any) -> list[Tensor]:
        output, new = module(x, state)
        return [output, *in_keras_order(new)]

    return run


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_layer_to_torch(name: str, dtype: torch.dtype) -> None:
    make, module_class = RECURRENT[name]
    layer = built(make(**SEQUENCE), (None, None, 3), dtype)
    module = layer.to_torch()
    assert type(module) is module_class
    assert module.batch_first
    x, state = torch.randn(2, 7, 3, dtype=dtype), states_of(module, 2, dtype)
    expected = results(layer, x, initial_state=in_keras_order(state))
    assert_close(results(flat(module), x, state), expected, dtype)
    assert_same_gradients(layer, module, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", RECURRENT)
def test_bidirectional_to_torch(name: str, dtype: torch.dtype) -> None:
    make, module_class = RECURRENT[name]
    layer = built(layers.Bidirectional(make(**SEQUENCE)), (None, None, 3), dtype)
    module = layer.to_torch()
    assert type(module) is module_class
    assert module.bidirectional
    x, state = torch.randn(2, 7, 3, dtype=dtype), states_of(module, 2, dtype)
    expected = results(layer, x, initial_state=in_keras_order(state))
    assert_close(results(flat(module), x, state), expected, dtype)
    ours = gradients(layer.forward_layer) | {f"{k}_reverse": v for k, v in gradients(layer.backward_layer).items()}
    assert_close([ours[name] for name in ours], [gradients(module)[name] for name in ours], dtype)


@pytest.mark.parametrize(("first", "second"), [(0, 5), (5, 10)])
def test_a_wrong_gate_order_is_seen(first: int, second: int) -> None:
    layer = built(layers.LSTM(5, **SEQUENCE), (None, None, 3))
    module = layer.to_torch()
    with torch.no_grad():
        weight = module.weight_ih_l0
        one, other = weight[first : first + 5].clone(), weight[second : second + 5].clone()
        weight[first : first + 5], weight[second : second + 5] = other, one
    x, state = torch.randn(2, 7, 3), states_of(module, 2, torch.float32)
    expected = results(layer, x, initial_state=in_keras_order(state))
    with pytest.raises(AssertionError):
        assert_close(results(flat(module), x, state), expected, torch.float32)


@pytest.mark.parametrize("layer_class", [layers.LSTM, layers.SimpleRNN])
def test_a_training_step_is_the_same(layer_class: Any) -> None:
    layer = built(layer_class(5, return_sequences=True), (None, None, 3), torch.float64)
    module = layer.to_torch()
    assert not module.bias_hh_l0.requires_grad  # two trained biases would move twice as far
    x = torch.randn(2, 7, 3, dtype=torch.float64)
    for model, run in ((layer, layer), (module, lambda x: module(x)[0])):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        run(x).square().sum().backward()
        optimizer.step()
    for name, value in layer.state_dict().items():
        torch.testing.assert_close(module.state_dict()[name], value, rtol=1e-12, atol=1e-12)


def test_weights_are_copies_with_mode_and_frozen_flags() -> None:
    layer = built(layers.GRU(4), (None, None, 3)).eval()
    layer.weight_hh_l0.requires_grad_(False)
    random_state = torch.get_rng_state()
    module = layer.to_torch()
    assert torch.equal(torch.get_rng_state(), random_state)
    assert not module.training
    assert {name: p.requires_grad for name, p in module.named_parameters()} == {
        name: name != "weight_hh_l0" for name, _ in layer.named_parameters()
    }
    before = [array.copy() for array in layer.get_weights()]
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    assert all((array == kept).all() for array, kept in zip(layer.get_weights(), before, strict=True))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_device_is_kept() -> None:
    layer = built(layers.LSTM(4, **SEQUENCE).to("cuda"), (None, None, 3))
    module = layer.to_torch()
    assert all(parameter.is_cuda for parameter in module.parameters())
    x = torch.randn(2, 7, 3, device="cuda")
    torch.testing.assert_close(module(x)[0], layer(x)[0])
    assert all(parameter.is_cuda for parameter in kt.from_torch(module).parameters())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("make", "module_class"),
    [
        (lambda: layers.LSTMCell(5), nn.LSTMCell),
        (lambda: layers.GRUCell(5), nn.GRUCell),
        (lambda: layers.GRUCell(5, use_bias=False), nn.GRUCell),
        (lambda: layers.SimpleRNNCell(5), nn.RNNCell),
        (lambda: layers.SimpleRNNCell(5, activation="relu"), nn.RNNCell),
    ],
)
def test_cells_both_ways(make: Any, module_class: Any, dtype: torch.dtype) -> None:
    layer = built(make(), (None, 3), dtype)
    module = layer.to_torch()
    assert type(module) is module_class
    x, states = torch.randn(2, 3, dtype=dtype), [torch.randn(2, 5, dtype=dtype) for _ in leaves(layer.state_size)]
    expected = results(lambda x: layer(x, states)[1], x)
    given = tuple(states) if len(states) > 1 else states[0]
    assert_close(results(module, x, given), expected, dtype)
    assert_same_gradients(layer, module, dtype)
    back = kt.from_torch(module)
    assert type(back) is type(layer)
    assert_close(results(lambda x: back(x, states)[1], x), expected, dtype)
    assert_same_gradients(layer, back, dtype)


@pytest.mark.parametrize(
    ("layer", "reasons"),
    [
        (layers.LSTM(4, activation="relu"), ["torch's LSTM kernel has activation tanh only"]),
        (layers.LSTM(4, recurrent_activation="hard_sigmoid"), ["recurrent_activation sigmoid only"]),
        (layers.GRU(4, reset_after=False), ["torch's GRU kernel has reset_after=True only"]),
        (layers.SimpleRNN(4, activation="elu"), ["torch's RNN kernel has activation tanh or relu only"]),
        (layers.LSTM(4, go_backwards=True), ["go_backwards=True", "give it x.flip(1)"]),
        (layers.LSTM(4, stateful=True, dropout=0.25), ["stateful=True", "dropout=0.25", "layer.dropout = 0.0"]),
        (layers.GRU(4, recurrent_dropout=0.5), ["recurrent_dropout=0.5", "inference only"]),
        (layers.Bidirectional(layers.LSTM(4), merge_mode="sum"), ["merge_mode='sum'", "concat only"]),
        (
            layers.Bidirectional(layers.LSTM(4), backward_layer=layers.LSTM(5, go_backwards=True)),
            ["differ in hidden_size"],
        ),
        (
            layers.Bidirectional(layers.LSTM(4), backward_layer=layers.GRU(4, go_backwards=True)),
            ["differ in mode"],
        ),
        (layers.Bidirectional(layers.GRU(4, reset_after=False)), ["forward_gru", "reset_after=True only"]),
        (layers.Bidirectional(layers.LSTM(4, go_backwards=True)), ["forward_lstm", "go_backwards=True"]),
        (layers.Dense(4, activation="exponential"), ["no module for the activation exponential"]),
        (layers.Masking(), ["torch.nn has no module that computes Masking", "use it as it is"]),
        (layers.BatchNormalization(), ["features at axis 1", "axis -1 of 3"]),
        (layers.BatchNormalization(axis=1, trainable=False), ["trainable=False", "inference mode"]),
        (layers.LayerNormalization(axis=1), ["normalises the last axes", "axis 1 of an input of 3 axes"]),
        (layers.Dropout(0.5, noise_shape=(None, 1, None)), ["noise_shape=(None, 1, None)"]),
        (layers.Flatten("channels_first"), ["channels_first", "moves no axis"]),
        (layers.Dense(4, dtype="mixed_float16"), ["computes in torch.float16 with torch.float32 weights"]),
    ],
    ids=lambda value: value.name if isinstance(value, layers.Layer) else "",
)
def test_what_torch_cannot_express_is_refused(layer: Any, reasons: list[str]) -> None:
    layer.build((2, 7, 3))
    with pytest.raises(UnsupportedError) as caught:
        layer.to_torch()
    for reason in ["cannot become a plain torch module", *reasons]:
        assert reason in str(caught.value)


def test_an_unbuilt_layer_is_refused() -> None:
    for layer in (layers.LSTM(4), layers.Bidirectional(layers.LSTM(4)), layers.Dense(3)):
        with pytest.raises(NotBuiltError, match="has no weights to copy yet"):
            layer.to_torch()


def test_a_subclass_is_refused() -> None:
    class Doubled(layers.Dense):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * super().forward(x)

    layer = built(Doubled(3), (None, 4))
    with pytest.raises(UnsupportedError, match=r"torch\.nn has no module that computes Doubled"):
        layer.to_torch()


# ------------------------------------------------------------------ layer.to_torch(): others

OTHERS = {
    "dense": (lambda: layers.Dense(4), (2, 3)),
    "dense over steps": (lambda: layers.Dense(4, use_bias=False), (2, 7, 3)),
    "dense with activation": (lambda: layers.Dense(4, activation="leaky_relu"), (2, 7, 3)),
    "dense with softmax": (lambda: layers.Dense(4, activation="softmax"), (2, 7, 3)),
    "dense with a module": (lambda: layers.Dense(4, activation=nn.ELU(0.3)), (2, 3)),
    "batch norm of 2 axes": (lambda: layers.BatchNormalization(), (6, 3)),
    "batch norm of 3 axes": (lambda: layers.BatchNormalization(axis=1, momentum=0.7), (6, 3, 4)),
    "batch norm of 4 axes": (lambda: layers.BatchNormalization(axis=-3, epsilon=1e-4), (6, 3, 4, 5)),
    "batch norm of 5 axes": (lambda: layers.BatchNormalization(axis=1), (3, 3, 2, 3, 2)),
    "batch norm without gamma": (lambda: layers.BatchNormalization(scale=False), (6, 3)),
    "batch norm without beta": (lambda: layers.BatchNormalization(center=False), (6, 3)),
    "batch norm without both": (lambda: layers.BatchNormalization(center=False, scale=False), (6, 3)),
    "layer norm": (lambda: layers.LayerNormalization(), (2, 7, 3)),
    "layer norm of two axes": (lambda: layers.LayerNormalization(axis=[1, 2], epsilon=1e-5), (2, 7, 3)),
    "layer norm without gamma": (lambda: layers.LayerNormalization(scale=False), (2, 7, 3)),
    "layer norm without beta": (lambda: layers.LayerNormalization(center=False), (2, 7, 3)),
    "layer norm without both": (lambda: layers.LayerNormalization(center=False, scale=False), (2, 7, 3)),
    "flatten": (lambda: layers.Flatten(), (2, 7, 3)),
    "activation": (lambda: layers.Activation("gelu"), (2, 7, 3)),
    "dropout": (lambda: layers.Dropout(1.0), (2, 7, 3)),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OTHERS)
def test_other_layers_both_ways(name: str, dtype: torch.dtype, training: bool) -> None:
    make, shape = OTHERS[name]
    layer = built(make(), shape, dtype).train(training)
    module = layer.to_torch()
    assert type(module).__module__.startswith("torch.nn.")
    back = kt.from_torch(module)
    assert layer.training == module.training == back.training == training
    x = torch.randn(shape, dtype=dtype)
    expected = results(layer, x)
    assert_close(results(module, x), expected, dtype)
    assert_close(results(back, x), expected, dtype)
    ours = list(gradients(layer).values())
    # A layer without gamma or beta gets frozen ones or zeros.
    assert_close(list(gradients(module).values()), ours, dtype)
    assert_close(list(gradients(back).values()), ours, dtype)


def test_embedding_both_ways() -> None:
    layer = built(layers.Embedding(9, 4, mask_zero=True), (None, None))
    module = layer.to_torch()
    assert type(module) is nn.Embedding
    assert module.padding_idx is None  # Keras trains row 0 as the others
    back = kt.from_torch(module)
    x = torch.tensor([[0, 3, 8], [3, 0, 1]])
    expected = results(layer, x)
    assert_close(results(module, x), expected, torch.float32)
    assert_close(results(back, x), expected, torch.float32)
    assert gradients(layer)["weight"][0].count_nonzero() == 4
    assert_same_gradients(layer, module, torch.float32)
    assert_same_gradients(layer, back, torch.float32)


def moved_variance(module: nn.Module, x: Tensor) -> Tensor:
    module.train()(x)
    variance = module.running_var
    assert isinstance(variance, Tensor)
    return variance


@pytest.mark.parametrize("way", ["to_torch", "from_torch"])
def test_batch_norm_statistics_differ_as_documented(way: str) -> None:
    layer: Any = built(layers.BatchNormalization(momentum=0.7), (None, 3), torch.float64)
    module = layer.to_torch()
    layer = layer if way == "to_torch" else kt.from_torch(module)
    assert module.momentum == pytest.approx(0.3, abs=1e-15)
    assert layer.momentum == pytest.approx(0.7, abs=1e-15)
    old, x = layer.running_var.clone(), torch.randn(6, 3, dtype=torch.float64)
    biased = x.var(0, correction=0)
    torch.testing.assert_close(moved_variance(layer, x), 0.7 * old + 0.3 * biased, rtol=1e-12, atol=0)
    torch.testing.assert_close(moved_variance(module, x), 0.7 * old + 0.3 * biased * 6 / 5, rtol=1e-12, atol=0)
    torch.testing.assert_close(layer.running_mean, module.running_mean, rtol=1e-12, atol=0)


def test_fused_batch_norm_has_torchs_statistics() -> None:
    layer: Any = built(layers.BatchNormalization(axis=1, fused=True, epsilon=1e-6), (None, 3, 4, 5))
    module: Any = layer.to_torch()
    assert module.eps == 1.001e-5  # of TensorFlow's kernel
    x = torch.randn(2, 3, 4, 5) * 1e-3
    assert_close(results(module, x), results(layer, x), torch.float32)
    torch.testing.assert_close(module.running_var, layer.running_var)


@pytest.mark.parametrize("row", ACTIVATIONS, ids=lambda row: row[1].__name__)
def test_activations_both_ways(row: Any) -> None:
    function, module_class, settings = row
    x = 4 * torch.randn(40, 6, dtype=torch.float64)
    x[0] = torch.tensor([-25.0, 25.0, 30.0, 50.0, -50.0, 0.1])
    layer = kt.from_torch(module_class(**settings))
    assert isinstance(layer, layers.Activation)
    assert layer.activation is function
    module = layer.to_torch()
    assert type(module) is module_class
    expected = results(module_class(**settings), x)
    # torch's Softplus() is linear from 20 on, and the gradient of Hardsigmoid has a factor in float32.
    bound = 3e-8 if module_class in (nn.Softplus, nn.Hardsigmoid) else 1e-12
    for found in (results(layer, x), results(module, x)):
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=bound, atol=bound)


def test_every_activation_is_in_the_table_or_refused() -> None:
    table = {function for function, _, _ in ACTIVATIONS}
    x = torch.zeros(2, 4)
    functions = {entry.__name__ for entry in activations.TABLE.entries.values() if not isinstance(entry, type)}
    for name in sorted(functions):
        layer = layers.Activation(name)
        if layer.activation in table:
            assert layer.to_torch()(x).shape == layer(x).shape
        else:
            with pytest.raises(UnsupportedError, match=f"no module for the activation {name}"):
                layer.to_torch()


@pytest.mark.parametrize(
    "module", [nn.LeakyReLU(-0.03), nn.GELU("tanh"), nn.Softplus(2.0), nn.Hardtanh(-2, 3)], ids=str
)
def test_activations_with_other_settings(module: nn.Module) -> None:
    x = torch.randn(3, 5, dtype=torch.float64)
    layer = kt.from_torch(module)
    assert_close(results(layer, x), results(module, x), torch.float64)
    assert_close(results(layer.to_torch(), x), results(module, x), torch.float64)
    with pytest.raises(UnsupportedError, match="not one of the built-in activations"):
        layer.get_config()


def test_activation_modules_are_copied() -> None:
    own = nn.PReLU()
    layer = built(layers.Dense(4, activation=own), (None, 3))
    module: Any = layer.to_torch()
    assert type(module[1]) is nn.PReLU
    assert module[1].weight is not own.weight
    soft = nn.Softplus(2.0)
    kept: Any = kt.from_torch(soft)
    soft.beta = 0.5
    assert kept.activation.beta == 2.0


# ------------------------------------------------------------------ Sequential


@pytest.mark.parametrize("return_sequences", [True, False])
@pytest.mark.parametrize("wrap", [False, True])
def test_sequential_both_ways(return_sequences: bool, wrap: bool) -> None:
    recurrent = layers.GRU(4, return_sequences=return_sequences)
    model = kt.Sequential(
        [
            kt.Input((7,)),
            layers.Embedding(9, 3),
            layers.LSTM(5, return_sequences=True),
            layers.LayerNormalization(),
            layers.Bidirectional(recurrent) if wrap else recurrent,
            layers.Dropout(0.3),
            layers.Dense(2, activation="tanh"),
        ]
    )
    randomize(model)
    model.layers[-2].eval()
    module = model.to_torch()
    picker = AllSteps if return_sequences else LastStep
    assert [type(part).__name__ for part in module] == [
        "Embedding", "LSTM", "AllSteps", "LayerNorm", "GRU", picker.__name__, "Dropout", "Sequential",
    ]  # fmt: skip
    assert module.training
    assert [part.training for part in module] == [True] * 6 + [False, True]
    back = kt.from_torch(module, example=(2, 7))
    assert back.output_shape == model.output_shape
    x = torch.randint(0, 9, (2, 7))
    expected = results(model, x)
    assert_close(results(module, x), expected, torch.float32)
    assert_close(results(back, x), expected, torch.float32)
    ours = [gradient.flatten() for gradient in gradients(model).values()]
    assert_close([gradient.flatten() for gradient in gradients(back).values()], ours, torch.float32)
    assert_close([gradient.flatten() for gradient in gradients(module).values()], ours, torch.float32)


def test_sequential_lists_everything_that_it_refuses() -> None:
    model = kt.Sequential(
        [
            kt.Input((7,)),
            layers.Embedding(9, 3, mask_zero=True, name="words"),
            layers.LSTM(4, activation="relu", name="first"),
            layers.RepeatVector(3, name="again"),
            layers.GRU(4, name="second", return_state=True),
        ]
    )
    with pytest.raises(UnsupportedError) as caught:
        model.to_torch()
    for text in (
        "Embedding 'words' cannot become a plain torch module: mask_zero=True: no mask travels",
        "LSTM 'first' cannot become a plain torch module: torch's LSTM kernel has activation tanh only",
        "RepeatVector 'again'",
        "GRU 'second' cannot become a plain torch module: return_state=True",
    ):
        assert text in str(caught.value)
    assert str(caught.value).count("use it as it is") == 1


def test_a_graph_is_refused() -> None:
    x = kt.Input((3,))
    with pytest.raises(UnsupportedError, match="has no module that computes Model"):
        kt.Model(x, layers.Dense(2)(x)).to_torch()


def test_nested_sequential_both_ways() -> None:
    inner = kt.Sequential([layers.Dense(4), layers.Activation("relu")])
    model = kt.Sequential([kt.Input((7, 3)), inner, layers.SimpleRNN(2)])
    randomize(model)
    x = torch.randn(2, 7, 3)
    module = model.to_torch()
    assert_close(results(module, x), results(model, x), torch.float32)
    assert_close(results(kt.from_torch(module), x), results(model, x), torch.float32)


# ------------------------------------------------------------------ from_torch: recurrent


def zero_second_bias(module: nn.Module) -> nn.Module:
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.startswith("bias_hh"):
                parameter.zero_()
    return module


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("module_class", "options"),
    [
        (nn.LSTM, {}),
        (nn.LSTM, {"bias": False}),
        (nn.GRU, {}),
        (nn.GRU, {"bias": False}),
        (nn.RNN, {}),
        (nn.RNN, {"nonlinearity": "relu"}),
    ],
)
def test_recurrent_module_to_layer(module_class: Any, options: Any, dtype: torch.dtype, bidirectional: bool) -> None:
    module = module_class(3, 5, batch_first=True, bidirectional=bidirectional, dtype=dtype, **options)
    randomize(module)
    if module_class is not nn.GRU:
        zero_second_bias(module)
    layer: Any = kt.from_torch(module)
    assert layer.dtype == dtype
    x, state = torch.randn(2, 7, 3, dtype=dtype), states_of(module, 2, dtype)
    expected = results(flat(module), x, state)
    assert_close([layer(x)], [module(x)[0]], dtype)
    for direction in [layer.forward_layer, layer.backward_layer] if bidirectional else [layer]:
        direction.return_state = True
    assert_close(results(layer, x, initial_state=in_keras_order(state)), expected, dtype)
    inner = [layer.forward_layer, layer.backward_layer] if bidirectional else [layer]
    theirs = gradients(module)
    for part, ending in zip(inner, ("", "_reverse"), strict=False):
        ours = gradients(part)
        assert len(ours) >= 2
        assert_close(list(ours.values()), [theirs[name + ending] for name in ours], dtype)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("module_class", [nn.LSTM, nn.GRU, nn.RNN])
def test_several_layers(module_class: Any, bidirectional: bool) -> None:
    module = module_class(3, 4, num_layers=3, batch_first=True, bidirectional=bidirectional, dropout=0.3)
    randomize(module.double())
    layer = kt.from_torch(module, sum_biases=True)
    assert isinstance(layer, kt.Sequential)
    kind = "Bidirectional" if bidirectional else {nn.RNN: "SimpleRNN"}.get(module_class, module_class.__name__)
    assert [type(part).__name__ for part in layer.layers] == [kind, "Dropout", kind, "Dropout", kind]
    assert layer.output_shape == (None, None, 8 if bidirectional else 4)
    x = torch.randn(2, 7, 3, dtype=torch.float64)
    assert_close(results(layer.eval(), x), results(lambda x: module.eval()(x)[0], x), torch.float64)
    for dropout in layer.layers[1::2]:
        assert dropout.rate == 0.3


def test_dropout_between_layers_acts_as_in_torch() -> None:
    # At a rate of 1 noise is zeros: every layer but the first sees none of the input.
    module = randomize(nn.GRU(3, 4, num_layers=2, batch_first=True, dropout=1.0))
    layer = kt.from_torch(module)
    x = torch.randn(2, 7, 3)
    assert_close([layer(x)], [module(x)[0]], torch.float32)
    torch.testing.assert_close(layer(x), layer(torch.randn(2, 7, 3)))
    assert (layer.eval()(x) - layer.train()(x)).abs().max() > 0.01


def test_time_first_module() -> None:
    module = randomize(nn.GRU(3, 4))
    x = torch.randn(7, 2, 3)
    assert_close([kt.from_torch(module)(x.transpose(0, 1)).transpose(0, 1)], [module(x)[0]], torch.float32)


@pytest.mark.parametrize(
    "module",
    [
        nn.LSTM(3, 4, batch_first=True),
        nn.RNN(3, 4, batch_first=True),
        nn.LSTM(3, 4, 2, batch_first=True, bidirectional=True),
        nn.LSTMCell(3, 4),
    ],
)
def test_summing_biases_must_be_asked_for(module: nn.Module) -> None:
    randomize(module.double())
    with pytest.raises(UnsupportedError, match=r"module \(\w+\): it has two non-zero biases .* pass sum_biases=True"):
        kt.from_torch(module)
    layer = kt.from_torch(module, sum_biases=True)
    x = torch.randn(*((2, 3) if isinstance(module, nn.LSTMCell) else (2, 7, 3)), dtype=torch.float64)
    output = layer(x)
    assert_close([leaves(output)[0]], [module(x)[0]], torch.float64)


@pytest.mark.parametrize("kept", ["bias_ih_l0", "bias_hh_l0"])
def test_one_zero_bias_loses_nothing(kept: str) -> None:
    module = randomize(nn.LSTM(3, 4, batch_first=True))
    with torch.no_grad():
        getattr(module, "bias_hh_l0" if kept == "bias_ih_l0" else "bias_ih_l0").zero_()
    layer: Any = kt.from_torch(module)
    assert torch.equal(layer.bias_ih_l0, getattr(module, kept))
    assert not layer.bias_hh_l0.count_nonzero()
    x = torch.randn(2, 7, 3)
    assert_close([layer(x)], [module(x)[0]], torch.float32)


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("name", [name for name in RECURRENT if "cudnn" not in name])
def test_the_way_back_is_bitwise(name: str, wrap: bool) -> None:
    layer = RECURRENT[name][0]()
    layer = built(layers.Bidirectional(layer) if wrap else layer, (None, None, 3))
    back = kt.from_torch(layer.to_torch())
    assert type(back) is type(layer)
    for one, other in zip(back.get_weights(), layer.get_weights(), strict=True):
        assert (one == other).all()


# ------------------------------------------------------------------ from_torch: others, refusals


def test_modes_devices_and_frozen_weights_are_kept() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).to(torch.bfloat16)
    module[1].eval()
    module[0].weight.requires_grad_(False)
    module[2].requires_grad_(False)
    layer: Any = kt.from_torch(module)
    assert layer.training
    assert [part.training for part in layer.layers] == [True, False, True]
    assert [part.dtype for part in layer.layers] == [torch.bfloat16] * 3
    assert [p.requires_grad for p in layer.parameters()] == [p.requires_grad for p in module.parameters()]
    assert [part.trainable for part in layer.layers] == [True, True, False]
    x = torch.randn(5, 3, dtype=torch.bfloat16)
    torch.testing.assert_close(layer(x), module(x))


def test_frozen_batch_norm_still_uses_the_batch() -> None:
    module = randomize(nn.BatchNorm1d(3)).requires_grad_(False)
    layer = kt.from_torch(module)
    x = torch.randn(6, 3)
    assert_close(results(layer, x), results(module, x), torch.float32)
    assert not any(parameter.requires_grad for parameter in layer.parameters())


def test_weights_are_copied() -> None:
    module = nn.Linear(3, 2)
    layer = kt.from_torch(module)
    with torch.no_grad():
        module.weight.zero_()
    assert all(parameter.count_nonzero() for parameter in layer.parameters())


@pytest.mark.parametrize("example", [torch.zeros(4, 7, 3), (None, 7, 3)])
def test_example_gives_shapes(example: Any) -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.Flatten(), nn.Linear(28, 2))
    layer = kt.from_torch(module, example=example)
    assert layer.input_shape == (None, 7, 3)
    assert layer.output_shape == (None, 2)
    assert layer.count_params() == sum(parameter.numel() for parameter in module.parameters())
    with pytest.raises(kt.KerasTorchError, match="expected 3 features, got 5"):
        kt.from_torch(module, example=(None, 7, 5))


class Own(nn.Module):
    pass


def hooked() -> nn.Module:
    module = nn.Linear(3, 2)
    module.register_forward_hook(lambda module, args, output: 2 * output)
    return module


def momentless() -> nn.Module:
    return nn.BatchNorm1d(3, momentum=None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Own, r"module (Own): there is no layer for this class"),
        (lambda: nn.Bilinear(3, 4, 2), r"module (Bilinear): there is no layer for this class"),
        (hooked, r"module (Linear): it has hooks, which would be lost"),
        (
            lambda: nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)),
            r"module (ParametrizedLinear): there is no layer for this class",
        ),
        (lambda: nn.LSTM(3, 4, proj_size=2), r"module (LSTM): proj_size=2: Keras's LSTM has no projection"),
        (lambda: nn.Embedding(5, 2, padding_idx=0), r"padding_idx=0: torch never trains that row, Keras does; set"),
        (lambda: nn.Embedding(5, 2, max_norm=1.0), r"module (Embedding): max_norm=1.0"),
        (lambda: nn.Embedding(5, 2, sparse=True), r"sparse=True"),
        (lambda: nn.Embedding(5, 2, scale_grad_by_freq=True), r"scale_grad_by_freq=True"),
        (momentless, r"momentum=None: Keras has no average over all batches"),
        (lambda: nn.BatchNorm2d(3, track_running_stats=False), r"track_running_stats=False"),
        (lambda: nn.Flatten(0), r"start_dim=0, end_dim=-1: Keras's Flatten keeps the batch axis only"),
        (lambda: nn.Sequential(nn.GRU(3, 4)), r"0 (GRU): batch_first=False: layers take (batch, time, features)"),
        (
            lambda: nn.Sequential(nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2)),
            r"0 (GRU): it hands the next module a tuple of output and state; put kerastorch.interop.AllSteps()",
        ),
        (
            lambda: nn.Sequential(nn.Linear(3, 4), LastStep()),
            r"1 (LastStep): it can only stand right behind nn.LSTM, GRU or RNN",
        ),
        (lambda: nn.Sequential(nn.LSTMCell(3, 4, bias=False)), r"0 (LSTMCell): a cell returns its states"),
    ],
)
def test_what_keras_cannot_express_is_refused(make: Any, message: str) -> None:
    with pytest.raises(UnsupportedError, match="from_torch: these parts .*\n.*" + re.escape(message)):
        kt.from_torch(make())


def test_everything_that_is_refused_is_listed() -> None:
    tied = nn.Linear(3, 3)
    module = nn.Sequential(nn.Bilinear(3, 4, 2), nn.Sequential(Own(), nn.ReLU()), tied, nn.ReLU(), tied)
    with pytest.raises(UnsupportedError) as caught:
        kt.from_torch(module)
    assert str(caught.value).splitlines()[1:] == [
        "  4.weight: it is the same parameter as 2.weight, and a layer has its own weights",
        "  4.bias: it is the same parameter as 2.bias, and a layer has its own weights",
        "  0 (Bilinear): there is no layer for this class",
        "  1.0 (Own): there is no layer for this class",
    ]


def test_a_module_without_weights_may_stand_twice() -> None:
    relu = nn.ReLU()
    module = nn.Sequential(nn.Linear(3, 4), relu, nn.Linear(4, 4), relu)
    x = torch.randn(5, 3)
    assert_close(results(kt.from_torch(module), x), results(module, x), torch.float32)


def test_a_frozen_padding_row_is_no_obstacle() -> None:
    module = nn.Embedding(5, 2, padding_idx=0).requires_grad_(False)
    x = torch.tensor([[0, 4, 2]])
    assert torch.equal(kt.from_torch(module)(x), module(x))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (nn.LSTM, "expected a torch module, got .*LSTM.*make an object of the class"),
        (3, "expected a torch module, got '3'"),
        (layers.Dense(3, name="there"), "Dense 'there' is a kerastorch layer already"),
    ],
)
def test_what_is_no_torch_module(given: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        kt.from_torch(given)
