"""HDF5 files that are whole, in which h5py has put other things in the places of attributes, arrays and groups."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np

_TEXT = h5py.string_dtype()
# Values as h5py writes them: every class of datatype and of shape.
VALUES: list[Any] = [
    *(0, -1, 2**63, 1.5, float("nan"), True, 1j, "", "x", "é\0", "float32", b"float32", b"\xff\xfe"),
    *([], [0], [1.5, 2.5], [[1, 2]], ["x"], ["x", "x"], ["vars"], [b"kernel:0", b"../x"], [["x"]], "x" * 70_000),
    *(np.zeros(0), np.zeros((0, 3), "f4"), np.zeros((2, 3), ">f8"), np.zeros(3, "f2"), np.zeros(2, "V2")),
    *(np.zeros(2, "V5"), np.zeros(3, [("a", "i4"), ("b", "f4", (2,))]), np.zeros((1,) * 30, "i1")),
    *(h5py.Empty("f4"), h5py.Empty(_TEXT), np.array(["a", ""], object), np.array([True, False])),
]
_STRANGE = (
    *("x", "0", "1", "10", "-1", "00", " 0", "vars", "cell", "layers", "optimizer", "metrics", "..", ".", "kernel:0"),
    *("layers\\d", "é", "e\u0301", "\u202e0", "a" * 1100, "_layer_checkpoint_dependencies", "top_level_model_weights"),
)
_ATTRIBUTES = ("name", "dtype", "weight_names", "weight_names0", "layer_names", "layer_names1", "keras_version", "x")


def wrong_objects(content: bytes, rng: random.Random) -> bytes:
    """One to three objects or attributes that are of another kind, elsewhere, gone, or there in addition."""
    stream = io.BytesIO(content)
    with h5py.File(stream, "r+") as file:
        for _ in range(rng.choice((1, 1, 2, 3))):
            places: list[str] = []
            file.visit(places.append)
            try:
                rng.choice(_CHANGES)(file, rng.choice(places) if places else "/", rng)
            except (ValueError, TypeError, OSError, RuntimeError, LookupError, AttributeError):
                continue  # what HDF5 does not take, or does not fit what stands there
    return stream.getvalue()


def _attribute(file: h5py.File, place: str, rng: random.Random) -> None:
    holder = rng.choice((file, file[place], file[place]))
    holder.attrs[rng.choice([*holder.attrs] * 3 + [*_ATTRIBUTES])] = rng.choice(VALUES)


def _no_attribute(file: h5py.File, place: str, rng: random.Random) -> None:
    holder = rng.choice((file, file[place]))
    del holder.attrs[rng.choice([*holder.attrs])]


def _array(file: h5py.File, place: str, rng: random.Random) -> None:
    attributes = dict(file[place].attrs)
    del file[place]
    file[place] = rng.choice(VALUES)
    file[place].attrs.update(attributes)


def _other_array(file: h5py.File, place: str, rng: random.Random) -> None:
    """The values that stand there, or as many others, of another dtype or shape, or stored otherwise."""
    item = file[place]
    values, attributes = item[()], dict(item.attrs)  # a group: no integers are its keys
    change: Callable[[], Any] = rng.choice(
        (
            lambda: values.astype(rng.choice(("f2", ">f4", "f8", "i4", "u1", "?", "c8", "S4"))),
            lambda: values[..., None],
            lambda: values[None],
            lambda: values.reshape(-1),
            lambda: values.T,
            lambda: values[:-1],
            lambda: np.repeat(values, 2, axis=0),
        )
    )
    made = change()
    del file[place]
    packed = {"chunks": True, "compression": rng.choice(("gzip", "lzf"))} if made.ndim and rng.random() < 0.5 else {}
    file.create_dataset(place, data=made, **packed)
    file[place].attrs.update(attributes)


def _gone(file: h5py.File, place: str, rng: random.Random) -> None:
    del file[place]


def _moved(file: h5py.File, place: str, rng: random.Random) -> None:
    parent = place.rpartition("/")[0]
    file.move(place, f"{parent}/{rng.choice(_STRANGE)}")


def _group(file: h5py.File, place: str, rng: random.Random) -> None:
    del file[place]
    file.create_group(place)[rng.choice(_STRANGE)] = rng.choice(VALUES)


def _more(file: h5py.File, place: str, rng: random.Random) -> None:
    holder = file[place] if isinstance(file[place], h5py.Group) else file[place].parent
    name = rng.choice(_STRANGE)
    others: list[str] = []
    file.visit(others.append)
    links = (h5py.SoftLink("/layers"), h5py.ExternalLink("f.h5", "/x"), file[rng.choice(others)])
    holder[name] = rng.choice((*links, rng.choice(VALUES)))


_CHANGES = (_attribute, _attribute, _attribute, _no_attribute, _array, _other_array, _gone, _moved, _group, _more)
