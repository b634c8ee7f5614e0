"""Attention, and the dense layer that it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ...spec import Era
from .form import LORA, RANDOM, WEIGHT, Form, keys

_TF_ON: frozenset[Era] = frozenset({"tf.keras", "keras3"})
_KERAS3: frozenset[Era] = frozenset({"keras3"})
_DENSE_CALL = ("mask", "training", "return_attention_scores", "use_causal_mask")
_HEADS = f"dropout use_bias use_gate sliding_window flash_attention seed {WEIGHT}"
# The order of Keras 3; the files of tf.keras name every argument but the first.
_HEADS_CALL = (
    "value",
    "key",
    "query_mask",
    "value_mask",
    "key_mask",
    "attention_mask",
    "return_attention_scores",
    "training",
    "use_causal_mask",
)

_GROUPS = Form(
    keys("head_dim num_query_heads num_key_value_heads", _HEADS),
    ("head_dim", "num_query_heads", "num_key_value_heads"),
    eras=_KERAS3,
    call=_HEADS_CALL,
    first="query",
    keeps_mask=True,
)

FORMS: Mapping[str, Form] = {
    "Attention": Form(keys("use_scale score_mode dropout seed causal"), eras=_TF_ON, call=_DENSE_CALL, old=RANDOM),
    "AdditiveAttention": Form(keys("use_scale dropout seed causal"), eras=_TF_ON, call=_DENSE_CALL, old=RANDOM),
    "MultiHeadAttention": Form(
        keys("num_heads key_dim value_dim output_shape attention_axes softmax_robust_masking", _HEADS),
        ("num_heads", "key_dim"),
        eras=_TF_ON,
        call=_HEADS_CALL,
        ignored=keys("query_shape key_shape value_shape"),  # what it was built for: the graph says it too
        first="query",
        keeps_mask=True,
    ),
    "GroupQueryAttention": _GROUPS,
    "GroupedQueryAttention": replace(_GROUPS, today="GroupQueryAttention"),  # the class itself, in .h5 files
    "EinsumDense": Form(
        keys("equation output_shape activation bias_axes gptq_unpacked_column_size", WEIGHT, LORA),
        ("equation", "output_shape"),
        eras=_TF_ON,
    ),
}
# Layers of a list [query, value]: their output has the mask of the query.
OF_QUERY = frozenset({"Attention", "AdditiveAttention"})
