"""Where masks are made, used and lost in a model."""

from __future__ import annotations

from kerastorch import Input, Model, Sequential, layers
from kerastorch.models._masks import mask_events


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
