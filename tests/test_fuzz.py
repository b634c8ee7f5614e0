"""Wrong values in real configs are refused by errors of kerastorch's own; see `tests/fuzz`."""

from __future__ import annotations

import random
import signal

import pytest
from fuzz import judging, mutating

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no timers of processor time")


@pytest.mark.parametrize("seed", range(2))
def test_mutants_of_configs(seed: int) -> None:
    rng, real = random.Random(seed), mutating.configs()
    assert len(real) > 90
    found = [text for _ in range(200) if (text := judging.fault(mutating.mutant(rng.choice(real), rng))) is not None]
    assert found == []


def test_a_fault_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    config = mutating.configs()[0]
    assert judging.fault(config) is None

    def broken(*args: object, **options: object) -> None:
        raise KeyError("units")

    monkeypatch.setattr(judging.kt, "model_from_json", broken)
    assert "read: KeyError" in (judging.fault(config) or "")

    def endless(*args: object, **options: object) -> None:
        while True:
            pass

    monkeypatch.setattr(judging.kt, "model_from_json", endless)
    monkeypatch.setattr(judging, "SECONDS", 0.2)
    assert "more than 0.2 s" in (judging.fault(config) or "")
