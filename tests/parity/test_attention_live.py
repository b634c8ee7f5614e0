"""Attention layers against live Keras 3 and tf-keras: outputs, scores, gradients, masks, shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from _keras_worker import KerasWorker

from kerastorch import layers

from . import _compare
from ._attention_cases import ATTENTION_CASES, EINSUM_CASES, GROUP_CASES, MULTI_HEAD_CASES, AttentionCase
from ._compare import Array, differences, flat, flat_shapes, numpy

KEYS = ("query", "value", "key")


def run_ours(
    case: AttentionCase, reference: Mapping[str, Any], framework: str, weights: Sequence[Array] | None = None
) -> dict[str, Any]:
    """Our layer with the weights (or `weights`, to plant a fault) and the upstream gradient of `reference`."""
    given = case.arguments()
    config = dict(case.config)
    if framework == "keras2" and case.layer == "MultiHeadAttention":
        config["keras2_masks"] = True
    layer = getattr(layers, case.layer)(**config, dtype=case.dtype)
    shapes = [(None, *x.shape[1:]) for x in given["inputs"]]
    layer.build(*shapes) if given["apart"] else layer.build(shapes)
    layer.set_weights(list(reference["weights"] if weights is None else weights))
    back = layer.get_weights()
    layer.eval()
    xs = [torch.tensor(x, requires_grad=True) for x in given["inputs"]]
    masks = [None if mask is None else torch.tensor(mask) for mask in given["masks"]]
    options = {key: torch.tensor(x) if isinstance(x, np.ndarray) else x for key, x in given["options"].items()}
    if given["apart"]:
        options |= {f"{name}_mask": mask for name, mask in zip(KEYS, masks, strict=False)}
        outputs = flat(layer(*xs, **options))
        mask_out = layer.compute_mask(xs[0], masks[0] if masks else None)
    else:
        outputs = flat(layer(xs, mask=masks or None, **options))
        mask_out = layer.compute_mask(xs, masks or None)
    sum((y * torch.tensor(u)).sum() for y, u in zip(outputs, reference["upstream"], strict=True)).backward()
    stated = layer.compute_output_shape(*shapes) if given["apart"] else layer.compute_output_shape(shapes)
    return {
        "outputs": [numpy(y) for y in outputs],
        "weights_back": back,
        "weights_after": layer.get_weights(),
        "grads_weights": layer.get_gradients(),
        "grads_inputs": [numpy(x.grad) for x in xs],
        "grads_initial_state": [],
        "output_shape": flat_shapes(stated),
        "params": layer.count_params(),
        "mask_out": [numpy(m) for m in flat(mask_out)],
    }


def compare(worker: KerasWorker, framework: str, case: AttentionCase) -> None:
    def of_keras(case: AttentionCase) -> dict[str, Any]:
        return {**worker.call(framework, "attention:run_attention", **case.arguments()), "grads_initial_state": []}

    reference = of_keras(case)
    ours = run_ours(case, reference, framework)
    found = differences(reference, ours, case.dtype)
    if found and case.dtype == "float32":
        # The gradients of one query's scores sum to zero, and Keras rounds what is left of such sums as well.
        found = differences(reference, ours, case.dtype, exact_reference=of_keras(replace(case, dtype="float64")))
    assert not found, f"{case.layer}({dict(case.config)}) against {framework}:\n" + "\n".join(found)


def parameters(cases: Sequence[AttentionCase]) -> list[Any]:
    made = [pytest.param(name, case, id=f"{name}-{case.id}") for case in cases for name in case.frameworks]
    assert len({param.id for param in made}) == len(made), "two cases have one id"
    return made


@pytest.mark.parametrize(("framework", "case"), parameters(ATTENTION_CASES))
def test_attention(keras_worker: KerasWorker, framework: str, case: AttentionCase) -> None:
    compare(keras_worker, framework, case)


@pytest.mark.parametrize(("framework", "case"), parameters(MULTI_HEAD_CASES))
def test_multi_head_attention(keras_worker: KerasWorker, framework: str, case: AttentionCase) -> None:
    compare(keras_worker, framework, case)


@pytest.mark.parametrize(("framework", "case"), parameters(GROUP_CASES))
def test_group_query_attention(keras_worker: KerasWorker, framework: str, case: AttentionCase) -> None:
    compare(keras_worker, framework, case)


@pytest.mark.parametrize(("framework", "case"), _compare.parameters(EINSUM_CASES))
def test_einsum_dense(keras_worker: KerasWorker, framework: str, case: _compare.Case) -> None:
    reference = keras_worker.call(framework, "layers:run_layer", **_compare.arguments(case))
    # Keras 3 leaves open what output_shape leaves open, tf.keras states the batch that it was built for.
    (output,) = reference["outputs"]
    reference["output_shape"] = [(None, *output.shape[1:])]
    assert not differences(reference, _compare.run_ours(case, reference, framework=framework), case.dtype)


@pytest.mark.parametrize("case", [MULTI_HEAD_CASES[1], GROUP_CASES[1], ATTENTION_CASES[1]], ids=lambda case: case.layer)
def test_the_helper_sees_a_fault(keras_worker: KerasWorker, case: AttentionCase) -> None:
    def found(framework: str, given: AttentionCase, **fault: Any) -> list[str]:
        reference = keras_worker.call(framework, "attention:run_attention", **case.arguments())
        reference["grads_initial_state"] = []
        weights = fault["weights"](reference["weights"]) if "weights" in fault else None
        ours = run_ours(given, reference, framework, weights)
        return differences({**reference, "weights": ours["weights_back"]}, ours)

    assert not found("keras3", case)
    masked = replace(case, masks=(None, "right"))
    assert found("keras3", masked)
    assert found("keras3", replace(case, options={"use_causal_mask": True}))
    if case.layer == "MultiHeadAttention":  # query and key have kernels of one shape
        assert found("keras3", case, weights=lambda arrays: [*arrays[2:4], *arrays[:2], *arrays[4:]])


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
@pytest.mark.parametrize("layer", ["MultiHeadAttention", "Attention"])
def test_dropout_drops_weights_and_scales_the_others(keras_worker: KerasWorker, framework: str, layer: str) -> None:
    heads = {"num_heads": 2, "key_dim": 3} if layer == "MultiHeadAttention" else {}
    case = AttentionCase("dropout", layer, {**heads, "dropout": 0.4}, options={"return_attention_scores": True})
    reference = keras_worker.call(
        framework, "attention:run_attention", **{**case.arguments(), "options": {**case.options, "training": True}}
    )
    ours = getattr(layers, layer)(**case.config)
    xs = [torch.tensor(x) for x in case.arguments()["inputs"]]
    torch.manual_seed(0)
    call = (lambda **o: ours(*xs, **o)) if case.arguments()["apart"] else (lambda **o: ours(xs, **o))
    call()
    ours.set_weights(reference["weights"])
    without = call(return_attention_scores=True, training=False)
    runs = [call(return_attention_scores=True, training=True) for _ in range(4000)]
    # A mean of 4000 draws of variance p (1 - p) / 0.36 is off by 0.01 of it; five times that is allowed.
    assert (torch.stack([run[0] for run in runs]).mean(0) - without[0]).abs().max() < 0.12
    scores, theirs = runs[0][1], reference["outputs"][1]
    # MultiHeadAttention returns the weights before dropout, Attention those behind it.
    assert bool((scores == 0).any()) == bool((theirs == 0).any()) == (layer == "Attention")
