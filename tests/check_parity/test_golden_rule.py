"""`verify --golden` and `convert --check`: how far outputs may lie apart is measured, of whatever size they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from _terminal import Terminal

import kerastorch as kt
from kerastorch.cli._checking import compare_file
from kerastorch.errors import ArgumentError
from kerastorch.parity.golden import Comparison, compare_golden, run_rounded
from kerastorch.parity.running import MOVED


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(capsys)


def model_of(layers: list[kt.Layer], shape: tuple[int | None, ...], seed: int = 1, scale: float = 1.0) -> kt.Sequential:
    """A model with random weights."""
    model = kt.Sequential([kt.Input(shape), *layers])
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(size=array.shape) * scale for array in model.get_weights()])
    return model


def golden_of(model: kt.Model, rng: np.random.Generator, rows: int = 4) -> dict[str, np.ndarray]:
    """What a model computes in float64, as a reference that sums in another order would give it."""
    sizes = [size or 7 for size in model.inputs[0].shape[1:]]
    x = rng.normal(size=(rows, *sizes)).astype("float32")
    (exact,) = run_rounded(model, [[x]])[1][0]
    return {"x0": x, "y0": exact.astype("float32")}


def verdicts(model: kt.Model, golden: dict[str, np.ndarray]) -> list[str]:
    return [item.verdict for item in compare_golden(model, golden)]


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
def test_values_of_every_size(rng: np.random.Generator, scale: float) -> None:
    """The same model passes, and one whose last layer is a thousandth too large does not."""
    model = model_of([kt.layers.Dense(5), kt.layers.Dense(3)], (4,), scale=scale)
    golden = golden_of(model, rng)
    assert verdicts(model, golden) == ["same"]
    weights = model.get_weights()
    model.set_weights([*weights[:2], *(array * np.float32(1.001) for array in weights[2:])])
    assert verdicts(model, golden) == ["DIFFERS"]


def test_a_softmax_over_many_classes(run: Terminal, tmp_path: Path, rng: np.random.Generator) -> None:
    """All values are some 1e-5: no absolute bound can tell two models apart."""
    right = model_of([kt.layers.Dense(100_000, activation="softmax")], (2,), scale=0.1)
    golden = golden_of(right, rng)
    assert -np.log10(golden["y0"].max()) > 4.5
    np.savez(tmp_path / "g.npz", **golden)  # type: ignore[arg-type]
    kt.save_model(right, tmp_path / "right.keras")
    wrong = model_of([kt.layers.Dense(100_000, activation="softmax")], (2,), seed=2, scale=0.1)
    kt.save_model(wrong, tmp_path / "wrong.keras")
    assert "The output is what" in run("verify", tmp_path / "right.keras", "--golden", tmp_path / "g.npz")
    text = run("verify", tmp_path / "wrong.keras", "--golden", tmp_path / "g.npz", status=1)
    assert "1 of 1 output differs" in text


def test_convert_check_sees_small_outputs(tmp_path: Path) -> None:
    """The sibling: a file with other weights, of a model whose outputs are all small."""
    right = model_of([kt.layers.Dense(3, kernel_initializer="ones")], (4,), scale=1e-7)
    kt.save_model(right, tmp_path / "right.keras")
    other = kt.clone_model(right)
    other.set_weights([array * np.float32(1.001) for array in right.get_weights()])
    kt.save_model(other, tmp_path / "other.keras")
    assert [item.verdict for item in compare_file(right, str(tmp_path / "right.keras"))] == ["same"]
    assert [item.verdict for item in compare_file(right, str(tmp_path / "other.keras"))] == ["DIFFERS"]


def test_a_reference_in_float64_proves_no_more_than_the_model_can_show(rng: np.random.Generator) -> None:
    model = model_of([kt.layers.GRU(4), kt.layers.Dense(3)], (None, 2))
    golden = golden_of(model, rng)
    wide = {key: array.astype("float64") for key, array in golden.items()}
    assert verdicts(model, wide) == ["same"]
    wide["y0"] = wide["y0"] * 1.0001
    assert verdicts(model, wide) == ["DIFFERS"]
    exact = kt.clone_model(model)
    exact.set_weights(model.get_weights())
    exact.double()
    both = run_rounded(exact, [[wide["x0"]]])
    assert verdicts(exact, {"x0": wide["x0"], "y0": both[0][0][0]}) == ["same"]
    assert verdicts(exact, golden) == ["DIFFERS"], "float32 values are no float64 reference"


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16", "float16"])
def test_narrow_dtypes_have_their_own_rounding(rng: np.random.Generator, dtype: str) -> None:
    model = model_of([kt.layers.Dense(5, dtype=dtype), kt.layers.Dense(3, dtype=dtype)], (4,))
    x = rng.normal(size=(4, 4)).astype("float32")
    y = model.predict(x)
    assert verdicts(model, {"x0": x, "y0": y * y.dtype.type(1.004)}) == ["same"]
    assert verdicts(model, {"x0": x, "y0": y[::-1]}) == ["DIFFERS"]


def test_what_is_drawn_is_not_judged(rng: np.random.Generator) -> None:
    kt.set_seed(0)
    x = kt.Input((6,))
    model = kt.Model(x, kt.layers.Dropout(0.5)(x, training=True))
    given = rng.normal(size=(4, 6)).astype("float32")
    (item,) = compare_golden(model, {"x0": given, "y0": given})
    assert item.verdict.startswith("NOT JUDGED: it is drawn at random")


def test_whole_numbers_and_texts() -> None:
    def judged(change: Callable[[np.ndarray], np.ndarray]) -> Comparison:
        x = kt.Input((3,), dtype="int64")
        model = kt.Model(x, x + 1)
        given = np.arange(6).reshape(2, 3)
        return compare_golden(model, {"x0": given, "y0": change(given + 1)})[0]

    assert judged(lambda y: y).verdict == "same"
    assert judged(lambda y: y + (y == 3)).verdict == "DIFFERS"
    with pytest.raises(ArgumentError, match="The golden file has <U1 in the output y0: only numbers"):
        judged(lambda y: y.astype("U1"))


def test_the_model_stays_as_it_is(rng: np.random.Generator) -> None:
    model = kt.Sequential([kt.Input(batch_shape=(4, 5, 2)), kt.layers.LSTM(3, stateful=True)]).train()
    before = [array.copy() for array in model.get_weights()]
    x = rng.normal(size=(4, 5, 2)).astype("float32")
    runs = run_rounded(model, [[x], [x]])
    assert len(runs) == 2 + MOVED
    assert not np.array_equal(runs[0][0][0], runs[0][1][0]), "states go on from batch to batch"
    golden = {"x0": x, "y0": runs[0][0][0], "second_y0": runs[0][1][0]}
    assert verdicts(model, golden) == ["same", "same"] == verdicts(model, golden)
    assert model.training
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
