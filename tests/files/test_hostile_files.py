"""Damaged and hostile files: one of our errors or a right read, soon, in little memory, and nothing else."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from _made_files import Maker, all_arrays

from kerastorch.errors import CorruptFileError, LoadError, UnsafeFileError
from kerastorch.files import open_archive

SECONDS, MEMORY = 2.0, 300 << 20


def try_read(content: bytes) -> bool:
    """Open the file and read every array; tell whether that went well. Any error but ours fails the test."""
    start, message = time.process_time(), None
    try:
        with open_archive(io.BytesIO(content)) as archive:
            for array in all_arrays(archive):
                assert array.read().shape == array.shape
    except LoadError as error:
        message = str(error)
    assert time.process_time() - start < SECONDS
    assert message is None or (message.isprintable() and len(message) < 1_000)
    return message is None


def packed(make: Maker, rng: np.random.Generator) -> bytes:
    """A legacy file with chunks, filters, a big-endian and a compact array."""
    path, _ = make.legacy("packed.h5")
    with h5py.File(path, "a") as file:
        group = file["model_weights/dense"]
        data = rng.integers(0, 50, (40, 9)).astype("float32")
        group.create_dataset("a", data=data, chunks=(7, 4), compression="gzip", shuffle=True, fletcher32=True)
        group.create_dataset("b", data=data.astype(">f8"))
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_layout(h5py.h5d.COMPACT)
        h5py.h5d.create(group.id, b"c", h5py.h5t.NATIVE_INT32, h5py.h5s.create_simple((3,)), dcpl=plist)
        group.attrs["weight_names"] = ["dense/kernel:0", "a", "b", "c"]
    return path.read_bytes()


def modern(make: Maker, rng: np.random.Generator) -> bytes:
    return make.legacy("modern.h5", libver="latest")[0].read_bytes()


KINDS: dict[str, Callable[[Maker, np.random.Generator], bytes]] = {
    "legacy": lambda make, rng: make.legacy()[0].read_bytes(),
    "tree": lambda make, rng: make.tree()[0].read_bytes(),
    "keras": lambda make, rng: make.keras(),
    "deflated keras": lambda make, rng: make.keras(method=8),
    "packed": packed,
    "modern": modern,
}


@pytest.fixture(params=KINDS)
def content(request: pytest.FixtureRequest, make: Maker, rng: np.random.Generator) -> bytes:
    return KINDS[request.param](make, rng)


def test_the_whole_file_is_read(content: bytes) -> None:
    assert try_read(content)


def test_every_file_that_is_cut_short_is_refused(content: bytes) -> None:
    for size in [*range(0, len(content), 97), len(content) - 1]:
        assert not try_read(content[:size])


def test_flipped_bits(content: bytes, rng: np.random.Generator) -> None:
    refused = 0
    for i in range(300):
        damaged = bytearray(content)
        for at in rng.integers(min(len(content), 4_000) if i % 2 else len(content), size=1 + i % 3):
            damaged[at] ^= 1 << int(rng.integers(8))
        refused += not try_read(bytes(damaged))
    assert refused > 20


def test_numbers_that_lie(content: bytes, rng: np.random.Generator) -> None:
    """Addresses and lengths are aligned to 8 bytes: overwrite them with the numbers that break readers."""
    refused = 0
    for _ in range(300):
        damaged = bytearray(content)
        at = int(rng.integers(len(content) // 8 - 1)) * 8
        numbers = (0, 1, 8, 96, len(content), len(content) - 1, 1 << 31, (1 << 63) - 1, (1 << 64) - 1, at)
        struct.pack_into("<Q", damaged, at, numbers[rng.integers(len(numbers))])
        refused += not try_read(bytes(damaged))
    assert refused > 20


def test_pieces_of_the_file_in_other_places(content: bytes, rng: np.random.Generator) -> None:
    for _ in range(150):
        damaged = bytearray(content)
        size = int(rng.choice([8, 40, 328, 544]))
        source, target = (int(at) * 8 for at in rng.integers((len(content) - size) // 8, size=2))
        damaged[target : target + size] = content[source : source + size]
        try_read(bytes(damaged))


def test_a_flipped_bit_in_a_keras_zip_is_never_a_wrong_number(make: Maker, rng: np.random.Generator) -> None:
    content = make.keras()
    with open_archive(io.BytesIO(content)) as archive:
        expected = [array.read().tobytes() for array in all_arrays(archive)]
        config = archive.config
    for _ in range(400):
        damaged = bytearray(content)
        damaged[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        try:
            with open_archive(io.BytesIO(bytes(damaged))) as archive:
                assert [array.read().tobytes() for array in all_arrays(archive)] == expected
                assert archive.config == config
        except LoadError:
            continue


def bounded(path: Path, error: type[LoadError], message: str) -> None:
    """The file is refused with this message, soon and in little memory."""
    tracemalloc.start()
    start = time.process_time()
    try:
        with pytest.raises(error, match=message) as caught:
            _ = [array.read() for array in all_arrays(open_archive(path))]
        assert type(caught.value) is error
        assert time.process_time() - start < 3 * SECONDS  # tracing the memory takes time of its own
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()


def replace(path: Path, old: bytes, new: bytes, count: int = 1) -> None:
    content = path.read_bytes()
    assert content.count(old) == count
    path.write_bytes(content.replace(old, new))


def test_huge_shapes(tmp_path: Path) -> None:
    path = tmp_path / "w.weights.h5"
    for shape, error, message in (
        ((1 << 31, 1 << 31), UnsafeFileError, "larger than any memory"),
        ((1 << 24, 1 << 20), CorruptFileError, "needs 70,368,744,177,664 bytes, 24 are stored"),
        ((0, 1 << 60), UnsafeFileError, "larger than any memory"),
    ):
        with h5py.File(path, "w") as file:
            file["layers/x/vars/0"] = np.zeros((2, 3), np.float32)
        replace(path, struct.pack("<4Q", 2, 3, 2, 3), struct.pack("<4Q", *shape, *shape))
        bounded(path, error, message)


def test_chunks_that_unpack_to_far_more(tmp_path: Path) -> None:
    path = tmp_path / "w.weights.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "layers/x/vars/0", data=np.zeros((6_000, 6_000), np.float32), chunks=(1_000, 1_000), compression="gzip"
        )
    bounded(path, UnsafeFileError, "stored bytes are said to unpack to 144000000")
    with h5py.File(path, "w") as file:
        file.create_dataset("layers/x/vars/0", data=np.zeros(4), chunks=(4,), maxshape=(None,), compression="gzip")
    replace(path, struct.pack("<3I", 4, 8, 0)[:8], struct.pack("<2I", 1 << 30, 8))
    bounded(path, UnsafeFileError, "one of its chunks has 8,589,934,592 bytes")


def test_strings_that_share_their_bytes(tmp_path: Path) -> None:
    """Many names, all the same bytes of the heap: they would be far more than the file holds."""
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = ["x" * 60_000] + ["y"] * 3_500
    content = bytearray(path.read_bytes())
    heap = content.find(b"x" * 60_000) - 16
    collection = content.rfind(b"GCOL", 0, heap)
    at = content.find(struct.pack("<IQI", 60_000, collection, 1))
    first = bytes(content[at : at + 16])
    for i in range(3_501):
        content[at + 16 * i : at + 16 * i + 16] = first
    path.write_bytes(content)
    bounded(path, UnsafeFileError, r"larger than the file, the limit is 4\..*kt\.Limits\(decoded_ratio=")


def test_one_huge_string(tmp_path: Path) -> None:
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = ["x" * 70_000]
    bounded(path, UnsafeFileError, "a string has 70,000 bytes, the limit is 65,536")
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = " " * (33 << 20)
    bounded(path, UnsafeFileError, "the limit is 33,554,432")


def test_deep_json(make: Maker) -> None:
    path, _ = make.legacy(config={"a": 1})
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = '{"a":' * 100_000
    bounded(path, UnsafeFileError, "nested more than 200 deep")


def test_links_that_run_in_circles(make: Maker) -> None:
    path, _ = make.legacy()
    with h5py.File(path, "a") as file:
        file["model_weights/lstm/lstm/loop"] = file["model_weights"]
        file["optimizer_weights/loop"] = file["/"]
    with open_archive(path) as archive:  # nothing of Keras is looked up through the circle
        assert len(list(all_arrays(archive))) == 3
    with h5py.File(path, "a") as file:
        file["model_weights"].attrs["layer_names"] = ["lstm", "lstm/lstm/loop/lstm"]
    bounded(path, UnsafeFileError, "the same array")


def test_many_and_deep_groups(tmp_path: Path) -> None:
    path = tmp_path / "w.weights.h5"
    with h5py.File(path, "w") as file:
        for i in range(8_000):
            file.create_group(f"layers/{i}")
    start = time.process_time()
    open_archive(path).close()
    assert time.process_time() - start < SECONDS
    with h5py.File(path, "w") as file:
        group = file.create_group("layers")
        for _ in range(1_000):
            group = group.create_group("x")
    bounded(path, UnsafeFileError, "too deep")
    with h5py.File(path, "w") as file:
        file.create_group("layers")
        group = file.create_group("optimizer")
        for _ in range(1_000):
            group = group.create_group("x")
    bounded(path, UnsafeFileError, "too deep")


def test_headers_that_continue_in_circles(tmp_path: Path) -> None:
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        for i in range(4):
            file.attrs[f"a{i}"] = "x" * i  # more than fits into the first block
        file.attrs["layer_names"] = ["x"]
    content = path.read_bytes()
    header = struct.unpack_from("<Q", content, 64)[0]
    at = content.find(struct.pack("<HH", 16, 16), header)  # the message that points to the next block
    assert at > 0
    size = struct.unpack_from("<I", content, header + 8)[0]
    path.write_bytes(content[: at + 8] + struct.pack("<QQ", header + 16, size) + content[at + 24 :])
    bounded(path, CorruptFileError, "continues in a circle")


def test_soft_links_to_layers(make: Maker) -> None:
    for where in ("/", "model_weights", "model_weights/lstm"):
        path, _ = make.legacy()
        with h5py.File(path, "a") as file:
            file[where]["extra"] = h5py.ExternalLink("/etc/passwd", "/")
        bounded(path, UnsafeFileError, "'extra' is a (soft )?link")
