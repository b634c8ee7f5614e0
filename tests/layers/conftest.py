"""Fixtures of the tests of layers."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import torch

from kerastorch import native


@pytest.fixture
def fresh_compiler() -> Iterator[None]:
    """torch's compiler without what other tests have left there."""
    logging.getLogger("torch.__trace").propagate = False  # thousands of lines, which pytest would keep
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.fixture
def without_compiled_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where no C compiler was there when the package was built."""
    monkeypatch.setattr(native, "available", False)


LEVELS = ["DEFAULT", "AVX2", "AVX512"]
HERE = torch.backends.cpu.get_cpu_capability()


@pytest.fixture(params=LEVELS)
def level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the library of a level of the processor."""
    runs_here = LEVELS[: LEVELS.index(HERE) + 1] if HERE in LEVELS else ["DEFAULT"]
    if request.param not in runs_here:
        pytest.skip(f"the processor has no {request.param}")
    monkeypatch.setattr(native, "_library", native.load(native.file_of(request.param)))
    monkeypatch.setattr(native, "level", request.param)
    return request.param


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The functions of the compiled code that were called."""
    log: list[str] = []
    run = native.run
    monkeypatch.setattr(native, "run", lambda name, *args, **arrays: log.append(name) or run(name, *args, **arrays))
    return log
