"""A config and weights that cannot fit are refused before a layer is made."""

from __future__ import annotations

import itertools
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from _long_configs import MAKERS, dense, item, write_files

import kerastorch as kt
from kerastorch.base.layer import REGISTRY
from kerastorch.cli import main
from kerastorch.errors import LoadError, MismatchError
from kerastorch.matching import is_weighted


@pytest.mark.parametrize("make", MAKERS)
def test_weights_are_compared_before_layers_are_made(
    make: Callable[[int], dict[str, Any]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_files(tmp_path, make, 100)
    monkeypatch.setattr("kerastorch.compat.read_config", None)  # nor is the config read
    says = r"at least 100 of its layers have weights \('d0', 'd1', .*\.\.\.\), and the file holds 4 arrays"
    for name in ("m.keras", "m.h5"):
        with pytest.raises(MismatchError, match=says):
            kt.load_model(tmp_path / name)
    assert main(["summary", str(tmp_path / "w.weights.h5"), "--arch", str(tmp_path / "a.json")]) == 2
    assert "100 of its layers have weights" in capsys.readouterr().err


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    write_files(tmp_path_factory.mktemp("many"), dense, 20_000)
    return tmp_path_factory.getbasetemp() / "many0"


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_little_time_and_memory_for_weights_that_cannot_fit(many: Path, name: str) -> None:
    began = time.process_time()
    with pytest.raises(MismatchError):
        kt.load_model(many / name)
    # Measured: 0.4 s, which the text takes to be parsed. Making the layers took 10 s.
    assert time.process_time() - began < 2.5
    tracemalloc.start()
    with pytest.raises(MismatchError):
        kt.load_model(many / name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Measured: 12 times the text, which is what its parsed values take; with the layers it was 50 times.
    assert peak < 20 * (many / name).stat().st_size


def test_few_layers_without_weights_are_listed_one_by_one(tmp_path: Path) -> None:
    write_files(tmp_path, dense, 9)
    with pytest.raises(MismatchError, match=r"missing in the file: layer 'd2': kernel \(4, 4\)"):
        kt.load_model(tmp_path / "m.keras")


def test_what_the_caller_gives_needs_no_weights(tmp_path: Path) -> None:
    class Mine(kt.Layer):
        def __init__(self, units: int, activation: Any, use_bias: bool, **options: Any) -> None:
            super().__init__(**options)

        def call(self, x: torch.Tensor) -> torch.Tensor:
            return x

    arrays: dict[str, Any] = {"Dense": Mine}
    write_files(tmp_path, lambda n: dense(n) if n < 2 else {**dense(n), "class_name": "Mine"}, 200)
    assert kt.load_model(tmp_path / "m.keras", custom_objects={"Mine": Mine}).count_params() == 40
    write_files(tmp_path, dense, 200)
    with pytest.raises(MismatchError, match="left over in the file"):  # none of them has weights then
        kt.load_model(tmp_path / "m.keras", custom_objects=arrays)
    replaced = {f"d{n}": torch.nn.Identity() for n in range(2, 200)}
    assert kt.load_model(tmp_path / "m.keras", replace=replaced).count_params() == 40


def test_a_shared_layer_needs_weights_once(tmp_path: Path) -> None:
    def of_two(number: int) -> dict[str, Any]:
        inner = {**dense(number % 2), **({"shared_object_id": number % 2 + 1} if number > 1 else {})}
        return item("TimeDistributed", f"t{number}", layer=inner)

    write_files(tmp_path, of_two, 200)
    try:
        kt.load_model(tmp_path / "m.keras")
    except LoadError as error:
        assert "of its layers have weights" not in str(error)  # noqa: PT017


UNLESS = ("LayerNormalization", "GroupNormalization")


def weights_in(class_name: str) -> set[bool]:
    """Whether a layer has weights, by its examples."""
    cls, found = REGISTRY[class_name], set()
    for example in cls.EXAMPLES:
        layer = cls.from_config({**example.config, "name": "l"})
        layer.build(example.input_shape)
        found.add(bool(layer.variables))
    return found


@pytest.mark.parametrize(
    "class_name", sorted(name for name in REGISTRY if is_weighted(name, {}) and name not in UNLESS)
)
def test_layers_that_always_have_weights(class_name: str) -> None:
    assert weights_in(class_name) == {True}


def test_arguments_that_leave_weights_out() -> None:
    for name in UNLESS:
        for center, scale in itertools.product((True, False), repeat=2):
            config = {"center": center, "scale": scale, **({"groups": 2} if name.startswith("Group") else {})}
            layer = REGISTRY[name].from_config(config)
            layer.build((None, 4))
            assert is_weighted(name, config) == bool(layer.variables) == (center or scale)
