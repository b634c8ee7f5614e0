"""Where masks are made, used and lost in a model."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

import kerastorch as kt
from kerastorch import Input, Model, Sequential, layers
from kerastorch.models.mask_flow import follow_masks, mask_events
from kerastorch.structure import leaves


def test_a_chain() -> None:
    model = Sequential(
        [
            Input((6,), dtype="int64"),
            layers.Embedding(9, 4, mask_zero=True, name="words"),
            layers.Dropout(0.5),
            layers.LSTM(3, return_sequences=True, name="lstm"),
            layers.Flatten(name="flat"),
            layers.Dense(2),
        ]
    )
    assert mask_events(model) == [
        ("words", "Embedding", "made"),
        ("lstm", "LSTM", "used"),
        ("flat", "Flatten", "lost"),
    ]


def test_a_graph_with_a_nested_model_and_without_masks() -> None:
    tokens, plain = Input((6,), dtype="int64"), Input((6, 4))
    inner = Sequential([Input((6,)), layers.Embedding(9, 4, mask_zero=True, name="words")], name="inner")
    merged = layers.Add(name="sum")([inner(tokens), plain])  # in Keras 3 one input without a mask ends it
    model = Model([tokens, plain], layers.GRU(3, name="gru")(layers.Permute((1, 2), name="permute")(merged)))
    assert mask_events(model) == [("words", "Embedding", "made"), ("sum", "Add", "lost")]
    assert mask_events(Sequential([Input((6, 4)), layers.Flatten(), layers.Dense(2)])) == []


def test_a_mask_that_a_recurrent_layer_uses_up_is_not_lost() -> None:
    model = Sequential(
        [Input((6, 4)), layers.Masking(name="masking"), layers.GRU(3, name="gru"), layers.RepeatVector(2)]
    )
    assert [event.what for event in mask_events(model)] == ["made", "used"]


def named(given: str) -> Model:
    """A recurrent layer whose call names a mask, or none; behind it one that uses a mask and one that loses it."""
    words, steps = Input((6,), dtype="int64", name="x"), Input((6,), dtype="bool", name="steps")
    x = layers.Embedding(9, 4, mask_zero=given != "an input, nothing else", name="words")(words)
    options: dict[str, Any] = {"nothing": {}, "None": {"mask": None}}.get(given, {"mask": steps})
    y = layers.LSTM(3, return_sequences=True, name="named")(x, **options)
    y = layers.GRU(3, return_sequences=True, name="behind")(layers.Dense(3, name="dense")(y))
    return Model(
        [words, steps] if "mask" in options and options["mask"] is not None else words,
        layers.Flatten(name="flatten")(y),
    )


@pytest.mark.parametrize(
    ("given", "made", "used"),
    [
        ("nothing", True, True),
        ("an input", True, True),
        ("an input, nothing else", False, True),
        ("None", True, False),  # the call uses none; its output has that of its input
    ],
)
def test_a_mask_named_in_a_call_is_handed_on(given: str, made: bool, used: bool) -> None:
    model = named(given)
    wanted = [("words", "Embedding", "made")] if made else []
    wanted += [("named", "LSTM", "used")] if used else []
    assert mask_events(model) == [*wanted, ("behind", "GRU", "used"), ("flatten", "Flatten", "lost")]
    visits = {visit.layer.name: visit for visit in follow_masks(model)}
    (handed,) = visits["named"].leaving
    assert handed is not None
    assert visits["dense"].arriving == visits["dense"].leaving == visits["behind"].arriving == (handed,)
    if given in ("nothing", "None"):
        assert visits["words"].leaving == (handed,)
    else:  # the mask that the call names, and not the one of the words
        assert visits["named"].arriving == (handed,)
        assert visits["words"].leaving[0] is not handed
    # The report says what the model does: a mask that arrives is used.
    words = torch.tensor([[3, 1, 4, 1, 5, 9 - 1], [2, 6, 5, 0, 0, 0]])
    steps = torch.tensor([[True] * 5 + [False], [True] * 2 + [False] * 4])
    got = model(words, steps) if len(model.inputs) == 2 else model(words)
    x: Any = model.get_layer("words")(words)
    named_mask = {"nothing": words != 0, "None": None}.get(given, steps)
    behind_mask = words != 0 if given in ("nothing", "None") else steps
    y = model.get_layer("dense")(model.get_layer("named")(x, mask=named_mask))
    assert torch.equal(got, model.get_layer("behind")(y, mask=behind_mask).flatten(1))


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("first", [[], [layers.Masking()]], ids=["plain", "masked"])
def test_layers_that_need_more_than_two_steps(first: list[Any], ending: str, tmp_path: Path) -> None:
    """How many there are is not known where masks are followed, and no number stands for that."""
    rows = [*first, layers.Conv1D(4, 5), layers.MaxPooling1D(3), layers.Conv1D(2, 4, strides=2), layers.LSTM(2)]
    chain = Sequential([Input((None, 3)), *map(copy.deepcopy, rows)])
    x, images = Input((None, 3)), Input((None, None, 5, 1))
    value = x
    for layer in map(copy.deepcopy, rows):
        value = layer(value)
    inside = layers.TimeDistributed(layers.Conv2D(2, 3))(images)
    graph = Model([x, images], [value, chain(x), inside, layers.Cropping1D(3)(x), layers.AveragePooling1D(4)(x)])
    steps = Input((None, None, 3))
    outer = Model(steps, layers.TimeDistributed(copy.deepcopy(chain), keras2_masks=True)(steps))
    outer.save(tmp_path / f"m.{ending}")
    data = [torch.randn(2, 40, 3), torch.randn(2, 3, 6, 5, 1)]
    for model, given in ((chain, data[0]), (graph, data)):
        model.save(tmp_path / f"m.{ending}")
        again = kt.load_model(tmp_path / f"m.{ending}")
        for found, wanted in zip(leaves(again(given)), leaves(model(given)), strict=True):
            assert torch.equal(found, wanted)
        lost = [event.class_name for event in mask_events(model) if event.what == "lost"]
        assert lost == ["Conv1D"] * (len(first) * (1 + (model is graph)))
