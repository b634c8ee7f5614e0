"""The parts of `benchmarks/` that measure nothing: rows, statistics, aims, what is kept, and the page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _close import GRADIENT, MARGIN, assert_close

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import _measures as measures  # noqa: E402
import _report as report  # noqa: E402
import _rows as rows  # noqa: E402
import bench  # noqa: E402
import bench_fit  # noqa: E402
from _results import Results  # noqa: E402
from _rows import MIDDLE, SIZES, UNMASKED, Row, Size  # noqa: E402

# ---------------------------------------------------------------------------- rows


def test_every_row_that_exists_is_there_once() -> None:
    table = rows.table_rows()
    keys = [row.key for row in table]
    assert len(set(keys)) == len(keys) == 4 * (6 * 11 + 2)
    assert {row.family for row in table if row.variant == "reset_after=False"} == {"GRU"}
    assert {row.mode for row in table if row.variant == "recurrent_dropout"} == {"training"}
    assert {row.size for row in table} == set(SIZES)
    assert {row.key for row in rows.quick_rows()} < set(keys)
    assert {row.family for row in rows.quick_rows()} == set(rows.FAMILIES)


def test_a_row_travels_as_plain_data() -> None:
    for row in [*rows.table_rows(), *rows.growth_rows(), *rows.memory_rows()]:
        assert rows.row_of(row.describe()) == row


def test_patterns() -> None:
    found = rows.select([*rows.table_rows(), *rows.quick_rows()], ["GRU/reset*/training/*", "LSTM/relu/*/1x*"])
    assert [row.key for row in found if row.family == "LSTM"] == [
        "LSTM/relu/inference/1x50x16x64",
        "LSTM/relu/training/1x50x16x64",
    ]
    assert len(found) == 4 + 2


def test_growth_moves_one_letter_at_a_time() -> None:
    for row in rows.growth_rows():
        assert sum(a != b for a, b in zip(row.size, MIDDLE, strict=True)) <= 1


@pytest.mark.parametrize("family", rows.FAMILIES)
def test_arrays_are_the_same_in_every_process_and_fit_the_layer(family: str) -> None:
    row = Row(family, "right mask", "training", Size(4, 8, 16, 32))
    first, second = rows.make_arrays(row), rows.make_arrays(row)
    assert first.mask is not None
    for a, b in zip(first.weights, second.weights, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert np.array_equal(first.x, second.x)
    assert first.mask.any(1).all()
    assert not (np.diff(first.mask.astype(int), axis=1) > 0).any()  # nothing valid behind padding
    assert not first.upstream[~first.mask].any()
    features, units = row.channels
    assert first.x.shape[-1] == features
    assert first.upstream.shape[-1] == units * (2 if family == "BiLSTM" else 1)
    from contestants import ours

    numbers = ours.make(row, first).numbers()
    assert numbers["output"].shape == first.upstream.shape
    assert len([name for name in numbers if name.startswith("gradient ")]) == 1 + sum(map(len, first.weights))


@pytest.mark.parametrize("variant", ["default", "right mask", "return_state"])
@pytest.mark.parametrize("family", ["LSTM", "GRU", "SimpleRNN", "BiLSTM", "2-layer LSTM"])
def test_torch_and_kerastorch_are_compared_in_the_same_layout(family: str, variant: str) -> None:
    from contestants import ours, raw_torch

    row = Row(family, variant, "training", Size(3, 5, 4, 6))
    arrays = rows.make_arrays(row)
    numbers = {"kerastorch": ours.make(row, arrays).numbers(), "torch": raw_torch.make(row, arrays).numbers()}
    assert bench.disagreements(numbers, arrays.mask, {}) == []
    numbers["torch"]["gradient 1"] = numbers["torch"]["gradient 1"][:, ::-1]
    assert "torch: gradient 1 differs" in bench.disagreements(numbers, arrays.mask, {})[0]
    del numbers["torch"]["gradient of x"]
    assert "only one of the two has ['gradient of x']" in bench.disagreements(numbers, arrays.mask, {})[0]


def test_what_rounding_moves_is_no_disagreement() -> None:
    from contestants import ours

    row = Row("LSTM", "relu", "training", Size(3, 5, 4, 6))
    case = ours.make(row, rows.make_arrays(row))
    x, numbers, roundings = case.x.detach().clone(), case.numbers(), case.roundings()
    assert torch.equal(case.x, x)
    assert roundings.keys() == numbers.keys()
    assert all(0 <= moved <= MARGIN * GRADIENT * np.abs(numbers[name]).max() for name, moved in roundings.items())
    assert any(roundings.values())
    others = {**numbers, "gradient 1": numbers["gradient 1"] + 0.01}
    columns = {"kerastorch": numbers, "keras-jax": others}
    assert len(bench.disagreements(columns, None, roundings)) == 1
    assert bench.disagreements(columns, None, {**roundings, "gradient 1": 0.01 / bench.ROUNDINGS + 1e-6}) == []


# ---------------------------------------------------------------------------- numbers


def test_summary() -> None:
    found = measures.summary([0.005, 0.001, 0.003, 0.002, 0.004])
    assert found == {"ms": 3.0, "low": 2.0, "high": 4.0, "n": 5}
    assert measures.summary([0.002]) == {"ms": 2.0, "low": 2.0, "high": 2.0, "n": 1}


def test_slow_columns_get_fewer_samples_but_never_too_few() -> None:
    assert measures.rounds_for(0.001, budget=1.0) == measures.MOST_ROUNDS == 9
    assert measures.rounds_for(0.2, budget=1.0) == 5
    assert measures.rounds_for(15.0, budget=1.0) == measures.LEAST_ROUNDS == 3


def test_short_calls_are_made_several_times() -> None:
    assert measures.calls_for(0.1) == 1
    assert measures.calls_for(0.0001) == 40


def test_turns() -> None:
    order = measures.turns({"a": 9, "b": 3, "c": 9})
    assert len(order) == 9
    assert [sum(name in turn for turn in order) for name in "abc"] == [9, 3, 9]
    assert [index for index, turn in enumerate(order) if "b" in turn] == [2, 5, 8]
    assert measures.turns({}) == []


def test_exponent() -> None:
    assert_close(measures.exponent([1, 2, 4, 8], [3, 12, 48, 192]), 2.0)


def cells(**ms: float) -> dict[str, dict[str, Any]]:
    return {
        name.replace("_", "-"): {"ms": value, "low": value, "high": value, "n": 9, "others": 0}
        for name, value in ms.items()
    }


@pytest.mark.parametrize(
    ("row", "column", "limit"),
    [
        (Row("LSTM", "default", "training", SIZES[0]), "torch", 1.25),
        (Row("LSTM", "default", "training", SIZES[1]), "torch", 1.05),
        (Row("LSTM", "default", "inference", SIZES[0]), "keras-jax", 1.5),
        (Row("LSTM", "relu", "inference", SIZES[3]), "keras-jax", 1.0),
        (Row("GRU", "random mask", "inference", SIZES[3]), UNMASKED, 1.35),
        (Row("GRU", "relu", "inference", SIZES[3]), "keras-xla", 1.0),
    ],
)
def test_aims(row: Row, column: str, limit: float) -> None:
    for ours, met in ((limit * 9.99, True), (limit * 10.01, False)):
        measured = {"kerastorch": {"ms": ours}, column: {"ms": 10.0}}
        (verdict,) = measures.verdicts(row, measured)
        assert verdict.aim == measures.Aim(column, limit)
        assert verdict.met is met


def test_no_verdict_without_numbers() -> None:
    row = Row("LSTM", "default", "training", MIDDLE)
    assert measures.verdicts(row, {}) == []
    assert measures.verdicts(row, {"kerastorch": {"failed": "x"}, "torch": {"ms": 1.0}}) == []
    assert measures.verdicts(row, {"kerastorch": {"ms": 1.0}, "torch": {"missing": "x"}}) == []


# ---------------------------------------------------------------------------- what is kept


FACTS = {
    "machine": "m",
    "threads": 2,
    "device": "cpu",
    "preferred": True,
    "python": "3.11",
    "versions": {"torch": "2", "jax": "1"},
    "note": "Quiet.",
}


def test_a_run_goes_on_where_the_last_one_was_stopped(tmp_path: Path) -> None:
    row = Row("LSTM", "default", "training", MIDDLE)
    first = Results(tmp_path / "speed.json")
    first.begin(FACTS)
    first.put("rows", row, cells(kerastorch=2.0, torch=4.0), "abc")
    again = Results(tmp_path / "speed.json")
    again.begin({**FACTS, "versions": {"torch": "2", "tensorflow": "3"}})
    assert again.has("rows", row, ["kerastorch", "torch"])
    assert not again.has("rows", row, ["kerastorch", "keras-jax"])
    assert not again.has("memory", row, ["kerastorch"])
    assert again.facts["versions"] == {"torch": "2", "jax": "1", "tensorflow": "3"}
    assert [path.name for path in tmp_path.iterdir()] == ["speed.json"]


@pytest.mark.parametrize("change", [{"threads": 1}, {"versions": {"torch": "3"}}, {"machine": "other"}], ids=str)
def test_what_was_measured_otherwise_is_not_gone_on_with(tmp_path: Path, change: dict[str, Any]) -> None:
    first = Results(tmp_path / "speed.json")
    first.begin(FACTS)
    first.put("rows", Row("LSTM", "default", "training", MIDDLE), {}, "abc")
    with pytest.raises(SystemExit, match=f"was measured with {next(iter(change))} = "):
        Results(tmp_path / "speed.json").begin({**FACTS, **change})


# ---------------------------------------------------------------------------- the page


def measured(tmp_path: Path) -> Results:
    results = Results(tmp_path / "speed.json")
    results.begin(FACTS)
    for row in (*rows.table_rows(), *rows.growth_rows()):
        size = row.size.B * row.size.T * row.size.U**2
        results.put("rows", row, cells(kerastorch=1.0 * size, torch=2.0 * size, keras_jax=0.5 * size), "abc")
    results.put("rows", Row("GRU", "relu", "training", MIDDLE), {"kerastorch": {"too long": 21.3}}, "abc")
    results.put("memory", rows.memory_rows()[0], {"kerastorch": {"mib": 4.25}}, "abc")
    return results


def test_parts_of_the_page(tmp_path: Path) -> None:
    results = measured(tmp_path)
    assert "272 of 272 rows are measured. Quiet." in report.machine(results)
    assert "| torch.nn | B >= 32 | training | <= 1.05 | 18 of 18 | 0.50 |" in report.aims(results)
    assert "| Keras, JAX (jit) | B = 1 | inference | <= 1.5 | 0 of 31 | 2.00 |" in report.aims(results)
    missed = report.misses(results, [("*/relu/*", "keras-*", "of a reason"), ("GRU/*", "*", "another")])
    assert "| LSTM/relu/training/32x100x64x128 | Keras, JAX (jit) | 2.00 | 1 | of a reason |" in missed
    assert "| GRU/relu/inference/32x100x64x128 | Keras, JAX (jit) | 2.00 | 1 | of a reason |" in missed
    assert "| GRU/default/inference/32x100x64x128 | Keras, JAX (jit) | 2.00 | 1 | another |" in missed
    assert "| LSTM/default/inference/32x100x64x128 | Keras, JAX (jit) | 2.00 | 1 | not explained yet |" in missed
    grown = report.growth(results)
    assert "| LSTM relu, training, U = 64, 128, 256, 512 | 2.00 | 2.00 | 2.00 | - |" in grown
    assert "| LSTM default, training, B = 8, 32, 128 | 1.00 |" in grown
    assert f"| {rows.memory_rows()[0].key} | 4.2 | - |" in report.memory(results)
    everything = report.tables(results)
    assert "| GRU, relu |  | 21 s | - |" in everything
    assert everything.count("\n### ") == 8
    small = SIZES[0].B * SIZES[0].T * SIZES[0].U ** 2
    assert f"| LSTM, default |  | {small:.4g} [{small:.4g}, {small:.4g}] | 2.00 | 0.50 | - |" in everything


def test_the_page_keeps_what_people_wrote() -> None:
    text = "Words.\n<!-- a -->\nold\n<!-- end -->\nMore.\n<!-- b -->\n<!-- end -->\n"
    found = report.filled(text, {"a": "new\n", "b": "\\1 stays\n"})
    assert found == "Words.\n<!-- a -->\nnew\n<!-- end -->\nMore.\n<!-- b -->\n\\1 stays\n<!-- end -->\n"
    assert report.filled(found, {"a": "new", "b": "\\1 stays"}) == found
    with pytest.raises(SystemExit, match="no place for <!-- c -->"):
        report.filled(text, {"c": ""})


def test_reasons_are_read_from_the_page() -> None:
    head = "x\n\n| rows | against | why |\n|---|---|---|\n"
    text = head + "| `A/*` | `torch` | Because, `code`. |\n| `*` | `*` | So. |\n\ny\n"
    assert report.reasons(text) == [("A/*", "torch", "Because, `code`."), ("*", "*", "So.")]
    assert report.reasons("nothing") == []


def test_the_page_in_the_docs_has_every_place_and_every_reason() -> None:
    page = ROOT / "docs" / "benchmarks.md"
    results = Results(ROOT / "benchmarks" / "results" / "speed-cpu.json")
    given = report.reasons(page.read_text())
    assert given
    missed = [verdict for verdict in report.all_verdicts(results) if not verdict.met]
    assert not [v.row.key for v in missed if report.reason_for(v, given) == report.UNEXPLAINED]


# ---------------------------------------------------------------------------- an epoch of fit


def test_an_epoch_of_fit_is_measured_in_turns() -> None:
    kept: list[dict[str, list[str]]] = []
    found = bench_fit.measure(
        {"kerastorch": sys.executable},
        2,
        [(512, 2)],
        lambda known: kept.append({size: [*known[size]] for size in known}),
    )
    ours = ["plain torch loop", "kerastorch, torch's Adam", "kerastorch", "kerastorch, a metric"]
    assert kept == [{"512x2": ours}]
    assert all(len(times) == 2 and min(times) > 0 for times in found["512x2"].values())
    page = bench_fit.table({"32x8": {"plain torch loop": [1.0, 2.0, 4.0], "kerastorch": [1.5, 2.0, 8.0]}}, "A machine")
    assert "A machine; LSTM" in page
    assert "medians of 3 turns" in page
    assert page.endswith("| plain torch loop | 2.000 (1.00) |\n| kerastorch | 2.000 (1.50) |\n")
    for place in ("tensorflow", "torch", "jax"):
        compile(bench_fit.served(place), place, "exec")
