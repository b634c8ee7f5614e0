"""For the tests of other projects: a fixture and a marker, and tests that are skipped where Keras is missing.

pytest finds it where kerastorch is installed. A pytest that needs no parity waits for nothing: neither torch nor numpy
comes with it before the fixture is asked for.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

import pytest

from .errors import ArgumentError, MissingKerasError, quote

if TYPE_CHECKING:
    from .parity import ParityReport

BACKENDS = ("tensorflow", "jax", "torch")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("kerastorch")
    group.addoption(
        "--require-keras", action="store_true", help="fail the tests that are otherwise skipped where Keras is missing"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", 'needs_keras(backend="tensorflow"): skipped where no Keras with that backend is installed'
    )


@pytest.hookimpl(tryfirst=True)  # before fixtures are made that import it
def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs_keras"):
        if lack := missing_keras(*mark.args, **mark.kwargs):
            _without(item.config, lack)


def missing_keras(backend: str = "tensorflow") -> str:
    """What lacks for a Keras with a backend in this Python, in words; empty if nothing does. Nothing is imported."""
    if backend not in BACKENDS:
        raise ArgumentError(f"needs_keras: backend: expected one of {', '.join(BACKENDS)}, got {quote(backend)}.")
    packages = ("keras", "tf_keras") if backend == "tensorflow" else ("keras",)
    if not any(importlib.util.find_spec(name) for name in packages):
        return (
            f"Keras is not installed: none of {', '.join(packages)}" if len(packages) > 1 else "keras is not installed"
        )
    return "" if importlib.util.find_spec(backend) else f"Keras has no backend here: {backend} is not installed"


def _without(config: pytest.Config, lack: str) -> NoReturn:
    if config.getoption("--require-keras"):
        pytest.fail(f"{lack} (--require-keras)", pytrace=False)
    pytest.skip(lack)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """A test that a missing Keras has ended is one that cannot run here: so it is with skips of unittest, too."""
    error = call.excinfo.value if call.excinfo is not None else None
    if isinstance(error, MissingKerasError):
        lack = str(error)
        call.excinfo = pytest.CallInfo.from_call(lambda: _without(item.config, lack), call.when).excinfo


@pytest.fixture
def keras_parity() -> Callable[..., ParityReport]:
    """`assert_keras_parity`: the test is skipped where the Keras that it needs is missing.

    Recordings, live models and functions need none, so tests with them run everywhere.
    """
    from .parity import assert_keras_parity

    return assert_keras_parity
