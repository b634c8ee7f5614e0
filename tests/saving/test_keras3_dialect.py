"""What Keras 3 has otherwise: each refusal in full, and what is written and reported instead."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kerastorch as kt
from kerastorch import layers as L
from kerastorch.errors import SaveError

WORDS = (6, 3)


def masked(layer: Any, *more: Any) -> kt.Model:
    """Masked words into a layer of several inputs or of one."""
    a, b = kt.Input((6,), name="a"), kt.Input((6,), name="b")
    embed = L.Embedding(9, 4, mask_zero=True, name="words")
    inputs = [embed(a), embed(b)]
    return kt.Model([a, b], layer(inputs) if isinstance(layer, Merging) else layer(*inputs, *more))


Merging = (L.Add, L.Multiply, L.Maximum, L.Minimum)


def one(layer: Any, *shape: int, masking: bool = True) -> kt.Model:
    first = [L.Masking(name="masking")] if masking else []
    return kt.Sequential([kt.Input(shape), *first, layer])


def image(layer: Any) -> kt.Model:
    """Masked steps of images."""
    x = kt.Input((6, 5, 5, 2))
    return kt.Model(x, layer(L.Masking(name="masking")(x)))


REFUSED: dict[str, tuple[Callable[[], kt.Model], str]] = {
    **{
        name: (
            lambda name=name: masked(getattr(L, name)(keras2_masks=True, name="it")),
            f"{name} 'it': a mask arrives, and Keras 3 leaves masked steps out of the {what}, Keras 2 does not; take "
            "the mask off before the layer.",
        )
        for name, what in (("Multiply", "product"), ("Maximum", "maximum"), ("Minimum", "minimum"))
    },
    "GroupNormalization": (
        lambda: one(L.GroupNormalization(2, keras2_masks=True, name="it"), 6, 4),
        "GroupNormalization 'it': a mask arrives, and Keras 3 counts masked places in the statistics, Keras 2 does "
        "not; take the mask off before the layer.",
    ),
    "ConvLSTM2D": (
        lambda: image(L.ConvLSTM2D(2, 2, keras2_masks=True, zero_output_for_mask=True, name="it")),
        "ConvLSTM2D 'it': a mask arrives, and Keras 3 would set the masked steps of the output to zero.",
    ),
    "MultiHeadAttention": (
        lambda: masked(L.MultiHeadAttention(2, 3, implicit_masks=False, name="it")),
        "MultiHeadAttention 'it': a mask arrives that the layer must not use, and in the Keras that opens the file it "
        "would.",
    ),
    "Conv1D": (
        lambda: one(L.Conv1D(2, 2, many_batch_axes=True, name="it"), 3, 6, 4, masking=False),
        "Conv1D 'it': its input has several batch axes, of which Keras 3 takes one: use TimeDistributed.",
    ),
    "UpSampling2D": (
        lambda: one(L.UpSampling2D(interpolation="gaussian", name="it"), 6, 4, 2, masking=False),
        'UpSampling2D \'it\': Keras 3 has no interpolation "gaussian": dialect="keras2", or save the weights.',
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(tmp_path: Path, name: str) -> None:
    make, message = REFUSED[name]
    model = make()
    with pytest.raises(SaveError) as caught:
        kt.save_model(model, tmp_path / "m.keras")
    assert str(caught.value) == message
    assert list(tmp_path.iterdir()) == []


EPSILON = "epsilon is 1.001e-05, the least one of the kernel that it ran on"
VARIANCE = "in training its running variance follows the biased variance of the batches in Keras 3"
# The model, what is reported of it, and what stands in the file's config of the layer.
TAKEN: dict[str, tuple[Callable[[], kt.Model], list[str], dict[str, Any]]] = {
    "Multiply without a mask": (
        lambda: kt.Model(
            [a := kt.Input(WORDS), b := kt.Input(WORDS)], L.Multiply(keras2_masks=True, name="it")([a, b])
        ),
        [],
        {},
    ),
    "GroupNormalization without a mask": (
        lambda: one(L.GroupNormalization(2, keras2_masks=True, name="it"), 6, 4, masking=False),
        [],
        {"groups": 2},
    ),
    "ConvLSTM2D": (
        lambda: image(L.ConvLSTM2D(2, 2, keras2_masks=True, name="it")),
        [],
        {"zero_output_for_mask": False},
    ),
    "MultiHeadAttention": (
        lambda: masked(L.MultiHeadAttention(2, 3, keras2_masks=True, name="it")),
        ["a query that may look at no key at all gets zeros in Keras 3"],
        {"num_heads": 2},
    ),
    "Softmax": (
        lambda: one(L.Softmax(axis=1, robust_masking=True, name="it"), 6, 4),
        ["masked values become exactly 0 in Keras 3; where all are masked the outputs differ"],
        {"axis": 1},
    ),
    "Softmax without a mask": (
        lambda: one(L.Softmax(axis=1, robust_masking=True, name="it"), 6, 4, masking=False),
        [],
        {"axis": 1},
    ),
    "MultiHeadAttention without a mask": (
        lambda: kt.Model(
            [a := kt.Input(WORDS), b := kt.Input(WORDS)],
            L.MultiHeadAttention(2, 3, implicit_masks=False, name="it")(a, b),
        ),
        [],
        {},
    ),
    "BatchNormalization, fused, small epsilon": (
        lambda: one(L.BatchNormalization(fused=True, epsilon=1e-7, name="it"), 5, 5, 2, masking=False),
        [EPSILON, VARIANCE],
        {"epsilon": 1.001e-5},
    ),
    "BatchNormalization, fused": (
        lambda: one(L.BatchNormalization(fused=True, epsilon=1e-3, name="it"), 5, 5, 2, masking=False),
        [VARIANCE],
        {"epsilon": 1e-3},
    ),
    "BatchNormalization, fused, of vectors": (
        lambda: one(L.BatchNormalization(fused=True, epsilon=1e-7, name="it"), 4, masking=False),
        [],
        {"epsilon": 1e-7},
    ),
    "BatchNormalization": (
        lambda: one(L.BatchNormalization(epsilon=1e-7, name="it"), 5, 5, 2, masking=False),
        [],
        {"epsilon": 1e-7},
    ),
    "Conv1D": (
        lambda: one(L.Conv1D(2, 2, many_batch_axes=True, name="it"), 6, 4, masking=False),
        [],
        {"filters": 2},
    ),
    "UnitNormalization": (
        lambda: one(L.UnitNormalization(least_norm=1e-6, name="it"), 6, 4, masking=False),
        ["vectors shorter than 1e-6 come out longer in Keras 3"],
        {"axis": -1},
    ),
    "UpSampling2D area": (
        lambda: one(L.UpSampling2D(interpolation="area", name="it"), 6, 4, 2, masking=False),
        ['interpolation "area" is written as "nearest", which is the same for whole factors'],
        {"interpolation": "nearest"},
    ),
    "UnitNormalization of Keras 3": (lambda: one(L.UnitNormalization(name="it"), 6, 4, masking=False), [], {}),
    "Embedding": (
        lambda: one(L.Embedding(9, 4, input_length=6, name="it"), 6, masking=False),
        [],
        {"input_dim": 9, "output_dim": 4},
    ),
}
ONLY_OURS = {"keras2_masks", "least_norm", "many_batch_axes", "implicit_masks", "softmax_robust_masking", "fused"}
ONLY_OURS |= {"robust_masking", "input_length", "causal"}


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_written_beside(tmp_path: Path, name: str) -> None:
    make, texts, config = TAKEN[name]
    model = make()
    report = kt.save_model(model, tmp_path / "m.keras")
    assert [(rule.layer, rule.text) for rule in report.rules] == [("it", text) for text in texts]
    written = json.loads(kt.to_json(model))
    (found,) = [item["config"] for item in written["config"]["layers"] if item["config"]["name"] == "it"]
    assert {key: found.get(key) for key in config} == config
    assert set(found) & ONLY_OURS == set()
    kt.load_model(tmp_path / "m.keras")
