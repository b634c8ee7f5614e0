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
