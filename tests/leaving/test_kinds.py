"""Kinds of models that no golden file and no example has: states, modes, models in wrappers, masks that go through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from _close import apart, assert_numbers
from torch import Tensor, nn

import kerastorch as kt
from kerastorch import Input, Model, Sequential, layers
from kerastorch.leaving import to_torch
from kerastorch.structure import leaves

from ._cases import from_text, randomize
from .test_to_torch import by_value, differences, floats, run


def words(rows: int = 3, *shape: int) -> Tensor:
    """Word numbers; some rows end in zeros, one begins with one, one is all zeros."""
    made = torch.randint(1, 9, (rows, *shape), generator=torch.Generator().manual_seed(3))
    made[0, ..., -2:] = made[1, ..., 0] = 0
    made[2, ..., :] = 0 if len(shape) == 1 else made[2]
    return made


def numbers(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(4))


def sentences() -> Model:
    """A hierarchy: words to sentences to a document; the inner model makes its own mask."""
    x = Input((None,), dtype="int64")
    sentence = Model(x, layers.LSTM(4)(layers.Embedding(9, 3, mask_zero=True)(x)), name="sentence")
    document = Input((3, None), dtype="int64")
    y = layers.TimeDistributed(sentence, name="sentences")(document)
    return Model(document, layers.Dense(2)(layers.GRU(3)(y)))


def frames() -> Model:
    """Images over time: a stack of convolutions for each."""
    inner = Sequential([Input((5, 5, 2)), layers.Conv2D(3, 3, activation="relu"), layers.Flatten()], name="frame")
    return Sequential([Input((None, 5, 5, 2)), layers.TimeDistributed(inner), layers.LSTM(3)])


def inner_masks(keras2: bool) -> Model:
    """A mask of words that goes into the layer inside, and from it to the steps."""
    x = Input((3, 5), dtype="int64")
    y = layers.Embedding(9, 4, mask_zero=True)(x)
    y = layers.TimeDistributed(layers.LSTM(3, return_sequences=True), keras2_masks=keras2)(y)
    return Model(x, layers.TimeDistributed(layers.GRU(2), keras2_masks=keras2)(y))


def inside_with_masks() -> Model:
    x = Input((None,), dtype="int64")
    inner = Sequential([layers.LSTM(3, return_sequences=True), layers.Dropout(0.5), layers.Dense(2)], name="inner")
    return Model(x, layers.LSTM(2)(inner(layers.Embedding(9, 3, mask_zero=True)(x), training=False)))


def fixed_modes() -> Model:
    """Parts that stay as in evaluation while the model trains: what a frozen base model is called with."""
    base = Sequential([Input((5, 3)), layers.BatchNormalization(), layers.Dropout(0.5), layers.Dense(4)], name="base")
    x = Input((5, 3))
    y = layers.LSTM(3, dropout=0.4, recurrent_dropout=0.3, return_sequences=True)(
        base(x, training=False), training=False
    )
    return Model(x, layers.Dropout(0.5)(layers.BatchNormalization()(y, training=False), training=False))


def always_training() -> Model:
    x = Input((5, 3))
    return Model(x, layers.BatchNormalization()(layers.LSTM(3)(x, training=True), training=True))


def masked_softmax(robust: bool | None) -> Model:
    x = Input((5,), dtype="int64")
    y = layers.Embedding(9, 5, mask_zero=True)(x)  # with five rows the mask spreads from the last axis on
    return Model(x, layers.Softmax(robust_masking=robust)(y))


def masked_groups() -> Model:
    x = Input((4,), dtype="int64")
    y = layers.Embedding(9, 4, mask_zero=True)(x)
    return Model(x, layers.GroupNormalization(groups=2, keras2_masks=True)(y))


def wide_attention() -> Model:
    x = Input((3, 5, 4))
    y = layers.Attention(use_scale=True, causal=True)([x, x])
    return Model(x, [y, layers.AdditiveAttention()([x, y])])


def attention_masks() -> Model:
    x, allowed = Input((5, 4)), Input((5, 5), dtype="bool")
    y = layers.MultiHeadAttention(2, 3)(x, x, attention_mask=allowed, use_causal_mask=True)
    return Model([x, allowed], y)


def axes() -> Model:
    x = Input((2, 3, 4, 5))
    return Model(x, list(layers.MultiHeadAttention(2, 3, attention_axes=(1, 3))(x, x, return_attention_scores=True)))


def first_state() -> Model:
    x, h, c = Input((5,), dtype="int64"), Input((3,)), Input((3,))
    y = layers.Embedding(9, 4, mask_zero=True)(x)
    made = layers.LSTM(3, return_sequences=True, first_state_shows=True)(y, initial_state=[h, c])
    return Model([x, h, c], made)


def masked_images() -> Model:
    x = Input((4, 3, 3, 2))
    y = layers.ConvLSTM2D(2, 2, padding="same", return_sequences=True)(layers.Masking()(x))
    return Model(x, y)


def rms() -> Model:
    with pytest.warns(UserWarning, match="rms_scaling"):
        return Sequential([Input((5, 3)), layers.LayerNormalization(axis=1, rms_scaling=True)])


def cut_off(**options: Any) -> Model:
    made = layers.Conv2DTranspose(3, (4, 3), strides=(2, 2), padding="same", activation="softmax", **options)
    return Sequential([Input((5, 4, 2)), made])


CASES: dict[str, tuple[Callable[[], Model], Callable[[], list[Tensor]]]] = {
    "sentences": (sentences, lambda: [words(3, 3, 5)]),
    "frames": (frames, lambda: [numbers(2, 3, 5, 5, 2)]),
    "inner masks": (lambda: inner_masks(False), lambda: [words(3, 3, 5)]),
    "inner masks of Keras 2": (lambda: inner_masks(True), lambda: [words(3, 3, 5)]),
    "a mask through a model": (inside_with_masks, lambda: [words(3, 5)]),
    "fixed modes": (fixed_modes, lambda: [numbers(3, 5, 3)]),
    "always training": (always_training, lambda: [numbers(3, 5, 3)]),
    **{
        f"softmax of a mask, robust {robust}": (lambda robust=robust: masked_softmax(robust), lambda: [words(5, 5)])
        for robust in (None, True, False)
    },
    "group norm of a mask": (masked_groups, lambda: [words(4, 4)]),
    "attention over more axes": (wide_attention, lambda: [numbers(2, 3, 5, 4)]),
    "attention masks": (attention_masks, lambda: [numbers(2, 5, 4), numbers(2, 5, 5) > 0]),
    "attention axes": (axes, lambda: [numbers(2, 2, 3, 4, 5)]),
    "first state": (first_state, lambda: [words(3, 5), numbers(3, 3), numbers(3, 3)]),
    "masked places": (masked_images, lambda: [numbers(2, 4, 3, 3, 2) * (numbers(2, 4, 3, 3, 1) > 0)]),
    "rms scaling": (rms, lambda: [numbers(2, 5, 3)]),
    "odd cut": (cut_off, lambda: [numbers(2, 5, 4, 2)]),
    "odd cut, channels first": (lambda: cut_off(data_format="channels_first"), lambda: [numbers(2, 5, 4, 2)]),
    "renorm": (
        lambda: Sequential(
            [Input((5, 3)), layers.BatchNormalization(axis=1, renorm=True, renorm_clipping={"rmax": 2})]
        ),
        lambda: [numbers(4, 5, 3)],
    ),
    "norms": (
        lambda: Sequential([Input((5, 3)), layers.Masking(), layers.Dense(4), layers.BatchNormalization(momentum=0.9)]),
        lambda: [numbers(4, 5, 3) * (numbers(4, 5, 1) > -0.5)],
    ),
    "a norm of channels": (
        lambda: Sequential([Input((3, 5)), layers.Conv1D(4, 2), layers.BatchNormalization(axis=1, scale=False)]),
        lambda: [numbers(4, 3, 5)],
    ),
    "spectral norm": (
        lambda: Sequential([Input((5, 3)), layers.SpectralNormalization(layers.Conv1D(4, 3), power_iterations=2)]),
        lambda: [numbers(2, 5, 3)],
    ),
}
DETERMINISTIC = ("fixed modes", "renorm", "spectral norm", "always training", "norms", "a norm of channels")


@pytest.mark.parametrize("name", CASES)
def test_kinds(name: str) -> None:
    make, inputs_of = CASES[name]
    kt.set_seed(7)
    model = make().eval()
    randomize(model)
    inputs = inputs_of()
    for training in (False, True) if name in DETERMINISTIC else (False,):
        live = to_torch(model)
        made = from_text(live)
        before = {key: value.clone() for key, value in model.state_dict().items()}
        outputs, gradients = run(model.train(training), inputs)
        after = _sums(model)
        model.load_state_dict(before)
        for part in (live.train(training), made.train(training)):
            found, own = run(part, inputs, len(outputs))
            assert [gap for gap in map(apart, found, outputs) if gap] == []
            if not (training and name == "spectral norm"):  # its weights have moved, and gradients are known by them
                assert differences(by_value(part, own), by_value(model, gradients)) == []
            assert_numbers(_sums(part), after)  # running statistics move alike


def _sums(model: nn.Module) -> list[float]:
    """What the arrays of a model sum up to; those of zeros aside."""
    sums = [float(value.double().sum()) for value in model.state_dict().values() if value.is_floating_point()]
    return sorted(total for total in sums if total)


STATEFUL: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "LSTM": (lambda: layers.LSTM(3, stateful=True, return_sequences=True), (2, 3, 4)),
    "GRU before": (lambda: layers.GRU(3, stateful=True, reset_after=False), (2, 3, 4)),
    "RNN": (lambda: layers.RNN(layers.LSTMCell(3), stateful=True), (2, 3, 4)),
    "cells": (lambda: layers.RNN([layers.GRUCell(3), layers.LSTMCell(2)], stateful=True), (2, 3, 4)),
    "both directions": (lambda: layers.Bidirectional(layers.LSTM(3, stateful=True)), (2, 3, 4)),
    "images": (lambda: layers.ConvLSTM2D(2, 2, stateful=True, padding="same"), (2, 3, 4, 4, 2)),
}


@pytest.mark.parametrize("name", STATEFUL)
def test_states_go_in_and_come_out(name: str) -> None:
    make, shape = STATEFUL[name]
    model = Sequential([Input(batch_shape=shape), make()]).eval()
    randomize(model)
    live = to_torch(model)
    for module in (live, from_text(live)):
        model.reset_states()
        states: list[Any] = []
        for _ in range(3):
            x = torch.randn(shape)
            out, *states = module(x, *states)
            assert apart(out, model(x)) is None
        leaves(states)


def test_dropout_in_inference_goes_on() -> None:
    """`training=True` in a graph: Monte Carlo dropout."""
    x = Input((5, 3))
    model = Model(
        x, layers.LSTM(4, dropout=0.4, recurrent_dropout=0.4)(layers.Dropout(0.5)(x, training=True), training=True)
    )
    live = to_torch(model.eval())
    for module in (live, from_text(live)):
        z = numbers(2, 5, 3)
        assert not torch.equal(module(z), module(z))
        assert not torch.equal(module.eval()(z), module(z))
        assert module.training is False


@pytest.mark.parametrize("modes", [(True, None), (None, True), (True, False), (None, False, True)])
def test_one_layer_in_several_modes(modes: tuple[bool | None, ...]) -> None:
    """Running statistics move, and outputs are, as each call says; weights and statistics are shared."""
    x, norm, drop = Input((5, 3)), layers.BatchNormalization(name="norm"), layers.Dropout(0.5, name="drop")
    read = layers.LSTM(3, recurrent_dropout=0.5, return_sequences=True, name="read")
    outs = [norm(x, training=mode) for mode in modes]
    noisy = [drop(read(x, training=mode), training=mode) for mode in modes]
    model = Model(x, [*outs, *noisy]).eval()
    randomize(model)
    z = numbers(4, 5, 3)
    for training in (False, True):
        live = to_torch(model.eval())
        parts = live.train(training), from_text(live).train(training)
        before = {key: value.clone() for key, value in model.state_dict().items()}
        expected, after = model.train(training)(z), _sums(model)
        model.load_state_dict(before)
        acts = [training if mode is None else mode for mode in modes]
        for module in parts:
            found = module(z)
            assert [gap for gap in map(apart, found[: len(modes)], expected) if gap] == []
            for act, mine, theirs in zip(acts, found[len(modes) :], expected[len(modes) :], strict=True):
                assert (mine == 0).any() if act else apart(mine, theirs) is None
            assert_numbers(_sums(module), after)
            assert [module.norm.training, module.read.training] == [training, training]


@pytest.mark.parametrize("kind", [layers.ConvLSTM1D, layers.ConvLSTM2D])
def test_dropout_of_images_is_that_of_the_model(kind: Any) -> None:
    """From one seed both draw the same masks where there is one channel: the axes stand in another order."""
    shape = (2, 3, 4, 1) if kind is layers.ConvLSTM1D else (2, 3, 4, 4, 1)
    model = Sequential([Input(shape[1:]), kind(1, 2, padding="same", dropout=0.3, recurrent_dropout=0.4)]).train()
    randomize(model)
    live = to_torch(model)
    for module in (live, from_text(live)):
        found = []
        for part in (module.train(), model):
            torch.manual_seed(4)
            found.append(floats(part(numbers(*shape))))
        assert apart(found[0][0], found[1][0]) is None


def test_modules_of_torch_are_there() -> None:
    """What tools look for: each layer that torch has is torch's own module."""
    x = Input((5,), dtype="int64")
    y = layers.Bidirectional(layers.LSTM(4, return_sequences=True), name="read")(
        layers.Embedding(9, 3, name="words")(x)
    )
    model = Model(x, layers.Dense(2, name="score")(layers.GRU(3, name="sum")(y)))
    kinds = {name: type(part) for name, part in to_torch(model).named_children()}
    assert kinds == {"words": nn.Embedding, "read": nn.LSTM, "sum": nn.GRU, "score": nn.Linear}
