"""What h5py writes in its newer structures, and around them, is read as h5py reads it; the rest can be written anew."""

from __future__ import annotations

import io
import itertools
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from _against_h5py import of_h5py, of_ours
from _made_files import values

from kerastorch.errors import CorruptFileError, LoadError, UnsafeFileError, UnsupportedFileError
from kerastorch.files import Limits

LARGE = Limits(attribute_bytes=1 << 20)


def made(write: Callable[[h5py.File], Any], **options: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:  # a stream in memory does not get the size that the library gives it
        path = Path(folder, "file.h5")
        with h5py.File(path, "w", **options) as file:
            write(file)
        return path.read_bytes()


def compare(write: Callable[[h5py.File], Any], **options: Any) -> None:
    content = made(write, **options)
    theirs = of_h5py(content)
    assert len(theirs) > 1
    assert of_ours(content, LARGE) == theirs


@pytest.mark.parametrize("libver", ["earliest", "v108", "v110", "latest"])
@pytest.mark.parametrize("track_order", [False, True])
@pytest.mark.parametrize("userblock_size", [0, 512, 4096])
def test_groups_and_attributes(libver: str, track_order: bool, userblock_size: int, rng: np.random.Generator) -> None:
    """Few, at the bound, and so many that the indexes and the heaps have several levels."""

    def write(file: h5py.File) -> None:
        for links, attributes in ((0, 1), (8, 8), (9, 9), (60, 90), (700, 0)):
            group = file.create_group(f"group_{links}", track_order=track_order)
            for index in range(links):
                group.create_group(f"layer_{index * 7919}")
            for index in range(attributes):
                group.attrs[f"text_{index}"] = f"{index}" * (index % 40)
                group.attrs[f"numbers_{index}"] = values(rng, (index % 30,))
                group.attrs[f"names_{index}"] = [b"a" * (index + 1), b"b"]
        file["plain"] = values(rng, (5, 6))

    compare(write, libver=libver, track_order=track_order, userblock_size=userblock_size)


@pytest.mark.parametrize("track_order", [False, True])
def test_large_attributes(track_order: bool, rng: np.random.Generator) -> None:
    """Below and above what a block of a heap holds, and more than one block; only newer files can have them."""

    def write(file: h5py.File) -> None:
        file.attrs["names"] = np.array([f"layer_{index}".ljust(60, "z").encode() for index in range(3000)])
        file.attrs["text"] = "x" * 100_000
        for index in range(40):
            file.attrs[f"numbers_{index}"] = values(rng, (200 * index,))

    compare(write, libver="latest", track_order=track_order)
    with pytest.raises(UnsafeFileError, match=r"'@names'.* has 180,000 bytes, the limit is 65,536"):
        of_ours(made(write, libver="latest"))


def test_removed_links_and_attributes() -> None:
    def write(file: h5py.File) -> None:
        for index in range(60):
            file.create_group(f"g{index}")
            file.attrs[f"a{index}"] = index
        for index in range(0, 60, 3):
            del file[f"g{index}"], file.attrs[f"a{index}"]
        group = file.create_group("fewer")
        for index in range(12):
            group.attrs[f"a{index}"] = index
        for index in range(9):
            del group.attrs[f"a{index}"]

    compare(write, libver="latest")


SHAPES: list[tuple[tuple[int, ...], tuple[int, ...], tuple[int | None, ...] | None]] = [
    ((13, 7), (4, 3), None),
    ((13, 7), (13, 7), None),
    ((13, 7), (20, 9), (20, 9)),
    ((13, 7), (4, 3), (20, 30)),
    ((13, 7), (4, 3), (None, 9)),
    ((13, 7), (4, 3), (13, None)),
    ((13, 7), (4, 3), (None, None)),
    ((4, 5, 6), (2, 2, 5), (4, None, 9)),
]


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("compression", [None, "gzip", "lzf"])
def test_chunks(libver: str, compression: str | None, rng: np.random.Generator) -> None:
    """Each way to find chunks, with each way to pack them; lzf leaves random bytes as they are."""

    def write(file: h5py.File) -> None:
        cases = itertools.product(SHAPES, (False, True), (False, True), ("f4", ">i2", "u1"))
        for index, ((shape, chunks, maxshape), shuffle, fletcher32, dtype) in enumerate(cases):
            file.create_dataset(
                f"x{index}",
                data=rng.integers(0, 3 if index % 2 else 200, shape).astype(dtype),
                chunks=chunks,
                maxshape=maxshape,
                compression=compression,
                shuffle=shuffle,
                fletcher32=fletcher32,
            )

    compare(write, libver=libver)


def test_many_chunks(rng: np.random.Generator) -> None:
    """Pages of a fixed array, secondary blocks of an extensible one, a tree of several levels."""

    def write(file: h5py.File) -> None:
        file.create_dataset("fixed", data=values(rng, (2500,)), chunks=(1,))
        file.create_dataset("growing", data=values(rng, (2500,)), chunks=(1,), maxshape=(None,))
        file.create_dataset("packed", data=values(rng, (900,)), chunks=(1,), maxshape=(None,), compression="gzip")
        file.create_dataset("tree", data=values(rng, (40, 50)), chunks=(1, 1), maxshape=(None, None), shuffle=True)

    compare(write, libver="latest")


def test_resized_arrays(rng: np.random.Generator) -> None:
    def write(file: h5py.File) -> None:
        for name, maxshape in (
            ("rows", (None, 9)),
            ("columns", (30, None)),
            ("both", (None, None)),
            ("bound", (40, 40)),
        ):
            array = file.create_dataset(name, data=values(rng, (6, 8)), chunks=(4, 3), maxshape=maxshape)
            array.resize((3, 4))
            array.resize((11, 9))
            array[...] = values(rng, (11, 9))

    for libver in ("earliest", "latest"):
        compare(write, libver=libver)


def test_chunks_that_stand_in_a_row(rng: np.random.Generator) -> None:
    """Space for all of them is taken at once, so the file needs no index."""

    def write(file: h5py.File) -> None:
        options = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        options.set_chunk((7, 11))
        options.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        space = h5py.h5s.create_simple((50, 70), (60, 90))
        array = h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_DOUBLE, space, dcpl=options)
        array.write(h5py.h5s.ALL, h5py.h5s.ALL, values(rng, (50, 70), "float64"))

    compare(write, libver="latest")


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_stored_datatypes(libver: str) -> None:
    def write(file: h5py.File) -> None:
        file["type"] = np.dtype("f4")
        file.create_dataset("x", data=np.arange(5.0), dtype=file["type"])
        file["x"].attrs.create("numbers", np.arange(3.0), dtype=file["type"])
        del file["type"]

    compare(write, libver=libver)


def test_files_that_manage_their_free_space(rng: np.random.Generator) -> None:
    for strategy in ("fsm", "page", "none"):
        compare(lambda file: file.create_dataset("x", data=values(rng, (9,))), libver="v110", fs_strategy=strategy)


def scale_offset(file: h5py.File) -> None:
    file.create_dataset("x", data=np.arange(20), chunks=(5,), scaleoffset=0)


def n_bit(file: h5py.File) -> None:
    options = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    options.set_chunk((5,))
    options.set_filter(5)
    space = h5py.h5s.create_simple((20,))
    array = h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_INT64, space, dcpl=options)
    array.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(20))


@pytest.mark.parametrize(("write", "name"), [(scale_offset, r"6 \(scale-offset\)"), (n_bit, r"5 \(n-bit\)")])
def test_what_is_not_read_can_be_written_anew(tmp_path: Path, write: Callable[[h5py.File], Any], name: str) -> None:
    """The message says how; who does it has the same values in a file that is read."""

    def whole(file: h5py.File) -> None:
        file.attrs["backend"] = "tensorflow"
        write(file)
        file["x"].attrs["units"] = 3
        file.create_group("empty").attrs["names"] = [b"a", b"b"]
        file["group/y"] = np.float32(2)

    content = made(whole)
    with pytest.raises(UnsupportedFileError, match=f"packed with HDF5 filter {name}") as caught:
        of_ours(content)
    code = re.search("Rewrite the file with h5py: `(.*)`", str(caught.value))
    assert code
    (tmp_path / "OLD").write_bytes(content)
    exec(
        code[1].replace('"OLD"', repr(str(tmp_path / "OLD"))).replace('"NEW"', repr(str(tmp_path / "NEW"))),
        {"h5py": h5py},
    )
    assert of_ours((tmp_path / "NEW").read_bytes()) == of_h5py(content)


def test_a_chunk_that_lzf_made_and_somebody_damaged(rng: np.random.Generator) -> None:
    data = rng.integers(0, 3, 4000).astype("f4")
    content = made(lambda file: file.create_dataset("x", data=data, chunks=(4000,), compression="lzf"))
    with h5py.File(io.BytesIO(content)) as file:
        place = file["x"].id.get_chunk_info(0)
    refused = 0
    for at in rng.integers(place.byte_offset, place.byte_offset + place.size, 200).tolist():
        changed = bytearray(content)
        changed[at] = int(rng.integers(256))
        try:
            of_ours(bytes(changed))
        except CorruptFileError:
            refused += 1
        except LoadError as error:
            raise AssertionError from error
    assert refused > 10
