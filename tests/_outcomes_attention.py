"""What attention layers say of shapes and masks, and of which dtype outputs are: a part of `_outcomes_layers.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zlib import crc32

import numpy as np
import torch
from _outcomes import plain
from _outcomes_layers import B, F, T, U, numbers, shown, told

from kerastorch import layers
from kerastorch.base.attached_masks import mask_on
from kerastorch.structure import leaves


def attention() -> dict[str, Callable[[], Any]]:
    return {key: told(case) for key, case in (attended() | of_dtypes()).items()}


def attended() -> dict[str, Callable[[], Any]]:
    """What attention layers say of shapes and masks, and which they refuse; their numbers are judged elsewhere."""
    layers_of: dict[str, Callable[[], Any]] = {
        "Attention": lambda: layers.Attention(name="l", dtype="float64"),
        "Attention concat": lambda: layers.Attention(score_mode="concat", use_scale=True, name="l", dtype="float64"),
        "AdditiveAttention": lambda: layers.AdditiveAttention(name="l", dtype="float64"),
        "MultiHeadAttention": lambda: layers.MultiHeadAttention(2, 3, name="l", dtype="float64"),
        "MultiHeadAttention of a shape": lambda: layers.MultiHeadAttention(
            2, 3, value_dim=4, output_shape=5, attention_axes=(1,), name="l", dtype="float64"
        ),
        "GroupQueryAttention": lambda: layers.GroupQueryAttention(3, 4, 2, name="l", dtype="float64"),
    }
    shapes: list[tuple[tuple[int, ...], ...]] = [
        ((2, 4, 3), (2, 5, 3)),
        ((2, 4, 3), (2, 5, 3), (2, 5, 3)),
        ((2, 4, 3), (2, 5, 6), (2, 5, 3)),
        ((2, 4, 3), (2, 5, 3), (2, 6, 3)),
        ((2, 4, 3), (2, 5, 3), (2, 5, 7)),
        ((2, 4, 3), (3, 5, 3)),
        ((2, 4, 3), (2, 5, 7)),
        ((2, 4, 3), (5, 3)),
        ((4, 3), (5, 3)),
        ((2, 4, 3),),
        ((2, 2, 4, 3), (2, 2, 5, 3)),
        ((2, 4, 3), (2, 5, 3), (2, 5, 3), (2, 5, 3)),
    ]
    cases: dict[str, Callable[[], Any]] = {}
    for name, make in layers_of.items():
        apart = name.startswith(("Multi", "Group"))
        for given in shapes:
            tensors = [numbers(*shape, at=at) for at, shape in enumerate(given)]
            masks = [torch.tensor(np.arange(np.prod(shape[:2])).reshape(shape[:2]) % 3 > 0) for shape in given]

            def call(make: Any = make, tensors: Any = tensors, apart: bool = apart, **options: Any) -> Any:
                layer = make()
                found = leaves(layer(*tensors, **options) if apart else layer(tensors, **options))
                weights = [[each.name, list(each.shape)] for each in layer.weights]
                return [[[list(each.shape), shown(mask_on(each))] for each in found], weights]

            keywords = dict(zip(("query_mask", "value_mask", "key_mask"), masks, strict=False))
            variants: dict[str, dict[str, Any]] = {
                "alone": {},
                "scores": {"return_attention_scores": True},
                "causal": {"use_causal_mask": True, "return_attention_scores": True},
                "masks": keywords if apart else {"mask": masks},
                "a mask less": {} if not apart else {"attention_mask": torch.ones(2, 4, 5, dtype=torch.bool)},
                "a mask of another size": {"attention_mask": torch.ones(2, 5, 4, dtype=torch.bool)}
                if apart
                else {"mask": masks[::-1]},
            }
            for label, options in variants.items():
                cases[f"{name} {given} {label}"] = lambda call=call, options=options: call(**options)
            cases[f"{name} {given} output shape"] = lambda make=make, given=given, apart=apart: plain(
                make().compute_output_shape(*given) if apart else make().compute_output_shape(list(given))
            )
            cases[f"{name} {given} mask behind"] = lambda make=make, tensors=tensors, masks=masks, apart=apart: shown(
                make().compute_mask(*tensors) if apart else make().compute_mask(tensors, masks)
            )
    return cases


def of_dtypes() -> dict[str, Callable[[], Any]]:
    """Of which dtype outputs are, where a layer and the one around it have dtypes of their own."""
    dtypes = ("float32", "float64", "mixed_bfloat16", None)
    cases: dict[str, Callable[[], Any]] = {}
    for inner in dtypes:
        for outer in dtypes:
            for x in (torch.float32, torch.float64, torch.bfloat16, torch.int64):

                def dtypes_of(make: Callable[[Any], Any], inner: Any = inner, outer: Any = outer, x: Any = x) -> Any:
                    layer = make({"name": "i", **({} if inner is None else {"dtype": inner})})
                    given = numbers(B, T, F).abs().to(x)
                    found = [str(each.dtype) for each in leaves(layer(given))]
                    said_of_it = [str(each) for each in layer._output_dtypes(x)]
                    return [
                        found,
                        said_of_it,
                        [str(each.dtype) for each in layer.weights],
                        str(layer.compute_dtype),
                    ]

                out = {"name": "l", **({} if outer is None else {"dtype": outer})}
                makers: dict[str, Callable[[Any], Any]] = {
                    "Bidirectional": lambda options, out=out: layers.Bidirectional(
                        layers.LSTM(U, return_sequences=True, return_state=True, **options), merge_mode="sum", **out
                    ),
                    "Bidirectional of two": lambda options, out=out: layers.Bidirectional(
                        layers.GRU(U, **options),
                        backward_layer=layers.GRU(U, go_backwards=True, dtype="float64", name="j"),
                        **out,
                    ),
                    "TimeDistributed": lambda options, out=out: layers.TimeDistributed(
                        layers.Dense(2, **options), **out
                    ),
                    "TimeDistributed of words": lambda options, out=out: layers.TimeDistributed(
                        layers.Embedding(5, 2, **options), **out
                    ),
                    "RNN": lambda options, out=out: layers.RNN(layers.LSTMCell(U, **options), return_state=True, **out),
                    "stack": lambda options, out=out: layers.RNN(
                        [layers.LSTMCell(U, **options), layers.GRUCell(U, dtype="float64", name="j")],
                        return_state=True,
                        **out,
                    ),
                }
                for label, make in makers.items():
                    key = f"{label} of {inner} in {outer} on {x}"
                    if crc32(key.encode()) % 2:
                        cases[key] = lambda dtypes_of=dtypes_of, make=make: dtypes_of(make)
    return cases
