"""ConvLSTM1D, 2D and 3D: data formats, image sizes, masks, states, dropout, torch's transforms, eras."""

from __future__ import annotations

import copy
import itertools
import json
import re
from typing import Any

import numpy as np
import pytest
import torch
from _close import BFLOAT16, OUTPUT, apart, assert_close, assert_numbers
from _conv_lstms import CLASSES, MASK, images, make
from torch.nn import functional as F

import kerastorch as kt
from kerastorch import layers, native
from kerastorch.compat import to_spec
from kerastorch.errors import ShapeError, UnsupportedFileError
from kerastorch.kernels.convolution import convolve, output_size
from kerastorch.weights import convolution

# ---------------------------------------------------------------- the convolution


@pytest.mark.parametrize("rank", CLASSES)
def test_the_kernel_map_is_the_one_of_torch_and_a_bijection(rank: int) -> None:
    kernel = torch.arange(5.0 * 7 * 2**rank).reshape(*[2] * rank, 5, 7)
    (moved,) = convolution.forward((kernel,))
    assert moved.shape == (7, 5, *[2] * rank)
    place = (1, *[0] * (rank - 1))
    assert moved[(6, 4, *place)] == kernel[(*place, 4, 6)]
    assert torch.equal(convolution.inverse((moved,))[0], kernel)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation"), list(itertools.product((1, 4, 7), (1, 2, 3), (1, 2, 3), (1, 2)))
)
def test_same_padding_by_its_definition(size: int, kernel: int, stride: int, dilation: int) -> None:
    """Output i is centred at stride * i: it takes x[stride * i + dilation * k - before], zeros outside."""
    x = torch.randn(2, size, 3, dtype=torch.float64)
    w = torch.randn(4, 3, kernel, dtype=torch.float64)
    found = convolve(x, w, padding="same", channel_axis=-1, strides=(stride,), dilation=(dilation,))
    count = -(-size // stride)
    before = max((count - 1) * stride + (kernel - 1) * dilation + 1 - size, 0) // 2
    expected = torch.zeros(2, count, 4, dtype=torch.float64)
    for i, k in itertools.product(range(count), range(kernel)):
        at = stride * i + dilation * k - before
        if 0 <= at < size:
            expected[:, i] += x[:, at] @ w[:, :, k].T
    assert_close(found, expected)
    assert output_size(size, kernel, stride, dilation, "same") == count
    valid = output_size(size, kernel, stride, dilation, "valid")
    if valid >= 1:
        assert F.conv1d(x.movedim(2, 1), w, None, stride, 0, dilation).shape[-1] == valid
    else:
        assert (kernel - 1) * dilation + 1 > size


# ---------------------------------------------------------------- the layer


@pytest.mark.parametrize("rank", CLASSES)
@pytest.mark.parametrize(
    "options", [{}, {"padding": "same", "strides": 2}, {"activation": "relu", "use_bias": False}], ids=str
)
def test_channels_first_is_channels_last_transposed(rank: int, options: dict[str, Any]) -> None:
    config = {**options, "return_sequences": True, "return_state": True}
    last, first = make(rank, **config), make(rank, data_format="channels_first", **config)
    results = []
    for layer, axis in ((last, -1), (first, 2)):
        x = images(rank).movedim(-1, axis).requires_grad_()
        size = layer.compute_output_shape(tuple(x.shape))[1]
        states = [torch.linspace(-1, 1, 3 * np.prod(size[1:]), dtype=torch.float64) + i for i in range(2)]
        state_shape = (3, *last.compute_output_shape(tuple(images(rank).shape))[1][1:])
        state = [value.reshape(state_shape).movedim(-1, 1 if axis == 2 else -1).requires_grad_() for value in states]
        out, *finals = layer(x, mask=MASK, initial_state=state)
        assert [tuple(y.shape) for y in (out, *finals)] == list(layer.compute_output_shape(tuple(x.shape)))
        sees = [out.movedim(axis, -1), *(final.movedim(1 if axis == 2 else -1, -1) for final in finals)]
        sum((y * torch.linspace(0, 1, y.numel(), dtype=y.dtype).reshape(y.shape)).sum() for y in sees).backward()
        assert x.grad is not None
        results.append([*sees, x.grad.movedim(axis, -1), *map(torch.tensor, layer.get_gradients())])
    assert first.state_dict().keys() == last.state_dict().keys()
    for mine, theirs in zip(*results, strict=True):
        assert_close(mine, theirs)


def test_an_activation_along_an_axis_acts_on_the_last_axis_as_in_keras() -> None:
    last = make(activation="softmax", padding="same")
    x = images()
    first = make(activation="softmax", padding="same", data_format="channels_first")
    assert apart(first(x.movedim(-1, 2)).movedim(1, -1), last(x))


def test_one_step_by_its_equations() -> None:
    layer = make(recurrent_activation="hard_sigmoid", return_state=True)
    x = images()[:, :1]
    h, c = (torch.rand(3, 3, 4, 2, dtype=torch.float64) for _ in range(2))
    w_x, w_h, b = map(torch.tensor, layer.get_weights())
    to_torch = (3, 2, 0, 1)
    from_x = F.conv2d(x[:, 0].movedim(-1, 1), w_x.permute(to_torch), b)
    from_h = F.conv2d(h.movedim(-1, 1), w_h.permute(to_torch), padding=1)
    i, f, g, o = (from_x + from_h).movedim(1, -1).split(2, dim=-1)
    gate = lambda value: (value + 3).clamp(0, 6) / 6  # noqa: E731
    new_c = gate(f) * c + gate(i) * g.tanh()
    expected = gate(o) * new_c.tanh()
    for mine, theirs in zip(layer(x, initial_state=[h, c]), (expected, expected, new_c), strict=True):
        assert_close(mine, theirs)


def test_gradients_by_finite_differences() -> None:
    layer = make(1, kernel_size=2, padding="same", dropout=0.3, recurrent_dropout=0.3, return_sequences=True)
    noise = [torch.rand(4, 3, 7, 3, dtype=torch.float64), torch.rand(4, 3, 7, 2, dtype=torch.float64)]
    layer._dropout_masks = lambda like, rate: noise[0] if like.shape[-1] == 3 else noise[1]  # type: ignore[method-assign]
    x = images(1).requires_grad_()
    names = dict(layer.named_parameters())

    def run(x: torch.Tensor, *values: torch.Tensor) -> Any:
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (x, MASK))

    assert torch.autograd.gradcheck(run, (x, *names.values()), fast_mode=True)


def test_masked_steps_repeat_the_output_and_keep_the_states() -> None:
    layer = make(return_sequences=True, return_state=True)
    mask = torch.tensor([[0, 1, 0, 1]] * 3, dtype=torch.bool)
    out, *states = layer(images(), mask=mask)
    short, *short_states = layer(images()[:, [1, 3]])
    assert torch.equal(out[:, 0], torch.zeros_like(out[:, 0]))
    assert_close(out[:, 1:], short[:, [0, 0, 1]])
    assert_close(states, short_states)
    for old, expected in ((False, out * mask[..., None, None, None]), (True, out)):
        layer.zero_output_for_mask, layer.keras2_masks = True, old
        assert torch.equal(layer(images(), mask=mask)[0], expected)


def test_a_mask_of_places_is_a_mask_for_each_of_them() -> None:
    layer = make(padding="same", kernel_size=1, return_sequences=True, zero_output_for_mask=True)  # places are apart
    x = images()
    mask = torch.rand(x.shape[:-1], generator=torch.Generator().manual_seed(3)) < 0.6
    found = layer(x, mask=mask)
    for row, column in ((0, 0), (4, 5), (2, 3)):
        alone = layer(x[:, :, row : row + 1, column : column + 1], mask=mask[:, :, row, column])
        assert_close(found[:, :, row, column], alone[:, :, 0, 0])
    assert torch.equal(layer.compute_mask(x, mask), mask)
    assert make().compute_mask(x, mask) is None
    assert make(return_state=True).compute_mask(x, mask) == [None, None, None]


def test_pieces_of_a_stateful_run_equal_the_whole() -> None:
    layer = make(stateful=True, return_sequences=True)
    whole = make(return_sequences=True)(images(), mask=MASK)
    first = layer(images()[:, :1], mask=MASK[:, :1])
    rest = layer(images()[:, 1:], mask=MASK[:, 1:])
    # A masked step repeats the output; in the second call that starts with zeros, as in Keras.
    seen = (MASK[:, 1:].cumsum(1) > 0)[..., None, None, None]
    assert_close(torch.cat([first, rest], 1)[:, 1:], whole[:, 1:] * seen)
    assert layer.states is not None
    assert [tuple(state.shape) for state in layer.states] == [(3, 3, 4, 2)] * 2
    with pytest.raises(ShapeError, match=re.escape("state 0: expected shape (3, 5, 4, 2)")):
        layer(images(size=(7, 6)))
    layer.reset_state([np.zeros((3, 5, 4, 2))] * 2)
    again = layer(images(size=(7, 6)))
    assert torch.equal(again, make(return_sequences=True)(images(size=(7, 6))))
    copied = copy.deepcopy(layer)
    copied.reset_state()
    assert layer.states[0].abs().max() > 0


def test_the_size_of_the_images_may_be_unknown_and_may_change() -> None:
    x = kt.Input((None, None, None, 3))
    out = layers.ConvLSTM2D(2, 3, return_sequences=True, return_state=True, padding="same", strides=2)(x)
    assert [tuple(y.shape) for y in out] == [(None, None, None, None, 2), (None, None, None, 2), (None, None, None, 2)]
    model = kt.Model(x, out)
    for size in ((4, 6), (7, 3)):
        y = model(images(size=size).float())
        assert tuple(y[0].shape) == (3, 4, -(-size[0] // 2), -(-size[1] // 2), 2)
    half_known = layers.ConvLSTM2D(2, 3, data_format="channels_first").compute_output_shape((None, 9, 3, None, 8))
    assert half_known == (None, 2, None, 6)


def test_dropout_draws_for_each_gate_and_row_once_for_all_steps() -> None:
    kt.set_seed(1)
    layer = make(padding="same", dropout=0.4, recurrent_dropout=0.2)
    draws: list[tuple[tuple[int, ...], float]] = []
    draw = layer._dropout_masks
    layer._dropout_masks = lambda like, rate: draws.append((tuple(like.shape), rate)) or draw(like, rate)  # type: ignore
    layer.eval()(images())
    layer(images(), training=False)
    assert not draws
    one, two = layer(images(), training=True), layer.train()(images())
    assert not torch.equal(one, two)
    assert draws == [((3, 5, 6, 3), 0.4), ((3, 5, 6, 2), 0.2)] * 2
    masks = draw(torch.zeros(50, 5, 6, 3), 0.4)
    assert_close(masks.unique(), [0, 1 / 0.6])
    assert abs((masks == 0).float().mean() - 0.4) < 5 * np.sqrt(0.24 / masks.numel())
    assert all(not torch.equal(a, b) for a, b in itertools.combinations(masks, 2))


def test_bidirectional_joins_on_the_last_axis() -> None:
    x = images().float()
    inner = {"filters": 2, "kernel_size": 3, "padding": "same"}
    last = layers.Bidirectional(layers.ConvLSTM2D(**inner))
    assert last(x).shape == (3, 5, 6, 4)
    first = layers.Bidirectional(layers.ConvLSTM2D(**inner, data_format="channels_first"))
    assert first(x.movedim(-1, 2)).shape == (3, 2, 5, 12)  # Keras does so, whatever the format
    assert first.output_shape == (None, 2, 5, 12)
    assert "ConvLSTM2D" in last.kernel_choice().reason


def test_the_kernel_choice_says_why() -> None:
    choice = make().kernel_choice()
    assert choice.path == "step loop"
    compiled = "on the CPU and in float32, the steps run in compiled code" if native.available else "no compiled code"
    assert choice.reason.startswith(
        "torch has no kernel for ConvLSTM2D: one convolution over the inputs of all steps, "
        f"then one over the state at each step; {compiled}"
    )
    assert "autograd follows every step: no derivative of softmax" in make(activation="softmax").kernel_choice().reason


def test_the_inputs_are_convolved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    from kerastorch.kernels import conv_lstm as steps

    monkeypatch.setattr(steps, "convolve", lambda x, *args, **kw: calls.append(len(x)) or convolve(x, *args, **kw))
    make()(images())
    assert calls == [12, 3, 3, 3, 3]


def test_config_and_defaults() -> None:
    layer = layers.ConvLSTM2D(4, 3, data_format=None, padding="SAME", keras2_masks=True)
    config = json.loads(json.dumps(layer.get_config()))
    shown = {key: config[key] for key in ("kernel_size", "strides", "padding", "data_format", "dilation_rate")}
    assert shown == {
        "kernel_size": [3, 3],
        "strides": [1, 1],
        "padding": "same",
        "data_format": "channels_last",
        "dilation_rate": [1, 1],
    }
    assert config["recurrent_activation"] == "sigmoid"
    assert layers.ConvLSTM2D.from_config(config).keras2_masks
    assert "keras2_masks" not in layers.ConvLSTM2D(4, 3).get_config()
    by_position = layers.ConvLSTM1D(4, 3, 2, "same", "channels_first", 1, "relu", "tanh", False)
    assert by_position.get_config()["use_bias"] is False
    assert by_position.strides == (2,)


def test_penalties_constraints_and_one_forget_bias() -> None:
    layer = layers.ConvLSTM2D(
        2, 3, kernel_regularizer="l2", recurrent_regularizer="l1", bias_regularizer="l2", kernel_constraint="non_neg"
    )
    layer.build((None, 4, 5, 6, 3))
    kernel, recurrent, bias = layer.get_weights()
    np.testing.assert_array_equal(bias, [0, 0, 1, 1, 0, 0, 0, 0])
    expected = 0.01 * ((kernel**2).sum() + np.abs(recurrent).sum() + (bias**2).sum())
    assert_numbers(layer.regularization_loss().item(), expected)
    layer.apply_constraints()
    np.testing.assert_array_equal(layer.get_weights()[0], kernel * (kernel >= 0))
    closed = layers.ConvLSTM2D(2, 3, unit_forget_bias=False, bias_initializer="ones")
    closed.build((None, 4, 5, 6, 3))
    np.testing.assert_array_equal(closed.get_weights()[2], np.ones(8))


# ---------------------------------------------------------------- torch


def test_torch_traces_it() -> None:
    layer = make(return_sequences=True).eval()
    compiled = torch.compile(layer, fullgraph=True, backend="eager")
    assert_close(compiled(images(), mask=MASK), layer(images(), mask=MASK))
    rows = torch.func.vmap(lambda row: layer(row[None])[0])(images())
    assert_close(rows, layer(images()))


def test_half_precision_and_autocast() -> None:
    layer = make(return_sequences=True)
    exact = layer(images(), mask=MASK)
    for dtype, floor in ((torch.float32, OUTPUT), (torch.bfloat16, BFLOAT16)):
        out = layer.to(dtype)(images().to(dtype), mask=MASK)
        assert out.dtype == dtype
        assert_close(out.float(), exact, floor)
    with torch.autocast("cpu", torch.bfloat16):
        assert_close(layer.float()(images().float(), mask=MASK).float(), exact, BFLOAT16)


# ---------------------------------------------------------------- files


def described(version: str, **config: Any) -> Any:
    """The layer that a config of some Keras means; it leaves recurrent_activation out."""
    shape = "batch_shape" if version.startswith("3") else "batch_input_shape"
    layer = {"name": "c", "filters": 2, "kernel_size": [3, 3], **config}
    items = [
        {"class_name": "InputLayer", "config": {"name": "i", shape: [None, 4, 5, 6, 3], "dtype": "float32"}},
        {"class_name": "ConvLSTM2D", "config": layer},
    ]
    model = {"class_name": "Sequential", "config": {"name": "s", "layers": items}}
    return to_spec(model, version, "tensorflow")[0].layers[1]


@pytest.mark.parametrize(
    ("version", "function"),
    [
        ("2.0.9", "hard_sigmoid_keras2"),
        ("2.3.1", "hard_sigmoid_keras2"),
        ("2.1.6-tf", "hard_sigmoid_keras2"),
        ("2.15.0", "hard_sigmoid_keras2"),
        ("3.5.0", "sigmoid"),
    ],
)
def test_a_missing_recurrent_activation_is_the_one_of_its_keras(version: str, function: str) -> None:
    layer = described(version)
    assert layer.config["recurrent_activation"] == function
    assert layer.config["kernel_size"] == (3, 3)


def test_old_keys_are_read_and_what_changes_numbers_is_refused() -> None:
    old = {"unroll": False, "implementation": 1, "time_major": False, "num_constants": None}
    assert "implementation" not in described("2.4.0", **old).config
    with pytest.raises(UnsupportedFileError, match="time_major"):
        described("2.4.0", time_major=True)
