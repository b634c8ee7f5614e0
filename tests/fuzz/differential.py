"""Does h5py read what we read? Every value that our reader gives must be the one that h5py gives, or be refused."""

from __future__ import annotations

import contextlib
import io
import random
from typing import Any

import h5py
import numpy as np

from kerastorch.errors import LoadError
from kerastorch.files._hdf5 import Dataset, Group, open_hdf5

from .bytes_of import wrong_bytes, wrong_structure
from .objects import wrong_objects
from .seeds import all_seeds, inner

Values = dict[str, Any]


def ours(content: bytes) -> Values:
    """What our reader reads, by place: a path, or a path, a NUL and a name; an object that it refuses is left out."""
    found: Values = {}

    def visit(node: Group | Dataset, path: str) -> None:
        try:
            for name in node.attrs:
                with contextlib.suppress(LoadError):
                    found[f"{path}\0{name}"] = node.attrs[name]
        except LoadError:
            pass
        try:
            if isinstance(node, Dataset):
                found[path] = (node.dtype, node.read())
                return
            names = node.keys()
        except LoadError:
            return
        for name in names:
            try:
                child = node.get(name)
            except LoadError:
                continue
            if child is not None and child.address not in seen:
                seen.add(child.address)
                visit(child, f"{path}/{name}")

    try:
        root = open_hdf5(content, "f")
    except LoadError:
        return found
    seen = {root.address}
    visit(root, "")
    return found


def theirs(content: bytes, places: list[str]) -> Values:
    """What h5py reads at these places, or the error that it has there."""
    found: Values = {}
    try:
        file = h5py.File(io.BytesIO(content))
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        return dict.fromkeys(places, error)
    with file:
        for place in places:
            path, _, name = place.partition("\0")
            try:
                node = file[path or "/"]
                found[place] = node.attrs[name] if name else node[()]
            except Exception as error:  # noqa: BLE001
                # h5py has no errors of its own: what it raises for a damaged file may be anything.
                found[place] = error
    return found


def _same(mine: Any, other: Any) -> bool:
    if isinstance(mine, tuple):
        dtype, values = mine
        if isinstance(other, h5py.Empty):
            return False
        other = np.asarray(other)
        if dtype.startswith("opaque"):
            return values.tobytes() == other.tobytes() and values.shape == other.shape
        other = other.astype(other.dtype.newbyteorder("="))
        return (values.dtype, values.shape, values.tobytes()) == (other.dtype, other.shape, other.tobytes())
    if isinstance(mine, str):
        return mine == _text(other)
    if isinstance(mine, list):
        return isinstance(other, np.ndarray) and mine == [_text(item) for item in other.reshape(-1)]
    return np.asarray(mine).tobytes() == np.asarray(other).astype(np.asarray(mine).dtype).tobytes()


def _text(value: Any) -> Any:
    if isinstance(value, bytes):
        value = value.rstrip(b"\0").decode("utf-8", "surrogateescape")
    return value.rstrip("\0") if isinstance(value, str) else value


def compared(content: bytes) -> str | None:
    """The first value that h5py has otherwise, or not at all."""
    mine = ours(content)
    if not mine:
        return None
    others = theirs(content, list(mine))
    for place, value in mine.items():
        other, place = others[place], place.replace("\0", "@")
        if isinstance(other, Exception):
            return f"refused: h5py does not read what we read: {other} ({place})"
        if not _same(value, other):
            return f"other: h5py reads another value than we: {place}: {str(value)[:80]} and {str(other)[:80]}"
    return None


def difference(seed: int | str, number: int) -> str | None:
    """The same of the two mutants of this number: one with wrong structures or bytes, one with wrong objects."""
    rng = random.Random(f"differential/{seed}/{number}")
    whole = inner(rng.choice(all_seeds()))
    found = compared(wrong_structure(whole, rng) if number % 4 else wrong_bytes(whole, rng))
    return found or compared(wrong_objects(inner(rng.choice(all_seeds())), rng))
