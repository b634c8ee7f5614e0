"""Whoever meets a bound is told which one it is, how large it is, and what moves it."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import h5py
import numpy as np
import pytest

import kerastorch as kt
from kerastorch import layers
from kerastorch.cli import main
from kerastorch.errors import LoadError

WIDE = 1 << 18  # 2 MiB of values, more than may be packed into nothing


def model() -> kt.Sequential:
    made = kt.Sequential([kt.Input((None, 2)), layers.LSTM(2, name="lstm"), layers.Dense(WIDE, name="dense")], name="m")
    made.set_weights([np.zeros_like(array) for array in made.get_weights()])
    return made


def zipped(path: Path) -> None:
    model().save(path)


def packed(path: Path) -> None:
    """The same, with every member compressed."""
    model().save(path)
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in members.items():
            new.writestr(name, content)


def legacy(path: Path) -> None:
    model().save(path.with_suffix(".h5"))
    path.write_bytes(path.with_suffix(".h5").read_bytes())


def chunked(path: Path) -> None:
    """The same, with an array that takes far less room than it has values."""
    legacy(path)
    with h5py.File(path, "r+") as file:
        found: list[str] = []
        file.visit(lambda name: found.append(name) if "dense" in name and "kernel" in name else None)
        (name,) = found
        del file[name]
        file.create_dataset(name, data=np.zeros((2, WIDE), "float32"), chunks=(2, 1 << 14), compression="gzip")


# The bound, and those that go with it -> a file that meets it.
CASES: dict[str, tuple[dict[str, float], Callable[[Path], None]]] = {
    "bytes": ({"bytes": 10}, zipped),
    "layers": ({"layers": 1}, zipped),
    "parameters": ({"parameters": 9}, zipped),
    "depth": ({"depth": 1}, legacy),
    "seconds": ({"seconds": 1e-9}, zipped),
    "json_bytes": ({"json_bytes": 10}, zipped),
    "json_depth": ({"json_depth": 2}, zipped),
    "json_values": ({"json_values": 5}, legacy),
    "zip_members": ({"zip_members": 2}, zipped),
    "zip_ratio": ({"zip_ratio": 1, "zip_free_bytes": 1}, packed),
    "allocation_bytes": ({"allocation_bytes": 100, "allocation_ratio": 1}, packed),
    "objects": ({"objects": 3}, legacy),
    "attribute_bytes": ({"attribute_bytes": 2}, legacy),
    "name_length": ({"name_length": 3}, legacy),
    "chunk_bytes": ({"chunk_bytes": 100}, chunked),
    "chunk_ratio": ({"chunk_ratio": 1}, chunked),
    "steps": ({"steps": 20}, legacy),
}
# Met by no small file, or none of a path: `test_strings_that_share_their_bytes`, `test_shards`, `tests/isolation`.
ELSEWHERE = {"decoded_ratio", "shards", "memory"}
WITH_ANOTHER = {"zip_free_bytes", "allocation_ratio"}


def test_every_bound_is_looked_at() -> None:
    assert {field.name for field in fields(kt.Limits)} == CASES.keys() | ELSEWHERE | WITH_ANOTHER


@pytest.mark.parametrize("name", CASES)
def test_a_bound_names_itself(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bounds, make = CASES[name]
    path = tmp_path / "m.keras"
    make(path)
    with pytest.raises(LoadError, match=rf"the limit is .*pass limits=kt\.Limits\({name}=\.\.\.\)") as caught:
        kt.load_model(path, limits=kt.Limits(**bounds))  # type: ignore[arg-type]
    most = "[\\d,]+" if name == "allocation_bytes" else f"{bounds[name]:,g}"  # or a multiple of the size
    assert re.search(f"the limit is {most}( s)?\\. ", str(caught.value))
    given = [part for key, value in bounds.items() for part in ("--limit", f"{key}={value}")]
    assert main(["info", str(path), *given]) == 2
    assert f"give --limit {name}=N" in capsys.readouterr().err
