"""Every activation and every recurrent activation in every gated layer, and of the pairs those that count."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from _keras_worker import KerasWorker

from . import _cases
from ._cases import STATES
from ._compare import BATCH, FEATURES, Case, arguments, differences, run_ours, variants

# Two steps, unrolled: the second one sees a state that the first one made, and the pairs are many.
SHORT = {"shapes": ((BATCH, 2, FEATURES),)}
ONE = {"shapes": ((BATCH, 1, FEATURES),)}
KERNELS = {"tanh", "sigmoid", "relu"}
PAIRS = [
    pytest.param(framework, base, name, id=f"{framework}-{base.id}-{name}")
    for base in _cases.RECURRENT
    for name in _cases.ACTIVATIONS
    for framework in _cases.frameworks_of(name)
]


def counts(activation: str, recurrent: str) -> bool:
    """Whether the pair is tried: the two are computed apart, but kernels are chosen by the names of both.

    Every pair with a name that a kernel knows is tried, every activation with itself, and a third of the others: each
    stands in each place beside six others or more.
    """
    if KERNELS & {activation, recurrent}:
        return True
    places = _cases.ACTIVATIONS.index(activation) - _cases.ACTIVATIONS.index(recurrent)
    return places % 3 == 0


@pytest.mark.parametrize(("framework", "base", "activation"), PAIRS)
def test_pairs(keras_worker: KerasWorker, framework: str, base: Case, activation: str) -> None:
    options = {"activation": activation, "unroll": True, "return_sequences": True}
    short: dict[str, Any] = SHORT if activation != "exponential" else ONE  # exp(exp(exp(x))) of two steps is infinite
    if base.layer == "SimpleRNN":
        cases = [
            variants(base, activation, options, **short),
            variants(base, activation, options, mask="holes", **short),
        ]
    else:
        cases = [
            variants(base, other, {**options, "recurrent_activation": other}, states=STATES[base.layer], **short)
            for other in _cases.ACTIVATIONS
            if framework in _cases.frameworks_of(other) and counts(activation, other)
        ]
    results = keras_worker.call(framework, "layers:run_many", [arguments(case) for case in cases])
    found = {}
    for case, result in zip(cases, results, strict=True):
        ours = run_ours(case, result, framework=framework)
        if differences(result, ours, case.dtype):
            # Activations such as tanh_shrink leave little of two nearly equal numbers; Keras rounds what is left too.
            (exact,) = keras_worker.call(framework, "layers:run_many", [arguments(replace(case, dtype="float64"))])
            if gaps := differences(result, ours, case.dtype, exact_reference=exact):
                found[case.id] = gaps
    assert not found, "\n".join(f"{name}: {gaps}" for name, gaps in found.items())
