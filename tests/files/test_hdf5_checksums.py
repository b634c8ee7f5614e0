"""The checksums of HDF5's newer structures: of every flipped bit the reader knows what h5py knows."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import h5py
import numpy as np
import pytest
from _against_h5py import disagreement, of_h5py, of_ours
from _made_files import values

from kerastorch.errors import CorruptFileError, LoadError, UnsafeFileError
from kerastorch.files import Limits, _hdf5_heap, _lookup3
from kerastorch.files._hdf5 import open_hdf5

RUN = 24  # zeros in a row: the unused end of a structure


def made(write: Callable[[h5py.File], None]) -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w", libver="latest") as file:
        write(file)
    return stream.getvalue()


# No strings of varying length here: the heap that holds them has no checksum, and on a damaged one h5py hangs.
def few(file: h5py.File) -> None:
    file["x"] = np.arange(3, dtype="f4")
    file.attrs["names"] = np.array([b"a", b"bc"])
    file.create_group("g").attrs["k"] = np.float32(2)


def many_links(file: h5py.File) -> None:
    for index in range(9):
        file.create_group(f"group_{index}")


def many_attributes(file: h5py.File) -> None:
    for index in range(9):
        file.attrs[f"attribute_{index}"] = index


def huge_attribute(file: h5py.File) -> None:
    file.attrs["huge"] = np.zeros(65_600, "u1")  # it stands outside the blocks of its heap


def continued(file: h5py.File) -> None:
    group = file.create_group("g", track_order=True)
    for index in range(5):
        group.attrs[f"attribute_{index}"] = np.arange(index * 4.0)


def fixed_array(file: h5py.File) -> None:
    file.create_dataset("x", data=np.arange(12.0), chunks=(4,))


def packed(file: h5py.File) -> None:
    file.create_dataset("x", data=np.arange(9.0), chunks=(4,), compression="gzip", shuffle=True, fletcher32=True)


def extensible_array(file: h5py.File) -> None:
    file.create_dataset("x", data=np.arange(200, dtype="u1"), chunks=(4,), maxshape=(None,))


def tree_of_chunks(file: h5py.File) -> None:
    file.create_dataset("x", data=np.arange(36, dtype="u1").reshape(6, 6), chunks=(3, 2), maxshape=(None, None))


WRITERS = [
    few,
    many_links,
    many_attributes,
    huge_attribute,
    continued,
    fixed_array,
    packed,
    extensible_array,
    tree_of_chunks,
]


def _runs(content: bytes) -> Iterator[tuple[int, int]]:
    """Every byte: by itself, or with the zeros around it where these are many."""
    at = 0
    while at < len(content):
        end = at
        while end < len(content) and not content[end]:
            end += 1
        yield (at, end) if end - at >= RUN else (at, at + 1)
        at = end if end - at >= RUN else at + 1


def _flipped(content: bytes, begin: int, end: int, bit: int) -> bytes:
    changed = bytearray(content)
    changed[begin:end] = bytes(byte ^ 1 << bit for byte in changed[begin:end])
    return bytes(changed)


@pytest.mark.parametrize("write", WRITERS)
def test_every_byte_that_flips_is_refused_or_read_as_h5py_reads_it(
    write: Callable[[h5py.File], None], rng: np.random.Generator
) -> None:
    content = made(write)
    limits = Limits(attribute_bytes=1 << 17)
    assert of_ours(content, limits) == of_h5py(content)
    todo, found, refused = list(_runs(content)), {}, 0
    for begin, end in todo:
        changed = _flipped(content, begin, end, int(rng.integers(8)))
        wrong = disagreement(changed, limits)
        if wrong == "":
            refused += 1
            if end - begin > 1:  # then one of them, or all
                todo += [(at, at + 1) for at in range(begin, end)]
        elif wrong is not None:
            found[begin, end] = wrong
    assert found == {}
    assert refused > 100


@pytest.mark.parametrize(
    ("write", "name"), [(few, "an object header"), (many_links, "a heap"), (fixed_array, "chunks")]
)
def test_the_message_says_which_structure_it_is(
    write: Callable[[h5py.File], None], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = made(write)
    of_ours(content)
    monkeypatch.setattr(_lookup3, "lookup3", lambda raw, right=_lookup3.lookup3: right(raw) ^ (magic in bytes(raw)))
    magic = {few: b"OHDR", many_links: b"FRHP", fixed_array: b"FADB"}[write]
    with pytest.raises(CorruptFileError, match=f"the checksum of .*{name} is wrong.*download or copy it again"):
        of_ours(content)


def test_a_flipped_weight_is_seen_where_the_header_holds_it(rng: np.random.Generator) -> None:
    """One bit made 4.6e-41 of 1.0 in an array that is kept in its own header."""

    def write(file: h5py.File) -> None:
        layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        layout.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple((4,))
        made = h5py.h5d.create(file.id, b"x", h5py.h5t.IEEE_F32LE, space, dcpl=layout)
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, data)

    data = values(rng, (4,))
    content = bytearray(made(write))
    content[content.find(data.tobytes()) + 3] ^= 0x40
    assert disagreement(bytes(content)) == ""
    with pytest.raises(CorruptFileError, match="'x': the checksum of an object header is wrong"):
        of_ours(bytes(content))


@pytest.mark.parametrize(
    ("text", "expected"),
    [  # of "Four score ..." stated by the author of lookup3; the others computed by h5py's library, see the next test
        (b"", 0xDEADBEEF),
        (b"Four score and seven years ago", 0x17770551),
    ],
)
def test_lookup3_gives_what_its_author_says(text: bytes, expected: int) -> None:
    assert _lookup3.lookup3(text) == expected


@pytest.mark.parametrize("size", range(1, 26))
def test_lookup3_of_every_length_is_that_of_the_library(size: int) -> None:
    """The index of links is made of the hash of their names."""
    name = bytes(97 + index for index in range(size)).decode()

    def write(file: h5py.File) -> None:
        for other in ("", *"1234567"):
            file.create_group(f"other{other}")
        file.create_group(name)

    root = open_hdf5(made(write), "file.h5")
    assert name in root.keys()  # noqa: SIM118, a hash that differs is refused


def test_structures_that_are_summed_again_and_again_run_out_of_steps(rng: np.random.Generator) -> None:
    content = made(many_links)
    with pytest.raises(UnsafeFileError, match="parse far more"):
        of_ours(content, Limits(steps=60))


def test_what_stands_behind_right_checksums_is_not_trusted_either(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who makes a file to do harm makes the checksums right: with none verified it is read or refused all the same."""
    monkeypatch.setattr(
        _lookup3, "check", lambda source, raw, expected, where, what: source.step(where, len(raw) // 12)
    )
    monkeypatch.setattr(_hdf5_heap, "check", _lookup3.check)
    contents, outcomes = [made(write) for write in WRITERS], [0, 0]
    for _ in range(1500):
        changed = bytearray(contents[int(rng.integers(len(contents)))])
        at, width = int(rng.integers(len(changed) - 8)), int(rng.choice([1, 2, 4, 8]))
        numbers = (0, 1, 2, 255, len(changed) - 9, 2**63, 2**64 - 1)
        number = numbers[int(rng.integers(len(numbers)))]
        changed[at : at + width] = number.to_bytes(8, "little")[:width]
        try:
            of_ours(bytes(changed))
        except LoadError:
            outcomes[0] += 1
        else:
            outcomes[1] += 1
    assert min(outcomes) > 100
