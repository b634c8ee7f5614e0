"""The table of configurations of attention layers that kerastorch and real Keras are compared on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ._compare import Array, Case, mask_of

BATCH, QUERIES, VALUES, FEATURES = 3, 4, 5, 6
BOTH = ("keras3", "keras2")
QUERY, VALUE = (BATCH, QUERIES, FEATURES), (BATCH, VALUES, FEATURES)
SELF = (QUERY, QUERY)
CROSS = (QUERY, VALUE)
APART = {"MultiHeadAttention", "GroupQueryAttention"}


@dataclass(frozen=True)
class AttentionCase:
    """One configuration and one call.

    Args:
        masks: Of each input, a key of `_compare.MASKS`; or None.
        options: More arguments of the call.
        frameworks: Where the layer has these options.
    """

    id: str
    layer: str
    config: Mapping[str, Any] = field(default_factory=dict)
    shapes: tuple[tuple[int, ...], ...] = CROSS
    masks: tuple[str | None, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    dtype: str = "float32"
    frameworks: tuple[str, ...] = BOTH

    @property
    def of_float64(self) -> dict[str, Any]:
        """Heads of size 4: Keras 3 rounds the scale of the scores to float32, and 1/2 is exact."""
        return {key: 4 for key in ("key_dim", "head_dim") if key in self.config}

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of `workers.attention.run_attention`."""
        rng = np.random.default_rng(11)
        inputs = [rng.normal(size=shape).astype(self.dtype) for shape in self.shapes]
        return {
            "class_name": self.layer,
            "config": self.config,
            "inputs": inputs,
            "apart": self.layer in APART,
            "masks": [None if kind is None else mask_of(kind, *x.shape[:2]) for kind, x in zip(self.masks, inputs)],  # noqa: B905
            "options": self.options,
            "dtype": self.dtype,
        }


def attention_mask(*shape: int) -> Array:
    """A mask of scores; each query may look somewhere."""
    mask = np.random.default_rng(5).random(shape) < 0.6
    mask[..., 0] = True
    return mask


CAUSAL = {"use_causal_mask": True}
SCORES = {"return_attention_scores": True}
MASKS = {
    "value right": (None, "right"),
    "value left": (None, "left"),
    "query": ("right", None),
    "both": ("left", "holes"),
    "nothing to see": (None, "empty row"),
}
KEY = (QUERY, (BATCH, VALUES, 3), VALUE)


def _variants(base: AttentionCase) -> list[AttentionCase]:
    def case(name: str, **changes: Any) -> AttentionCase:
        config = {**base.config, **changes.pop("config", {})}
        return replace(base, id=f"{base.id} {name}", config=config, **changes)

    cases = [
        base,
        case("self", shapes=SELF),
        case("self causal", shapes=SELF, options=CAUSAL),
        case("causal", options=CAUSAL),
        case("more queries causal", shapes=(VALUE, QUERY), options=CAUSAL),
        case("scores", options=SCORES),
        case("scores causal both masks", options={**SCORES, **CAUSAL}, masks=("right", "holes")),
        case("causal both masks", options=CAUSAL, masks=("right", "holes")),
        case("scores nothing to see", options=SCORES, masks=(None, "empty row")),
        case("dropout in evaluation", config={"dropout": 0.3}, masks=("right", "holes")),
        case("float64", dtype="float64", masks=(None, "right"), options=CAUSAL, config=base.of_float64),
        case("key", shapes=KEY, masks=("right", None, None), frameworks=("keras3",)),
        *(case(f"mask {name}", masks=masks) for name, masks in MASKS.items()),
    ]
    # tf.keras states another shape for a wide key, or refuses to; so does the GroupQueryAttention of Keras 3.
    return [one for one in cases if not (one.layer == "GroupQueryAttention" and one.shapes == KEY)]


ATTENTION_CASES = [
    *_variants(AttentionCase("Attention", "Attention")),
    *_variants(AttentionCase("Attention scale", "Attention", {"use_scale": True})),
    *_variants(AttentionCase("Attention concat", "Attention", {"score_mode": "concat", "use_scale": True})),
    AttentionCase("Attention concat no scale", "Attention", {"score_mode": "concat"}),
    AttentionCase("Attention causal argument", "Attention", {"causal": True}, frameworks=("keras2",)),
    AttentionCase(
        "Attention wide value", "Attention", shapes=(QUERY, (BATCH, VALUES, 2), VALUE), frameworks=("keras3",)
    ),
    *_variants(AttentionCase("AdditiveAttention", "AdditiveAttention")),
    AttentionCase("AdditiveAttention no scale", "AdditiveAttention", {"use_scale": False}, masks=(None, "right")),
    AttentionCase("AdditiveAttention causal argument", "AdditiveAttention", {"causal": True}, frameworks=("keras2",)),
]

HEADS = AttentionCase("MultiHeadAttention", "MultiHeadAttention", {"num_heads": 2, "key_dim": 3})


def _heads(name: str, config: Mapping[str, Any] | None = None, **changes: Any) -> AttentionCase:
    return replace(HEADS, id=f"{HEADS.id} {name}", config={**HEADS.config, **(config or {})}, **changes)


FOUR_AXES = ((2, 2, 3, 4, 6), (2, 2, 5, 2, 6))
MULTI_HEAD_CASES = [
    *_variants(HEADS),
    _heads("value_dim", {"value_dim": 5}),
    _heads("output_shape", {"output_shape": 5}, masks=(None, "right")),
    _heads("output_shape of two axes", {"output_shape": (2, 5)}),
    _heads("no bias", {"use_bias": False}),
    _heads("heads fill the features", {"key_dim": 3}, shapes=SELF),
    _heads("other features", shapes=(QUERY, (BATCH, VALUES, 4)), frameworks=("keras3",)),
    _heads("attention_mask", options={"attention_mask": attention_mask(BATCH, QUERIES, VALUES)}),
    _heads("attention_mask for all", options={"attention_mask": attention_mask(1, QUERIES, VALUES)}),
    _heads("attention_mask for each head", options={"attention_mask": attention_mask(BATCH, 2, QUERIES, VALUES)}),
    _heads(
        "attention_mask masks causal scores",
        options={"attention_mask": attention_mask(BATCH, QUERIES, VALUES), **CAUSAL, **SCORES},
        masks=("right", "holes"),
    ),
    _heads("attention_mask causal", options={"attention_mask": attention_mask(BATCH, QUERIES, VALUES), **CAUSAL}),
    _heads("query and key masks", shapes=KEY, masks=("right", "left", "holes"), frameworks=("keras3",)),
    _heads("three inputs", shapes=(QUERY, VALUE, VALUE), masks=("right", "left", "holes")),
    _heads("axes", {"attention_axes": (2, 3)}, shapes=FOUR_AXES),
    _heads("axes scores", {"attention_axes": (2, 3)}, shapes=FOUR_AXES, options=SCORES),
    _heads("one of the axes", {"attention_axes": 2}, shapes=((2, 3, 4, 6), (2, 3, 5, 6))),
    _heads("first of the axes", {"attention_axes": (1,)}, shapes=((2, 3, 4, 6), (2, 5, 4, 6))),
    _heads("all axes", shapes=((2, 3, 4, 6), (2, 3, 5, 6))),
    _heads("robust", {"softmax_robust_masking": True}, masks=(None, "empty row"), frameworks=("keras2",)),
    _heads("gate", {"use_gate": True, "value_dim": 4}, masks=("right", "left"), frameworks=("keras3",)),
    _heads("gate without bias", {"use_gate": True, "use_bias": False}, frameworks=("keras3",)),
    _heads("window", {"sliding_window": 2}, frameworks=("keras3",)),
    _heads("window causal masks", {"sliding_window": 2}, options=CAUSAL, masks=(None, "holes"), frameworks=("keras3",)),
    _heads("flash", {"flash_attention": False, "seed": 3}, frameworks=("keras3",)),
]

GROUPS = AttentionCase(
    "GroupQueryAttention",
    "GroupQueryAttention",
    {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2},
    frameworks=("keras3",),
)
GROUP_CASES = [
    *_variants(GROUPS),
    replace(GROUPS, id="GroupQueryAttention one", config={**GROUPS.config, "num_key_value_heads": 1, "use_gate": True}),
    replace(GROUPS, id="GroupQueryAttention window", config={**GROUPS.config, "sliding_window": 2, "use_bias": False}),
]

EINSUM = Case("EinsumDense", "EinsumDense", {"equation": "abc,cd->abd", "output_shape": (None, 5), "bias_axes": "d"})


def _einsum(name: str, equation: str, output_shape: Any, bias_axes: str | None = None, **changes: Any) -> Case:
    config = {"equation": equation, "output_shape": output_shape, "bias_axes": bias_axes, **changes.pop("config", {})}
    return replace(EINSUM, id=f"EinsumDense {name}", config=config, **changes)


EINSUM_CASES = [
    EINSUM,
    _einsum("one axis", "ab,bc->ac", 5, "c", shapes=((3, 4),)),
    _einsum("no bias", "abc,cd->abd", (None, 5)),
    _einsum("heads", "abc,cde->abde", (None, 2, 3), "de"),
    _einsum("bias of one axis", "abc,cde->abde", (None, 2, 3), "d"),
    _einsum("bias of the last axis", "abc,cde->abde", (None, 2, 3), "e"),
    _einsum("from heads", "abcd,cde->abe", (None, 3), "e", shapes=((3, 5, 2, 4),)),
    _einsum("over time", "abc,bd->adc", (5, 4), "d"),
    _einsum("kernel of time and features", "abc,bcd->abd", (5, 2), "bd"),
    _einsum("known sizes", "abc,cd->abd", (5, 3), "d"),
    _einsum("left", "...b,bc->...c", 5, "c"),
    _einsum("left of two", "...bc,cde->...bde", (5, 2, 3), "e", shapes=((3, 2, 5, 4),)),
    _einsum("left without more", "...b,bc->...c", 5, "c", shapes=((3, 4),)),
    _einsum("right", "ab...,bc->ac...", 5, "c", shapes=((3, 4, 2, 2),)),
    _einsum("right, bias in front", "abc...,cde->abde...", (None, 2, 3), "d", shapes=((3, 3, 4, 7),)),
    _einsum("activation", "abc,cd->abd", (None, 5), "d", config={"activation": "tanh"}),
    _einsum("float64", "abc,cde->abde", (None, 2, 3), "de", dtype="float64"),
]
EINSUM_CASES = [replace(case, pass_mask=False) for case in EINSUM_CASES]
