"""Every function that stands in the graphs of Keras 3 and of tf-keras: written as TensorFlow's, opened by tf-keras."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _close import KERAS, apart
from _keras_worker import KerasWorker
from parity._operations import make_inputs

import kerastorch as kt
from kerastorch.compat.forms.form import keys
from kerastorch.errors import SaveError

PARTS = 4
# What no single function of TensorFlow computes, or not on these arguments: refused by name.
REFUSED = {
    "keras3": keys(
        "all all_(-1,1)_True all_(0,2)_False all_-1_True all_1_False all_None_True any any_(-1,1)_True "
        "any_(0,2)_False any_-1_True any_1_False any_None_True any_of_integers argmax argmax_of_integers "
        "argmin argsort argsort_along attention averaged bool_and_numbers cbrt ceil_of_integers celu clipped "
        "close concatenated count_nonzero cumprod cumsum cumsum_of_integers deg2rad differences dot einsum "
        "exp2 exp_of_integers expand filled glu hard_shrink hard_sigmoid hard_silu hard_tanh hypot initial "
        "integers_and_floats integers_and_integers log10 log2 logaddexp logical_and logical_not logical_or "
        "logical_xor masked_attention matmul mean_of_integers mixed_concatenated nan_to_num normalize "
        "normalize_along normalized norms outer_inner prod_of_integers ptp ptp_(-1,1)_True ptp_(0,2)_False "
        "ptp_-1_True ptp_1_False ptp_None_True rad2deg relu_with_arguments rolled round_of_integers rounded "
        "select soft_shrink sort sort_along sparse_plus sparse_sigmoid sparsemax sqrt_of_integers squareplus "
        "stacked std_of_integers sum_of_integers taken taken_along tanh_shrink threshold transposed triangles "
        "trunc var_of_integers"
    ),
    "keras2": {"lookup", "made_by_shape", "minus", "norms", "reshape_by_shape"},
}


def gaps(found: Sequence[Any], expected: Sequence[np.ndarray]) -> list[str]:
    """What separates outputs; the dtype of an index is that of the dialect."""
    pairs = zip(found, expected, strict=True)
    texts = [apart(np.asarray(mine).astype(theirs.dtype), theirs, KERAS) for mine, theirs in pairs]
    return [text for text in texts if text]


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("framework", ["keras3", "keras2"])
def test_every_operation(keras_worker: KerasWorker, framework: str, part: int, tmp_path: Path) -> None:
    inputs = make_inputs()
    problems: list[str] = []
    refused: set[str] = set()
    names = keras_worker.call(framework, "operations:names")[part::PARTS]
    for name in names:
        reference = keras_worker.call(framework, "operations:run", name, str(tmp_path), inputs)
        model = kt.load_model(tmp_path / f"{name}.{'h5' if framework == 'keras2' else 'keras'}")
        for ending in (".keras", ".h5"):
            path = tmp_path / f"out{ending}"
            try:
                kt.save_model(model, path, dialect="keras2")
            except SaveError:
                refused.add(name)
                continue
            found, _ = keras_worker.call("keras2", "saved:run", str(path), inputs)
            problems += [f"{name}{ending}: {gap}" for gap in gaps(found, reference["outputs"])]
    assert not problems, "\n".join(problems)
    assert refused == REFUSED[framework] & set(names)
