"""Files of one model, which these tests only read."""

from __future__ import annotations

from pathlib import Path

import pytest
from _read_model import model


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, made = tmp_path_factory.mktemp("saved"), model()
    made.save(folder / "m.keras")
    made.save(folder / "m.h5")
    made.save_weights(folder / "m.weights.h5")
    return {path.name: path for path in folder.iterdir()}
