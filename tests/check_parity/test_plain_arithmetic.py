"""What products may be computed in: exactly float32 while something is compared, and as before afterwards."""

from __future__ import annotations

import subprocess
import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from _recordings import dense_model
from make_goldens import ROOT

import kerastorch as kt
from kerastorch.parity.alterations import TF32
from kerastorch.parity.compare import _here
from kerastorch.parity.plain_arithmetic import EXACT, _older, _places, plain_arithmetic
from kerastorch.parity.references import _without_tf32

# What people write: torch's older names, its newer ones, and both.
SETTINGS = (
    "pass",
    "torch.backends.cuda.matmul.allow_tf32 = True",
    "torch.backends.cudnn.allow_tf32 = False",
    "torch.set_float32_matmul_precision('high')",
    "torch.set_float32_matmul_precision('medium')",
    "torch.backends.fp32_precision = 'tf32'",
    "torch.backends.fp32_precision = 'ieee'",
    "torch.backends.cuda.matmul.fp32_precision = 'tf32'",
    "torch.backends.cudnn.fp32_precision = 'ieee'",
    "torch.backends.cudnn.rnn.fp32_precision = 'ieee'",
    "torch.backends.cudnn.conv.fp32_precision = 'tf32'",
    "torch.backends.mkldnn.matmul.fp32_precision = 'bf16'",
    "torch.set_float32_matmul_precision('high'); torch.backends.cudnn.rnn.fp32_precision = 'ieee'",
)


def state() -> object:
    return [place.fp32_precision for place in _places()], _older()


def undo() -> None:
    """As torch begins."""
    for place in _places():
        place.fp32_precision = "none"
    torch.set_float32_matmul_precision("highest")
    torch.backends.cuda.matmul.fp32_precision = "none"
    torch.backends.mkldnn.matmul.fp32_precision = "none"
    torch.backends.cudnn.allow_tf32 = True


@pytest.mark.parametrize("setting", SETTINGS)
def test_it_is_exact_within_and_as_before_afterwards(setting: str) -> None:
    fresh = state()
    try:
        exec(setting, {"torch": torch})
        before = state()
        for _ in range(2):
            with plain_arithmetic(), plain_arithmetic():
                assert {place.fp32_precision for place in _places()} == {EXACT}
                with TF32(), warnings.catch_warnings():  # it sets a flag of torch's itself
                    warnings.simplefilter("ignore")
                    torch.nn.LSTM(2, 3)(torch.ones(1, 2, 2))
            assert state() == before
        with pytest.raises(ZeroDivisionError), plain_arithmetic():
            _ = 1 / 0
        assert state() == before
    finally:
        undo()
    assert state() == fresh


def test_what_is_said_afterwards_holds_everywhere() -> None:
    """No place is left that says something of its own, where none did before: in a process of its own."""
    code = (
        "import torch; from kerastorch.parity.plain_arithmetic import _places, plain_arithmetic\n"
        "with plain_arithmetic(): pass\n"
        "torch.backends.fp32_precision = 'tf32'\n"
        "print({place.fp32_precision for place in _places()})"
    )
    made = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "{'tf32'}"


def test_a_reference_in_this_process_is_exact_too(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    model = dense_model()

    def reference(x: np.ndarray) -> np.ndarray:
        seen.append({place.fp32_precision for place in _places()})
        return np.asarray(model.predict(x))

    assert kt.check_parity(reference, model, what=("outputs",)).passed
    assert seen
    assert all(found == {EXACT} for found in seen)
    allowed = [True]  # by TensorFlow
    experimental = SimpleNamespace(
        tensor_float_32_execution_enabled=lambda: allowed[-1], enable_tensor_float_32_execution=allowed.append
    )
    config = SimpleNamespace(config=SimpleNamespace(experimental=experimental))
    monkeypatch.setitem(sys.modules, "tensorflow", config)  # type: ignore[arg-type]
    with _without_tf32():
        assert allowed == [True, False]
    assert allowed == [True, False, True]


def test_a_report_from_a_device_says_so() -> None:
    assert _here(torch.device("cuda", 0))["float32"] == "without TF32"
    assert "float32" not in _here(torch.device("cpu"))
