"""docs/keras_names.md is what its script makes of the Keras that is installed."""

from __future__ import annotations

from _keras_worker import KerasWorker
from make_keras_names import PAGE, made, page


def test_the_page_is_current(keras_worker: KerasWorker) -> None:
    assert made(keras_worker) == PAGE.read_text(encoding="utf-8"), "run `make names-page`"


def test_a_planted_name_is_seen() -> None:
    theirs = {name: [] for name in ("models", "ops", "initializers", "regularizers", "constraints", "activations")}
    theirs |= {name: [] for name in ("utils", "random", "saving", "backend", "preprocessing")}
    theirs |= {name: [] for name in ("keras", "losses", "metrics", "optimizers", "callbacks", "dtype_policies")}
    theirs |= {"layers": ["LSTM", "Explosion", "STFTSpectrogram"]}
    text = page(theirs, "9.9")
    assert "| [layers](#layers) | 1 | 3 |" in text
    assert "Here: `LSTM`." in text
    assert "| `Explosion` | not there yet. |" in text
    assert "| `STFTSpectrogram` | use torch.stft, in the model as Lambda(function). |" in text
