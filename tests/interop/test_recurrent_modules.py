"""Recurrent layers and cells to torch modules and back: outputs, states and gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from _close import assert_close
from torch import Tensor, nn

import kerastorch as kt
from kerastorch import layers
from kerastorch.errors import NotBuiltError, UnsupportedError
from kerastorch.structure import leaves

from ._side_by_side import (
    DTYPES,
    RECURRENT,
    SEQUENCE,
    assert_same,
    assert_same_gradients,
    built,
    flat,
    gradients,
    in_keras_order,
    randomize,
    results,
    states_of,
    zero_second_bias,
)


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
    assert_same(results(flat(module), x, state), expected)
    assert_same_gradients(layer, module)


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
    assert_same(results(flat(module), x, state), expected)
    ours = gradients(layer.forward_layer) | {f"{k}_reverse": v for k, v in gradients(layer.backward_layer).items()}
    assert_same([ours[name] for name in ours], [gradients(module)[name] for name in ours])


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
        assert_same(results(flat(module), x, state), expected)


@pytest.mark.parametrize("gate", range(4))
def test_a_gate_that_is_a_thousandth_wrong_is_seen(gate: int) -> None:
    layer = built(layers.LSTM(5, **SEQUENCE), (None, None, 3))
    module = layer.to_torch()
    with torch.no_grad():
        module.weight_ih_l0[5 * gate : 5 * gate + 5] *= 1.001
    x, state = torch.randn(2, 7, 3), states_of(module, 2, torch.float32)
    expected = results(layer, x, initial_state=in_keras_order(state))
    with pytest.raises(AssertionError):
        assert_same(results(flat(module), x, state), expected)


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
        assert_close(module.state_dict()[name], value)


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
    assert_close(module(x)[0], layer(x)[0])
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
    assert_same(results(module, x, given), expected)
    assert_same_gradients(layer, module)
    back = kt.from_torch(module)
    assert type(back) is type(layer)
    assert_same(results(lambda x: back(x, states)[1], x), expected)
    assert_same_gradients(layer, back)


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
    assert_same([layer(x)], [module(x)[0]])
    for direction in [layer.forward_layer, layer.backward_layer] if bidirectional else [layer]:
        direction.return_state = True
    assert_same(results(layer, x, initial_state=in_keras_order(state)), expected)
    inner = [layer.forward_layer, layer.backward_layer] if bidirectional else [layer]
    theirs = gradients(module)
    for part, ending in zip(inner, ("", "_reverse"), strict=False):
        ours = gradients(part)
        assert len(ours) >= 2
        assert_same(list(ours.values()), [theirs[name + ending] for name in ours])


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
    assert_same(results(layer.eval(), x), results(lambda x: module.eval()(x)[0], x))
    for dropout in layer.layers[1::2]:
        assert dropout.rate == 0.3


def test_dropout_between_layers_acts_as_in_torch() -> None:
    # At a rate of 1 noise is zeros: every layer but the first sees none of the input.
    module = randomize(nn.GRU(3, 4, num_layers=2, batch_first=True, dropout=1.0))
    layer = kt.from_torch(module)
    x = torch.randn(2, 7, 3)
    assert_same([layer(x)], [module(x)[0]])
    assert_close(layer(x), layer(torch.randn(2, 7, 3)))
    assert (layer.eval()(x) - layer.train()(x)).abs().max() > 0.01


def test_time_first_module() -> None:
    module = randomize(nn.GRU(3, 4))
    x = torch.randn(7, 2, 3)
    assert_same([kt.from_torch(module)(x.transpose(0, 1)).transpose(0, 1)], [module(x)[0]])


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
    assert_same([leaves(output)[0]], [module(x)[0]])


@pytest.mark.parametrize("kept", ["bias_ih_l0", "bias_hh_l0"])
def test_one_zero_bias_loses_nothing(kept: str) -> None:
    module = randomize(nn.LSTM(3, 4, batch_first=True))
    with torch.no_grad():
        getattr(module, "bias_hh_l0" if kept == "bias_ih_l0" else "bias_ih_l0").zero_()
    layer: Any = kt.from_torch(module)
    assert torch.equal(layer.bias_ih_l0, getattr(module, kept))
    assert not layer.bias_hh_l0.count_nonzero()
    x = torch.randn(2, 7, 3)
    assert_same([layer(x)], [module(x)[0]])


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("name", [name for name in RECURRENT if "cudnn" not in name])
def test_the_way_back_is_bitwise(name: str, wrap: bool) -> None:
    layer = RECURRENT[name][0]()
    layer = built(layers.Bidirectional(layer) if wrap else layer, (None, None, 3))
    back = kt.from_torch(layer.to_torch())
    assert type(back) is type(layer)
    for one, other in zip(back.get_weights(), layer.get_weights(), strict=True):
        assert (one == other).all()
