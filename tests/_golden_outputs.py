"""What a model computes beside what Keras recorded in a golden file, with what rounding does."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from _close import KERAS, apart

import kerastorch as kt
from kerastorch.parity.golden import compare_golden


def golden_differences(model: kt.Model, golden: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Each output that is not the recorded one, and how far off it is; empty if all that was recorded is computed.

    `kerastorch verify` allows a multiple of the rounding of this model; here 4.6e-7 of the largest value was the most.
    """
    outputs = compare_golden(model, golden)
    recorded = sorted(key for key in golden if "y" in key)
    assert sorted(item.name for item in outputs) == recorded, "every recorded output is compared"
    gaps = {item.name: apart(item.ours, item.golden, KERAS) for item in outputs}
    assert all(item.verdict == "same" or gaps[item.name] for item in outputs), "what `verify` finds is found here"
    return {name: gap for name, gap in gaps.items() if gap}
