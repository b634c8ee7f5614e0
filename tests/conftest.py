"""What every test shares: seeds, one torch thread, and the process with real Keras."""

from __future__ import annotations

import gc
import random
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from _keras_worker import KerasWorker
from _needs import check
from _seed import RANDOM_SEED

torch.set_num_threads(1)  # pytest-xdist already fills the cores


def pytest_report_header() -> str:
    return f"random configurations: KERASTORCH_SEED={RANDOM_SEED}"


@pytest.hookimpl(tryfirst=True)  # before pytest skips what has no parameters because of what lacks
def pytest_runtest_setup(item: pytest.Item) -> None:
    check(item)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs real Keras; `make quick` leaves it out."""
    for item in items:
        workers = {name for name in getattr(item, "fixturenames", ()) if name.endswith("_worker")}
        if workers or item.path.name in ("test_corpus_saved.py", "test_keras_worker.py"):
            item.add_marker("live")


def pytest_collection_finish() -> None:
    """Keep the collector of Python off some 26,000 tests, which it would look through again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _seeded() -> None:
    random.seed(0)
    np.random.seed(0)
    # Where CUDA has not begun, torch.manual_seed notes for it from where it was called: a millisecond for each test.
    torch.default_generator.manual_seed(0)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(0)


@pytest.fixture
def rng() -> np.random.Generator:
    """A numpy generator that starts the same in every test."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def keras_worker() -> Iterator[KerasWorker]:
    """The process with Keras 3 and tf-keras; it starts at the first call."""
    worker = KerasWorker()
    yield worker
    worker.close()
