"""Models with attention in them, built in real Keras."""

from __future__ import annotations

from types import ModuleType
from typing import Any

TIME, FEATURES, WORDS = 5, 4, 6


def _words(k: ModuleType, name: str | None = None) -> Any:
    return k.Input((TIME,), dtype="int32", name=name)


def _embedded(k: ModuleType, words: Any) -> Any:
    return k.layers.Embedding(WORDS, FEATURES, mask_zero=True)(words)


def _mask(k: ModuleType, name: str, *shape: int) -> Any:
    return k.Input(shape or (TIME,), dtype="bool", name=name)


def encoder_decoder(k: ModuleType) -> Any:
    """Luong's translation: the decoder's steps look at the encoder's, padding left out."""
    lay = k.layers
    source, target = _words(k, "source"), _words(k, "target")
    encoded, h, c = lay.LSTM(4, return_sequences=True, return_state=True)(_embedded(k, source))
    decoded = lay.LSTM(4, return_sequences=True)(_embedded(k, target), initial_state=[h, c])
    context = lay.Attention(use_scale=True)([decoded, encoded])
    both = lay.Concatenate()([decoded, context])
    return k.Model([source, target], lay.TimeDistributed(lay.Dense(3, activation="softmax"))(both))


def additive(k: ModuleType) -> Any:
    """Bahdanau's scores, and the mask of the query behind it."""
    lay = k.layers
    words = _words(k)
    x = _embedded(k, words)
    keys = lay.GRU(4, return_sequences=True)(x)
    y = lay.AdditiveAttention()([keys, x, keys])
    return k.Model(words, [y, lay.LSTM(3)(y)])


def heads(k: ModuleType) -> Any:
    """Self-attention over words, read by an LSTM that gets the mask."""
    lay = k.layers
    words = _words(k)
    x = _embedded(k, words)
    y = lay.MultiHeadAttention(2, 3)(x, x)
    return k.Model(words, [y, lay.LSTM(3)(y)])


def transformer(k: ModuleType) -> Any:
    """Two blocks with residual connections: in Keras 3 the second one has lost the mask."""
    lay = k.layers
    words = _words(k)
    x = _embedded(k, words)
    for _ in range(2):
        x = lay.LayerNormalization()(lay.Add()([x, lay.Dropout(0.1)(lay.MultiHeadAttention(2, 3, value_dim=2)(x, x))]))
        x = lay.LayerNormalization()(lay.Add()([x, lay.Dense(FEATURES)(lay.Dense(6, activation="relu")(x))]))
    return k.Model(words, [x, lay.Flatten()(x), lay.GRU(2)(x)])


def crossed(k: ModuleType) -> Any:
    """Arguments by name and by place, causal, on masked tensors that are used several times."""
    lay = k.layers
    source, target = _words(k, "source"), _words(k, "target")
    a = lay.LSTM(4, return_sequences=True)(_embedded(k, source))
    b = lay.Bidirectional(lay.GRU(2, return_sequences=True))(_embedded(k, target))
    first = lay.MultiHeadAttention(2, 3)(b, a, use_causal_mask=True)
    second = lay.MultiHeadAttention(2, 3)(query=b, value=a, key=b)
    third = lay.MultiHeadAttention(1, 3, output_shape=5)(first, value=b, key=a)
    return k.Model([source, target], [first, second, third, lay.LSTM(2)(third)])


def used_before_and_after(k: ModuleType) -> Any:
    """Masked tensors that layers of several kinds read beside a MultiHeadAttention."""
    lay = k.layers
    words = _words(k)
    x = _embedded(k, words)
    y = lay.Dense(FEATURES)(x)
    dropped = lay.Dropout(0.2)(x)
    seen = lay.MultiHeadAttention(2, 3)(dropped, dropped)
    outputs = [
        lay.LSTM(2)(x),
        lay.Attention()([x, x]),
        lay.Attention()([seen, seen]),
        lay.GRU(2)(lay.Add()([x, seen])),
        lay.GRU(2)(lay.Concatenate()([x, seen])),
        lay.MultiHeadAttention(1, 2)(y, y),
        lay.LSTM(2)(y),
        lay.GRU(2, return_sequences=True)(lay.LSTM(3, return_sequences=True)(x)),
    ]
    return k.Model(words, [seen, *outputs])


def explicit(k: ModuleType) -> Any:
    """Masks that are inputs of the model."""
    lay = k.layers
    x, m, n, scores = k.Input((TIME, FEATURES)), _mask(k, "m"), _mask(k, "n"), _mask(k, "scores", TIME, TIME)
    first = lay.LSTM(4, return_sequences=True)(x, mask=m)
    bidi = lay.Bidirectional(lay.GRU(2, return_sequences=True))(x, mask=n)
    outputs = [
        lay.LSTM(2)(first),
        lay.GRU(3, return_sequences=True)(bidi),
        lay.Attention()([x, x], mask=[m, n]),
        lay.LSTM(2)(lay.Attention()([x, x], mask=[m, None])),
        lay.MultiHeadAttention(2, 3)(x, x, attention_mask=scores),
        lay.MultiHeadAttention(2, 3)(x, value=x, attention_mask=scores, use_causal_mask=True),
        lay.TimeDistributed(lay.Dense(2))(x, mask=n),
    ]
    return k.Model([x, m, n, scores], outputs)


def without_masks(k: ModuleType) -> Any:
    """tf.keras: `mask=None` in a call says that there is none, also for what follows."""
    lay = k.layers
    words = _words(k)
    x = _embedded(k, words)
    free = lay.LSTM(4, return_sequences=True)(x, mask=None)
    dots = lay.Attention()([x, x], mask=None)
    return k.Model(words, [lay.GRU(2)(free), lay.LSTM(2)(dots), lay.Bidirectional(lay.GRU(2))(x, mask=None)])


def with_scores(k: ModuleType) -> Any:
    """Scores as outputs, and used."""
    lay = k.layers
    words = _words(k)
    x = _embedded(k, words)
    out, weights = lay.MultiHeadAttention(2, 3)(x, x, return_attention_scores=True, use_causal_mask=True)
    again, seen = lay.Attention(score_mode="concat")([out, out], return_attention_scores=True)
    return k.Model(words, [out, weights, again, lay.Dense(2)(seen), lay.LSTM(2)(again)])


def dense_by_einsum(k: ModuleType) -> Any:
    """EinsumDense in its three forms."""
    lay = k.layers
    x = k.Input((TIME, FEATURES))
    y = lay.EinsumDense("abc,cde->abde", (TIME, 2, 3), bias_axes="de")(x)
    z = lay.EinsumDense("...de,def->...f", 4, bias_axes="f", activation="tanh")(y)
    return k.Model(x, [lay.LSTM(2)(z), lay.EinsumDense("ab...,bc->ac...", 3)(z)])


def in_a_nested_model(k: ModuleType) -> Any:
    """A block as a model of its own, called once, between masked layers."""
    lay = k.layers
    p = k.Input((TIME, FEATURES))
    block = k.Model(p, lay.LayerNormalization()(lay.MultiHeadAttention(2, 3)(p, p)), name="block")
    x = k.Input((TIME, FEATURES))
    return k.Model(x, lay.LSTM(2)(block(lay.GRU(4, return_sequences=True)(x))))


def grouped(k: ModuleType) -> Any:
    """Keras 3 only: groups of heads, a gate, a window."""
    lay = k.layers
    words = _words(k)
    x = _embedded(k, words)
    y = lay.GroupQueryAttention(3, 4, 2, use_gate=True)(x, x)
    z = lay.MultiHeadAttention(2, 3, use_gate=True, sliding_window=2, seed=4)(y, x, use_causal_mask=True)
    return k.Model(words, [y, z, lay.LSTM(2)(z)])
