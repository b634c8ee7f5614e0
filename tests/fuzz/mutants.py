"""One mutant by its number: which seed, which kind of fault."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from typing import Any, NamedTuple

import h5py

from . import mutating
from .bytes_of import wrong_bytes, wrong_structure
from .containers import wrong_container
from .objects import wrong_objects
from .pickled import wrong_pickle
from .seeds import Seed, all_seeds, inner
from .zips import members, with_member, wrong_zip


class Mutant(NamedTuple):
    """A config, or a file and what it was made of."""

    kind: str
    config: dict[str, Any] | str | None = None
    seed: Seed | None = None
    content: bytes = b""


def _config(rng: random.Random) -> Mutant:
    return Mutant("config", mutating.mutant(rng.choice(mutating.all_configs()), rng))


def _text(rng: random.Random) -> Mutant:
    text = json.dumps(rng.choice(mutating.all_configs()))
    return Mutant("text", wrong_bytes(text.encode(), rng).decode("utf-8", "surrogateescape"))


def _bytes(rng: random.Random) -> Mutant:
    seed = rng.choice(all_seeds())
    return Mutant("bytes", None, seed, wrong_bytes(seed.content, rng))


def _zip(rng: random.Random) -> Mutant:
    seed = rng.choice([seed for seed in all_seeds() if seed.zipped])
    return Mutant("zip", None, seed, wrong_zip(seed.content, rng))


def _hdf5(kind: str, change: Callable[[bytes, random.Random], bytes], rng: random.Random) -> Mutant:
    seed = rng.choice(all_seeds())
    made = change(inner(seed), rng)
    return Mutant(kind, None, seed, with_member(seed.content, "model.weights.h5", made) if seed.zipped else made)


def _structure(rng: random.Random) -> Mutant:
    return _hdf5("structure", wrong_structure, rng)


def _objects(rng: random.Random) -> Mutant:
    return _hdf5("objects", wrong_objects, rng)


def _inside(rng: random.Random) -> Mutant:
    """Wrong JSON inside a whole file, or wrong bytes in a member whose checksum agrees."""
    seed = rng.choice([seed for seed in all_seeds() if seed.model is None])
    if not seed.zipped:
        stream = io.BytesIO(seed.content)
        with h5py.File(stream, "r+") as file:
            key = rng.choice([key for key in ("model_config", "training_config") if key in file.attrs])
            file.attrs[key] = json.dumps(mutating.mutant(json.loads(file.attrs[key]), rng)).encode()
        return Mutant("inside", None, seed, stream.getvalue())
    name = rng.choice(("config.json", "config.json", "metadata.json", "model.weights.h5"))
    content = members(seed.content)[name]
    if name.endswith(".json") and rng.random() < 0.7:
        made = json.dumps(mutating.mutant(json.loads(content), rng)).encode()
    else:
        made = wrong_bytes(content, rng)
    return Mutant("inside", None, seed, with_member(seed.content, name, made))


def _container(rng: random.Random) -> Mutant:
    return Mutant("container", content=wrong_container(rng))


def _pickle(rng: random.Random) -> Mutant:
    return Mutant("pickle", content=wrong_pickle(rng))


KINDS: dict[str, Callable[[random.Random], Mutant]] = {
    "config": _config,
    "text": _text,
    "bytes": _bytes,
    "zip": _zip,
    "structure": _structure,
    "objects": _objects,
    "inside": _inside,
    "container": _container,
    "pickle": _pickle,
}


def mutant(seed: int | str, number: int, kinds: tuple[str, ...] = tuple(KINDS)) -> Mutant:
    """Number `number` of the mutants of a seed; the kinds take turns."""
    return KINDS[kinds[number % len(kinds)]](random.Random(f"{seed}/{number}"))
