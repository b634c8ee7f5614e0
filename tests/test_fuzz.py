"""Wrong files and configs are refused by errors of kerastorch's own; see `tests/fuzz`."""

from __future__ import annotations

import io
import os
import random
import signal
import sys
import zipfile
import zlib
from collections.abc import Callable

import h5py
import pytest
from _seed import RANDOM_SEED
from fuzz import atheris_harness, differential, judging, mutants, mutating, running
from fuzz.bytes_of import wrong_structure
from fuzz.fields import checksums, fields, lookup3, repaired
from fuzz.seeds import Seed, all_seeds, inner

import kerastorch as kt

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no timers of processor time")
EACH = {"config": 150, "text": 60, "bytes": 100, "zip": 150, "structure": 150, "objects": 150, "inside": 60}
EACH |= {"container": 120, "pickle": 150}


@pytest.mark.parametrize("kind", mutants.KINDS)
def test_mutants_of_a_fixed_seed(kind: str) -> None:
    assert len(mutating.configs()) > 90
    found = [judging.fault_of(mutants.mutant(0, number, (kind,))) for number in range(EACH[kind])]
    assert [text for text in found if text is not None] == []


def test_mutants_of_a_fresh_seed() -> None:
    seed = f"{RANDOM_SEED:08x}"
    found = {number: judging.fault_of(mutants.mutant(seed, number)) for number in range(120)}
    assert {number: text for number, text in found.items() if text is not None} == {}, f"seed {seed}"


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


def test_the_memory_that_a_run_takes_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = kt.layers
    model = kt.Sequential([kt.Input((3,)), layers.RepeatVector(7), layers.LSTM(2)])
    wide = model.to_json().replace('"n": 7', f'"n": {2**47}')
    assert judging.fault(wide) is None
    monkeypatch.setattr(judging, "_UNBOUNDED", ())
    assert "run: RuntimeError" in (judging.fault(wide) or "")


def test_a_load_that_changes_something_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    seed = next(seed for seed in all_seeds() if seed.name == "w.weights.h5")
    assert judging.file_fault(seed.content, seed.model) is None

    def half(model: judging.kt.Model, file: object) -> None:
        model.set_weights([2 * array + 1 for array in model.get_weights()])
        raise judging.kt.errors.LoadError("f: it is damaged")

    monkeypatch.setattr(judging.kt, "load_weights", half)
    assert "unchanged: AssertionError" in (judging.file_fault(seed.content, seed.model) or "")


def dies(number: int) -> str | None:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 5:
        bytearray(2 * running.MEMORY)
    return "read: KeyError at a: b" if number == 6 else None


@pytest.mark.skipif(sys.platform != "linux", reason="memory is asked of Linux")
def test_a_process_that_dies_is_a_fault() -> None:
    found = running.run(dies, range(8), 8)
    assert [(item.number, item.text) for item in found] == [
        (3, "process: it ends by SIGKILL"),
        (5, "process: it ends by an error"),
        (6, "read: KeyError at a: b"),
    ]


# ---------------------------------------------------------------------- beside h5py

# Each of these once gave values that h5py does not give: names and chunks behind bounds that do not hold, versions,
# flags and sizes of heaps, free lists, superblocks, messages, fill values, filters and attributes.
ONCE_OTHER = (
    *(6, 14, 79, 82, 85, 86, 129, 150, 163, 182, 211, 223, 247, 265, 282, 342, 346, 471, 473, 489, 503, 510, 518, 526),
    *(
        542,
        607,
        634,
        669,
        675,
        685,
        734,
        857,
        899,
        998,
        1173,
        1217,
        1277,
        1279,
        1353,
        1545,
        1586,
        1979,
        2026,
        2418,
        2453,
    ),
)


# Objects of no kind, flags of links and chunks, names and settings of filters; a name with an @; headers that
# continue nowhere, and attributes larger than their messages, or of no type, beside the one that is asked for.
ONCE_READ = (
    *(("de3e10e8", number) for number in (10683, 10946)),
    *(("858e3b23", number) for number in (21125, 21355, 21795)),
    ("deb9ee04", 31242),
    ("9f889234", 1364),
    ("a45a4b37", 2286),
    ("7fd124af", 51),
    *(("54474fe2", number) for number in (2717, 4445)),
    ("6f18f84c", 13597),
)


def test_h5py_gives_what_we_give() -> None:
    found = {number: differential.difference(1, number) for number in (*ONCE_OTHER, *range(100))}
    found |= {number: differential.difference("1ef59682", number) for number in (186, 602, 1783, 1814)}
    found |= {place: differential.difference(*place) for place in ONCE_READ}
    assert {number: text for number, text in found.items() if text is not None} == {}


def test_h5py_gives_what_we_give_of_a_fresh_seed() -> None:
    seed = f"{RANDOM_SEED:08x}"  # of its own in every run where KERASTORCH_SEED=random
    found = {number: differential.difference(seed, number) for number in range(60)}
    assert {number: text for number, text in found.items() if text is not None} == {}, f"seed {seed}"


def test_whole_files_are_the_same_for_h5py() -> None:
    for seed in all_seeds():
        assert len(differential.ours(inner(seed))) > 5
        assert differential.compared(inner(seed)) is None


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (
            lambda found: {key: ("float32", value[1] + 1) for key, value in found.items() if "\0" not in key},
            "another value",
        ),
        (lambda found: {key: f"{value}x" for key, value in found.items() if "\0" in key}, "another value"),
        (lambda found: {f"{key}x": value for key, value in found.items()}, "does not read"),
    ],
)
def test_a_difference_is_seen(monkeypatch: pytest.MonkeyPatch, broken: Callable[[dict], dict], says: str) -> None:
    content = inner(next(seed for seed in all_seeds() if seed.name == "w.weights.h5"))
    original = differential.ours
    monkeypatch.setattr(differential, "ours", lambda content: broken(original(content)))
    assert says in (differential.compared(content) or "")


# ---------------------------------------------------------------------- the mutants are what they should be


@pytest.mark.parametrize("kind", mutants.KINDS)
def test_a_number_makes_the_same_mutant_again(kind: str) -> None:
    first, second = (mutants.mutant(7, 11, (kind,)) for _ in range(2))
    assert repr(first) == repr(second)
    assert repr(first) != repr(mutants.mutant(8, 11, (kind,)))


@pytest.mark.parametrize("seed", all_seeds(), ids=lambda seed: seed.name)
def test_seeds_are_whole_or_refused(seed: Seed) -> None:
    """What h5py writes with its newest structures need not be read, but then it is refused."""
    assert judging.file_fault(seed.content, seed.model) is None
    known = {field.kind for field in fields(inner(seed))}
    newest = inner(seed)[8] >= 2
    assert ({"OHDR", "superblock"} if newest else {"TREE", "SNOD", "HEAP", "message 3", "message 8"}) <= known


def test_checksums_are_found_and_repaired() -> None:
    assert lookup3(b"Four score and seven years ago") == 0x17770551  # as its author says
    assert lookup3(b"") == 0xDEADBEEF
    content = inner(next(seed for seed in all_seeds() if seed.name == "latest.h5"))
    ranges = checksums(content)
    assert ranges[0] == (0, 44)
    assert len(ranges) > 10
    made = bytearray(content)
    start = next(start for start, end in ranges if b"cell" in content[start:end])
    made[content.index(b"cell", start)] = ord("C")
    with pytest.raises(KeyError), h5py.File(io.BytesIO(made)) as file:
        _ = file["layers/lstm/Cell/vars"]
    repaired(made, content)
    with h5py.File(io.BytesIO(made)) as file:
        assert file["layers/lstm/Cell/vars"].attrs["name"] == "lstm_cell"


def survivors(make: Callable[[random.Random], bytes], opens: Callable[[bytes], object]) -> int:
    count = 0
    for number in range(100):
        try:
            opens(make(random.Random(number)))
        except (OSError, ValueError, RuntimeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
            continue
        count += 1
    return count


def test_many_mutants_come_past_the_first_look() -> None:
    """A mutant that every reader refuses at once tests nothing but that."""
    content = inner(next(seed for seed in all_seeds() if seed.name == "latest.h5"))
    assert 20 < survivors(lambda rng: wrong_structure(content, rng), lambda made: h5py.File(io.BytesIO(made))) < 100
    zipped = next(seed for seed in all_seeds() if seed.zipped).content
    opens = survivors(
        lambda rng: mutants.wrong_zip(zipped, rng), lambda made: zipfile.ZipFile(io.BytesIO(made)).read("config.json")
    )
    assert 20 < opens < 100


def test_what_atheris_calls() -> None:
    for seed in all_seeds():
        atheris_harness.one_input(seed.content)
        atheris_harness.one_input(seed.content[: len(seed.content) // 2])
    atheris_harness.one_input(b"")


def test_what_atheris_calls_sees_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> None:
        raise IndexError("index out of range")

    monkeypatch.setattr(judging, "open_archive", broken)
    with pytest.raises(AssertionError, match="read: IndexError"):
        atheris_harness.one_input(b"x")
