"""What a caller says of a file before it is read: how much it may ask for, how long it may take, which bytes it has."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _long_configs import config_of, dense, item

import kerastorch as kt
from kerastorch import deadline, layers
from kerastorch.errors import ArgumentError, LoadError, TimeLimitError, UnsafeFileError
from kerastorch.files import _bytes

LAYERS = ("a", "b")


def model() -> kt.Sequential:
    listed = [layers.LSTM(40, return_sequences=True, name="a"), layers.Dense(3, name="b")]
    return kt.Sequential([kt.Input((None, 30)), *listed])


@pytest.fixture(params=["m.keras", "m.h5"])
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    model().save(tmp_path / request.param)
    return tmp_path / request.param


def weights_of(loaded: kt.Model) -> list[np.ndarray]:
    return [array.copy() for array in loaded.get_weights()]


def same(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return all(np.array_equal(*pair) for pair in zip(first, second, strict=True))


# ---------------------------------------------------------------------------- bounds


def deep(depth: int) -> str:
    inner = dense(0)
    for number in range(depth - 1):
        inner = {**item("Sequential", f"m{number}", layers=[inner]), "module": "keras"}
    listed = [item("InputLayer", "x", batch_shape=[None, 4]), inner]
    whole = {**item("Sequential", "s", layers=listed), "module": "keras", "keras_version": "3.15.1"}
    return json.dumps(whole)


def test_bounds_of_a_file(saved: Path) -> None:
    size, values = saved.stat().st_size, model().count_params()
    wrong = {
        "bytes": (size, size - 1, f"{size:,} bytes of it, the limit is {size - 1:,}"),
        "layers": (3, 2, r"The model has 3 layers, the limit is 2\. .* kt\.Limits\(layers=|3 layers, the limit is 2"),
        "parameters": (values, values - 1, f"its weights have {values:,} values, the limit is {values - 1:,}"),
    }
    for name, (enough, less, says) in wrong.items():
        assert kt.load_model(saved, limits=kt.Limits(**{name: enough})).count_params() == values
        with pytest.raises(UnsafeFileError, match=says):
            kt.load_model(saved, limits=kt.Limits(**{name: less}))
        if name == "layers":
            continue
        with pytest.raises(UnsafeFileError, match=says):
            kt.load_weights(model(), saved, limits=kt.Limits(**{name: less}))
        with saved.open("rb") as stream, pytest.raises(UnsafeFileError, match=f"limit is {less:,}"):
            kt.load_model(stream, limits=kt.Limits(**{name: less}))


def test_bounds_of_a_text() -> None:
    assert kt.model_from_json(deep(5), limits=kt.Limits(depth=5, layers=6)).count_params() == 20
    with pytest.raises(UnsafeFileError, match=r"models and wrappers 5 deep in one another, the limit is 4\."):
        kt.model_from_json(deep(5), limits=kt.Limits(depth=4))
    with pytest.raises(UnsafeFileError, match=r"The model has 6 layers, the limit is 5\..*kt\.Limits\(layers="):
        kt.model_from_json(deep(5), limits=kt.Limits(layers=5))


def test_bytes_of_a_text() -> None:
    text = model().to_json().replace('"a"', '"\u00e9"')  # two bytes
    size = len(text.encode())
    assert size > len(text)
    assert kt.model_from_json(text, limits=kt.Limits(bytes=size)).count_params() == model().count_params()
    with pytest.raises(UnsafeFileError, match=rf"there are {size:,} bytes of it, the limit is {size - 1:,}\."):
        kt.model_from_json(text, limits=kt.Limits(bytes=size - 1))


def test_depth_of_groups(tmp_path: Path) -> None:
    model().save(tmp_path / "m.keras")
    # layers/lstm/cell/vars
    with pytest.raises(UnsafeFileError, match=r"too deep, the limit is 3\. .*kt\.Limits\(depth="):
        kt.load_weights(model(), tmp_path / "m.keras", limits=kt.Limits(depth=3))
    wrapped = kt.Sequential([kt.Input((None, 1)), kt.layers.Bidirectional(kt.layers.LSTM(2))])
    wrapped.save(tmp_path / "m.h5")
    with pytest.raises(UnsafeFileError, match=r"'model_weights/.*/kernel': it stands too deep, the limit is 3\. If"):
        kt.load_model(tmp_path / "m.h5", limits=kt.Limits(depth=3))


@pytest.mark.parametrize("name", ["bytes", "layers", "parameters", "depth", "seconds", "memory", "json_bytes"])
@pytest.mark.parametrize("value", [0, -1, "3", True, float("nan"), float("inf"), [1]])
def test_bounds_are_numbers(name: str, value: Any) -> None:
    with pytest.raises(ArgumentError, match=f"Limits: {name}: expected a .*number.* above 0, got"):
        kt.Limits(**{name: value})


def test_limits_are_limits(saved: Path) -> None:
    for call in (lambda: kt.load_model(saved, limits={"bytes": 3}), lambda: kt.model_from_json("{}", limits=3)):  # type: ignore[arg-type]
        with pytest.raises(ArgumentError, match=r"limits: expected kt\.Limits\(\.\.\.\), got"):
            call()


# ---------------------------------------------------------------------------- seconds


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is a second later at each look."""
    clock = itertools.count()
    monkeypatch.setattr(deadline.time, "monotonic", lambda: float(next(clock)))


def places(load: Callable[[kt.Limits], Any]) -> list[str]:
    """Where a load is stopped, for each number of seconds that is too few."""
    found: list[str] = []
    for seconds in itertools.count(1):
        try:
            load(kt.Limits(seconds=seconds))
        except TimeLimitError as error:
            said = str(error)
            assert f"the limit is {seconds} s. If the file may take longer, pass limits=kt.Limits(seconds=" in said
            found.append(said.partition(", while ")[2].partition(";")[0])
        else:
            return found
    raise AssertionError


def test_a_load_is_stopped_wherever_it_is(saved: Path, ticking: None) -> None:
    found = places(lambda limits: kt.load_model(saved, limits=limits))
    assert {place.split()[0] for place in found} >= {"byte" if saved.suffix == ".keras" else "object", "layer", "the"}
    wanted = ["the config of layer {!r} was read", "layer {!r} was made", "layer {!r}: kernel was looked at"]
    wanted = [text.format(name) for text in wanted for name in LAYERS]
    assert [place for place in found if place in wanted] == wanted
    assert found[-1] == "the model was finished"
    target = model()
    target.set_weights([array + 1 for array in target.get_weights()])
    before = weights_of(target)
    for seconds in itertools.count(1):
        try:
            report = kt.load_weights(target, saved, limits=kt.Limits(seconds=seconds))
        except TimeLimitError:
            assert same(before, weights_of(target))
        else:
            break
    assert not same(before, weights_of(target))
    assert not report.differences


def test_a_text_is_stopped_wherever_it_is(ticking: None) -> None:
    found = places(lambda limits: kt.model_from_json(model().to_json(), limits=limits))
    wanted = [
        text.format(name) for text in ("the config of layer {!r} was read", "layer {!r} was made") for name in LAYERS
    ]
    assert [place for place in found if place in wanted] == wanted


def test_real_time_is_kept() -> None:
    text = json.dumps(config_of(dense, 3_000))
    began = time.monotonic()
    with pytest.raises(TimeLimitError, match=r"model_from_json: stopped after 0\.\d+ s, while .*; the limit is 0.1 s"):
        kt.model_from_json(text, limits=kt.Limits(seconds=0.1))
    assert time.monotonic() - began < 20  # on a busy machine; making it takes a second
    assert deadline.current() is None


# ---------------------------------------------------------------------------- the digest


def test_the_digest_of_the_file(saved: Path) -> None:
    content = saved.read_bytes()
    digest, other = hashlib.sha256(content).hexdigest(), hashlib.sha256(content + b"x").hexdigest()
    wanted = weights_of(kt.load_model(saved))
    assert same(wanted, weights_of(kt.load_model(saved, expected_sha256=digest.upper())))
    assert same(wanted, weights_of(kt.load_model(io.BytesIO(content), expected_sha256=digest)))
    target = model()
    kt.load_weights(target, saved, expected_sha256=digest)
    assert same(wanted, weights_of(target))
    for call in (
        lambda: kt.load_model(saved, expected_sha256=other),
        lambda: kt.load_model(io.BytesIO(content), expected_sha256=other),
        lambda: kt.load_weights(target, saved, expected_sha256=other),
    ):
        with pytest.raises(UnsafeFileError, match=f"its SHA-256 is {digest}, expected {other}"):
            call()


def test_the_digest_of_a_text() -> None:
    text = model().to_json()
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert kt.model_from_json(text, expected_sha256=digest).count_params() == model().count_params()
    with pytest.raises(UnsafeFileError, match=f"the SHA-256 of the text is .*, expected {digest}"):
        kt.model_from_json(text + " ", expected_sha256=digest)


@pytest.mark.parametrize("wrong", ["", "abc", "g" * 64, "0" * 63, b"0" * 64, 3])
def test_what_is_no_digest(saved: Path, wrong: Any) -> None:
    for call in (kt.load_model, lambda path, **o: kt.load_weights(model(), path, **o)):
        with pytest.raises(ArgumentError, match="expected_sha256: expected 64 hexadecimal digits, got"):
            call(saved, expected_sha256=wrong)


def test_no_digest_says_what_shards_hold(tmp_path: Path) -> None:
    index = tmp_path / "m.weights.json"
    index.write_text(json.dumps({"metadata": {"total_size": 0}, "weight_map": {"/a/vars": "x.weights.h5"}}))
    digest = hashlib.sha256(index.read_bytes()).hexdigest()
    with pytest.raises(LoadError, match="index of sharded weights: expected_sha256 would say what it holds, and not"):
        kt.load_weights(model(), index, expected_sha256=digest)


def test_bytes_that_change_behind_the_digest_are_noticed(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody writes another value, and sets the time of the file back."""
    content, state = saved.read_bytes(), saved.stat()
    wanted = kt.load_model(saved).get_weights()[0].tobytes()
    other = content.replace(wanted[4:8], b"\x11\x22\x33\x44")
    assert len(other) == len(content) != other.count(wanted[4:8])
    seal = _bytes.OpenFile.seal

    def sealed(file: _bytes.OpenFile) -> str:
        digest = seal(file)
        with saved.open("r+b") as stream:
            stream.write(other)
        os.utime(saved, ns=(state.st_atime_ns, state.st_mtime_ns))
        return digest

    monkeypatch.setattr(_bytes.OpenFile, "seal", sealed)
    with pytest.raises(LoadError, match="has changed: its bytes are others than those whose SHA-256 was compared"):
        kt.load_model(saved, expected_sha256=hashlib.sha256(content).hexdigest())


def test_every_part_of_a_sealed_file_is_compared(tmp_path: Path) -> None:
    path, size = tmp_path / "f", 3 * _bytes._BLOCK + 17
    content = np.random.default_rng(0).bytes(size)
    path.write_bytes(content)
    file = _bytes.OpenFile(os.open(path, os.O_RDONLY), "f")
    assert file.seal() == hashlib.sha256(content).hexdigest()
    edges = [0, 1, *(n * _bytes._BLOCK + d for n in (1, 2, 3) for d in (-1, 0, 1)), size - 1, size]
    for at, end in itertools.combinations_with_replacement(edges, 2):
        target = bytearray(end - at)
        file.into(at, memoryview(target))
        assert target == content[at:end]
    for changed in (0, _bytes._BLOCK - 1, _bytes._BLOCK, size - 1):
        path.write_bytes(content[:changed] + bytes([content[changed] ^ 1]) + content[changed + 1 :])
        for at, end in itertools.combinations(edges, 2):
            first, last = at // _bytes._BLOCK, (end - 1) // _bytes._BLOCK
            if first <= changed // _bytes._BLOCK <= last:
                with pytest.raises(LoadError, match="has changed"):
                    file.into(at, memoryview(bytearray(end - at)))
            else:
                file.into(at, memoryview(bytearray(end - at)))
    file.close()


def test_what_reads_itself_gets_its_values_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Own(layers.Dense):
        def load_own_variables(self, store: Any) -> None:
            for variable, key in zip(self.variables, "01", strict=True):
                variable.assign(store[key])

    def made() -> kt.Sequential:
        return kt.Sequential([kt.Input((4,)), Own(3), layers.Dense(2)])

    source, target = made(), made()
    source.set_weights([array + 1 for array in source.get_weights()])
    source.save_weights(tmp_path / "m.weights.h5")
    before = weights_of(target)
    with monkeypatch.context() as patch:
        patch.setattr(_bytes.OpenFile, "check_unchanged", lambda file: file.into(file.size, memoryview(bytearray(1))))
        with pytest.raises(LoadError, match="has changed"):
            kt.load_weights(target, tmp_path / "m.weights.h5")
    assert same(before, weights_of(target))
    kt.load_weights(target, tmp_path / "m.weights.h5")
    assert same(weights_of(source), weights_of(target))


@pytest.mark.parametrize("name", [[1], {"a": 1}, 5])
def test_a_name_that_is_no_text_is_refused(name: Any) -> None:
    """Looking for a limit comes before what refuses it."""
    config = config_of(dense, 2)
    config["config"]["layers"][1]["config"]["name"] = name
    with pytest.raises(kt.errors.LoadError, match="name"):
        kt.model_from_json(json.dumps(config))
