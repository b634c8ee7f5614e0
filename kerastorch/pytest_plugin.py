"""For the tests of other projects: a fixture and a marker that skip a test where Keras is missing.

A `conftest.py` takes it by `pytest_plugins = ["kerastorch.pytest_plugin"]`. It is not loaded otherwise: a pytest that
needs no parity does not wait for torch.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from .errors import ArgumentError, MissingKerasError, quote
from .parity import ParityReport, assert_keras_parity

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


@pytest.fixture
def keras_parity(request: pytest.FixtureRequest) -> Callable[..., ParityReport]:
    """`assert_keras_parity`, which skips the test where the Keras that it needs is missing.

    Recordings, live models and functions need none, so tests with them run everywhere.
    """

    def check(*args: Any, **options: Any) -> ParityReport:
        __tracebackhide__ = True
        try:
            return assert_keras_parity(*args, **options)
        except MissingKerasError as error:
            lack = str(error)
        _without(request.config, lack)

    return check
