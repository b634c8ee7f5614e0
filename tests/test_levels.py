"""A short part of `make test-levels`: other levels of the processor than the one that the tests run on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from levels import REQUIRES, SWITCHES, arguments_of_pytest, comparing, environments, run

TESTS = Path(__file__).parent
HERE = environments(torch.backends.cpu.get_cpu_capability())
SHORT = [str(TESTS / "interop" / "test_recurrent_modules.py"), str(TESTS / "test_close.py")]


def test_comparisons_hold_without_vector_units() -> None:
    """Both ways between layers and torch's modules, and a thousandth in each family that must be seen."""
    kinds = "-k=to_torch or to_layer or thousandth"
    status, output = run(HERE["default"], [*SHORT, kinds, "-p", "no:cacheprovider"])
    assert status == 0, output[-3000:]
    assert int(output.split(" passed")[0].split()[-1]) > 100


@pytest.mark.parametrize("switch", REQUIRES)
def test_what_a_level_takes_away_is_not_required_there(switch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(switch, "1")
    arguments = [str(TESTS / "layers" / "test_native.py"), "-k=every_number_of_rows", "-p", "no:cacheprovider"]
    status, output = run(HERE["compiled none"], arguments)
    assert (status, " skipped" in output, " passed" in output) == (0, True, False), output[-3000:]


# Bits of products, of a convolution and of torch's own loops; what torch, and what the compiled code, run on.
PROBE = """
import hashlib, torch
from kerastorch import native
g = torch.Generator().manual_seed(0)
a, b = torch.randn(67, 133, generator=g), torch.randn(133, 59, generator=g)
x, w = torch.randn(2, 3, 17, 17, generator=g), torch.randn(8, 3, 3, 3, generator=g)
for y in (a @ b, torch.nn.functional.conv2d(x, w), a.log_softmax(0)):
    print(hashlib.md5(y.numpy().tobytes()).hexdigest())
print(torch.backends.cpu.get_cpu_capability(), native.level)
"""


def probe(switches: dict[str, str]) -> list[str]:
    environment = {name: value for name, value in os.environ.items() if name not in SWITCHES} | switches
    command = [sys.executable, "-c", PROBE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.split()


@pytest.mark.skipif("avx512" not in HERE, reason="the processor has no AVX-512")
def test_every_switch_changes_what_is_computed() -> None:
    """One that its library no longer reads would leave all tests at the level of the processor."""
    plain = probe({})
    assert plain[-2:] == ["AVX512", "AVX512"]
    products, convolution, loops = plain[:3]
    low = probe({name: HERE["default"][name] for name in ("MKL_CBWR", "ONEDNN_MAX_CPU_ISA", "KERASTORCH_COMPILED")})
    assert low[-2:] == ["AVX512", "DEFAULT"]
    assert low[0] != products
    assert low[1] != convolution
    low = probe({"ATEN_CPU_CAPABILITY": "default"})
    assert low[-2:] == ["DEFAULT", "DEFAULT"]
    assert low[2] != loops


def test_what_is_run() -> None:
    assert list(environments("AVX2")) == ["default", "avx2", "compiled default", "compiled none"]
    assert list(environments("SVE256")) == ["default", "compiled none"]
    assert environments("AVX512")["avx2"]["MKL_CBWR"] == "AVX2"
    files = {Path(file).relative_to(TESTS).as_posix() for file in comparing()}
    assert {"layers/test_native.py", "parity/test_layers_live.py", "interop/test_images.py"} <= files
    assert "layers/core/test_masking.py" not in files
    through_others = {"saving/test_operations.py", "parity/test_switches_live.py", "test_goldens.py", "test_corpus.py"}
    assert through_others <= files


def test_named_files_are_run_in_the_place_of_all() -> None:
    assert arguments_of_pytest(True, []) == comparing()
    assert arguments_of_pytest(False, ["-k", "gru", "-x"]) == [*comparing(), "-m", "not live", "-k", "gru", "-x"]
    named = [f"{__file__}::test_what_is_run", "--maxfail=1"]
    assert arguments_of_pytest(False, named) == ["-m", "not live", *named]
    assert arguments_of_pytest(True, [str(TESTS / "layers")]) == [str(TESTS / "layers")]
