"""Real files into files of Keras 3, which computes there what was recorded; skipped where the files are not there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from _keras_worker import KerasWorker
from _needs import SHARED_FILES, needs
from test_corpus import CORPUS, MANIFEST, RIGHT, STOCHASTIC, deviations, load

import kerastorch as kt
from kerastorch.errors import SaveError

TOLERANCE = 1e-5  # of the output's size: the corpus's own definition of a file that is read right


NEEDS_ONEDNN = {f"KonduitAI__dl4j-test-resources__convlstm2d_{number}.h5" for number in (0, 2, 8, 10)}

pytestmark = needs(MANIFEST, SHARED_FILES)


def golden_of(file: str) -> tuple[dict[str, np.ndarray], str]:
    with np.load(CORPUS / "files" / f"{file}.npz", allow_pickle=False) as stored:
        golden = {name: stored[name] for name in stored.files if name != "info"}
    entry = next(entry for entry in MANIFEST if entry["file"] == file)
    return golden, "keras3_" if (entry["keras_version"] or "1").startswith("3") else "tf_keras_"


def arrays(golden: dict[str, np.ndarray], start: str) -> list[np.ndarray]:
    names = sorted(name for name in golden if name.startswith(start) and name[len(start) :].isdigit())
    return [golden[name] for name in names]


def test_all_of_them_are_written() -> None:
    assert len(RIGHT) - 1 >= 65  # each by the test below, but for the one that draws random numbers


@pytest.fixture(scope="module")
def onednn_worker() -> Iterator[KerasWorker]:
    """Keras 3 with the kernels of oneDNN, without which TensorFlow has no convolution of channels_first on a CPU."""
    worker = KerasWorker(environment={"TF_ENABLE_ONEDNN_OPTS": "1"})
    yield worker
    worker.close()


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("file", [file for file in RIGHT if file != STOCHASTIC])
def test_keras3_computes_what_the_file_computed(
    request: pytest.FixtureRequest, tmp_path: Path, file: str, ending: str
) -> None:
    keras_worker = request.getfixturevalue("onednn_worker" if file in NEEDS_ONEDNN else "keras_worker")
    golden, prefix = golden_of(file)
    path = tmp_path / f"m{ending}"
    model = load(file)
    kt.save_model(model, path)
    kinds = [("x", "y"), ("mx", "my")]
    cases = [(arrays(golden, x), arrays(golden, prefix + y)) for x, y in kinds if arrays(golden, prefix + y)]
    found = keras_worker.call("keras3", "saved:predict", str(path), [inputs for inputs, _ in cases])
    for (_, wanted), outputs in zip(cases, found, strict=True):
        assert len(wanted) == len(outputs)
        for theirs, mine in zip(wanted, outputs, strict=True):
            assert mine.shape == theirs.shape
            assert np.abs(mine - theirs).max() <= TOLERANCE * max(1.0, np.abs(theirs).max())
    again = kt.load_model(path)
    assert all(value <= TOLERANCE for _, value in deviations(again, golden, prefix))


def test_the_one_whose_dropout_acts_in_inference_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SaveError, match="called with training=True"):
        kt.save_model(load(STOCHASTIC), tmp_path / "m.keras")
