"""Real files that people saved, written again for tf-keras and opened by it. Skipped where the files are not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from _keras_worker import KerasWorker
from _needs import SHARED_FILES, needs
from test_corpus import CORPUS, MANIFEST, RIGHT, STOCHASTIC, load

import kerastorch as kt

pytestmark = needs(MANIFEST, SHARED_FILES)


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("file", [file for file in RIGHT if file != STOCHASTIC])
def test_tf_keras_computes_what_keras_computed(
    keras_worker: KerasWorker, tmp_path: Path, file: str, ending: str
) -> None:
    with np.load(CORPUS / "files" / f"{file}.npz", allow_pickle=False) as stored:
        golden = {name: stored[name] for name in stored.files if name != "info"}
    entry = next(entry for entry in MANIFEST if entry["file"] == file)
    prefix = "keras3_" if (entry["keras_version"] or "1").startswith("3") else "tf_keras_"
    kt.save_model(load(file), tmp_path / f"m{ending}", dialect="keras2")

    def arrays(start: str) -> list[np.ndarray]:
        names = sorted(name for name in golden if name.startswith(start) and name[len(start) :].isdigit())
        return [golden[name] for name in names]

    cases = [(arrays(x), arrays(prefix + y)) for x, y in (("x", "y"), ("mx", "my"))]
    cases = [(inputs, outputs) for inputs, outputs in cases if outputs]
    assert cases
    for inputs, outputs in cases:  # each with a fresh model: some keep states
        (found,) = keras_worker.call("keras2", "saved:predict", str(tmp_path / f"m{ending}"), [inputs])
        # 1e-5 of the output's size: the corpus's own definition of a file that is read right.
        for mine, theirs in zip(found, outputs, strict=True):
            assert mine.shape == theirs.shape
            assert np.abs(mine - theirs).max() <= 1e-5 * max(1.0, np.abs(theirs).max())
