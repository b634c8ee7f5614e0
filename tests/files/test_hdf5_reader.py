"""The HDF5 reader against h5py: what Keras and h5py write is read, everything else is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from _made_files import values

from kerastorch.errors import CorruptFileError, LoadError, UnsafeFileError, UnsupportedFileError
from kerastorch.files import Limits
from kerastorch.files._hdf5 import Dataset, Group, open_hdf5

DTYPES = [f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)] + ["float16", "float32", "float64"]


def root_of(path: Path, limits: Limits | None = None) -> Group:
    return open_hdf5(path.read_bytes(), path.name, limits)


def dataset_of(path: Path, name: str = "x") -> Dataset:
    found = root_of(path).get(name)
    assert isinstance(found, Dataset)
    return found


def write(path: Path, **options: Any) -> h5py.File:
    return h5py.File(path / "file.h5", "w", **options)


def test_all_dtypes_both_orders_and_versions(tmp_path: Path, rng: np.random.Generator) -> None:
    for libver in ("earliest", "latest", "v108", "v110"):
        arrays = {}
        with write(tmp_path, libver=libver) as file:
            for i, dtype in enumerate(DTYPES):
                for order in "<>":
                    name = f"g{i % 3}/{dtype}{'le' if order == '<' else 'be'}"
                    arrays[name] = values(rng, (3, 4)[: 1 + i % 2], dtype)
                    file.create_dataset(name, data=arrays[name].astype(np.dtype(dtype).newbyteorder(order)))
        root = root_of(tmp_path / "file.h5")
        for name, expected in arrays.items():
            found = root.get(name)
            assert isinstance(found, Dataset)
            assert (found.dtype, found.shape) == (expected.dtype.name, expected.shape)
            ours = found.read()
            assert ours.dtype == expected.dtype
            assert ours.tobytes() == expected.tobytes()


def test_contiguous_arrays_are_read_only_views(tmp_path: Path, rng: np.random.Generator) -> None:
    with write(tmp_path) as file:
        file["x"] = values(rng, (7, 3))
    content = bytearray((tmp_path / "file.h5").read_bytes())
    found = open_hdf5(memoryview(content).toreadonly(), "file.h5").get("x")
    assert isinstance(found, Dataset)
    array = found.read()
    assert not array.flags.writeable
    at = content.find(array.tobytes())
    content[at : at + 4] = np.float32(-17).tobytes()
    assert array[0, 0] == -17


def test_scalar_empty_and_compact(tmp_path: Path, rng: np.random.Generator) -> None:
    with write(tmp_path) as file:
        file["scalar"] = np.float64(3.25)
        file["empty"] = np.zeros((0, 5), "int16")
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_layout(h5py.h5d.COMPACT)
        data = values(rng, (2, 3), "int32")
        space = h5py.h5s.create_simple(data.shape)
        h5py.h5d.create(file.id, b"compact", h5py.h5t.NATIVE_INT32, space, dcpl=plist).write(
            h5py.h5s.ALL, h5py.h5s.ALL, data
        )
    path = tmp_path / "file.h5"
    assert dataset_of(path, "scalar").read() == np.float64(3.25)
    assert dataset_of(path, "scalar").shape == ()
    empty = dataset_of(path, "empty").read()
    assert (empty.shape, empty.dtype) == ((0, 5), np.int16)
    np.testing.assert_array_equal(dataset_of(path, "compact").read(), data)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "gzip"},
        {"compression": "gzip", "shuffle": True},
        {"shuffle": True, "fletcher32": True},
        {"fletcher32": True},
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "int16", "uint8"])
def test_chunks(tmp_path: Path, rng: np.random.Generator, options: dict[str, Any], dtype: str) -> None:
    many = rng.integers(0, 200, (301, 17)).astype(dtype)
    arrays = {"a": values(rng, (13, 7), dtype), "zero": np.zeros((5, 5), dtype), "many": many}
    with write(tmp_path) as file:
        for name, data in arrays.items():
            file.create_dataset(name, data=data, chunks=(4, 3), **options)
    for name, data in arrays.items():
        np.testing.assert_array_equal(dataset_of(tmp_path / "file.h5", name).read(), data)


def test_damaged_chunk_is_noticed(tmp_path: Path, rng: np.random.Generator) -> None:
    data = values(rng, (64,))
    with write(tmp_path) as file:
        file.create_dataset("x", data=data, chunks=(64,), fletcher32=True)
    path = tmp_path / "file.h5"
    content = bytearray(path.read_bytes())
    content[content.find(data.tobytes()) + 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match="checksum of a chunk"):
        dataset_of(path).read()


def test_groups_of_every_size(tmp_path: Path) -> None:
    """One leaf, many leaves, and a B-tree of several levels."""
    for count in (0, 1, 8, 9, 300, 5_000):
        with write(tmp_path) as file:
            for i in range(count):
                file.create_group(f"group_{i}")
        with h5py.File(tmp_path / "file.h5") as file:
            expected = tuple(file)
        assert root_of(tmp_path / "file.h5").keys() == expected
        assert len(expected) == count


def test_lookup(tmp_path: Path) -> None:
    with write(tmp_path) as file:
        file["a/b/c"] = np.float32(1)
        file["gr\u00fc\u00dfe/\u6c34"] = np.float32(2)
    root = root_of(tmp_path / "file.h5")
    assert root.get("a/b/d") is root.get("a/b/c/d") is root.get("x") is None
    assert isinstance(root.get("a/b"), Group)
    assert isinstance(root.get("gr\u00fc\u00dfe/\u6c34"), Dataset)
    for bad in ("", "/a", "a//b", "a/./b", "a/../a", "a/"):
        with pytest.raises(UnsafeFileError, match="not a plain name"):
            root.get(bad)
    with pytest.raises(UnsafeFileError, match=r"it stands too deep, the limit is 64\. No Keras"):
        root.get("/".join("a" * 65))


def test_attributes(tmp_path: Path) -> None:
    texts = ["lstm_1/kernel:0", "", "gr\u00fc\u00dfe"]
    for libver in ("earliest", "latest"):
        with write(tmp_path, libver=libver) as file:
            file.attrs["vlen"] = "gr\u00fc\u00dfe"
            file.attrs["vlen_bytes"] = b"2.4.0"
            file.attrs["fixed"] = np.bytes_("tensorflow")
            file.attrs["vlen_list"] = texts
            file.attrs["fixed_list"] = np.array([text.encode() for text in texts])
            file.attrs["empty"] = []
            file.attrs["integer"] = np.int64(-7)
            file.attrs["float"] = np.float32(0.5)
            file.attrs.create("matrix", np.arange(6, dtype=">i2").reshape(2, 3))
        attrs = root_of(tmp_path / "file.h5").attrs
        assert len(attrs) == 9
        assert attrs["vlen"] == "gr\u00fc\u00dfe"
        assert attrs["vlen_bytes"] == "2.4.0"
        assert attrs["fixed"] == "tensorflow"
        assert attrs["vlen_list"] == attrs["fixed_list"] == texts
        assert isinstance(attrs["empty"], np.ndarray)
        assert attrs["empty"].shape == (0,)
        assert attrs["integer"] == -7
        assert attrs["float"] == 0.5
        np.testing.assert_array_equal(attrs["matrix"], np.arange(6).reshape(2, 3))
        with pytest.raises(KeyError):
            _ = attrs["other"]


def test_few_attributes_in_the_newer_format(tmp_path: Path) -> None:
    with write(tmp_path, libver="latest") as file:
        file.create_group("layers").attrs["names"] = ["a", "b"]
    group = root_of(tmp_path / "file.h5").get("layers")
    assert isinstance(group, Group)
    assert group.attrs["names"] == ["a", "b"]


def test_attribute_types_that_are_refused(tmp_path: Path) -> None:
    with write(tmp_path) as file:
        file.attrs["bool"] = True
        file.attrs["null"] = h5py.Empty("f4")
        file.attrs["bad"] = np.bytes_(b"\xff\xfe")
        file.attrs["complex"] = 1j
    attrs = root_of(tmp_path / "file.h5").attrs
    for name, error in (("bool", "enum"), ("null", "nothing"), ("complex", "compound")):
        with pytest.raises(UnsupportedFileError, match=f"'@{name}'.*holds {error}"):
            _ = attrs[name]
    with pytest.raises(CorruptFileError, match="not UTF-8"):
        _ = attrs["bad"]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (np.array([b"a", b"b"]), "strings"),
        (np.array([True]), "enum"),
        (np.array([1j]), "compound"),
        (np.zeros(2, [("a", "f4")]), "compound"),
        (np.zeros(2, "V3"), "opaque3"),
        (np.zeros(3, "f4").view("V4"), "opaque4"),
        (h5py.Empty("f4"), "nothing"),
    ],
)
def test_weights_of_other_types_are_refused(tmp_path: Path, data: Any, what: str) -> None:
    with write(tmp_path) as file:
        file["x"] = data
    with pytest.raises(UnsupportedFileError, match=f"object 'x': it holds {what}, expected an array of numbers"):
        dataset_of(tmp_path / "file.h5").read()


def test_more_types_that_are_refused(tmp_path: Path) -> None:
    with write(tmp_path) as file:
        file.create_dataset("vlen", (2,), h5py.string_dtype())
        file.create_dataset("ragged", (2,), h5py.vlen_dtype(np.int32))
        file["ref"] = np.array([file.ref], dtype=h5py.ref_dtype)
        file.create_dataset("ldouble", data=np.zeros(2, np.longdouble))
        file["type"] = np.dtype("f4")
    root = root_of(tmp_path / "file.h5")
    for name in ("vlen", "ragged", "ref", "ldouble"):
        found = root.get(name)
        assert isinstance(found, Dataset)
        with pytest.raises(UnsupportedFileError, match="expected an array of numbers"):
            _ = found.shape
    with pytest.raises(UnsupportedFileError, match="stored datatype"):
        root.get("type")


def test_links_out_of_the_tree_are_refused(tmp_path: Path) -> None:
    for libver in ("earliest", "latest"):
        for link in (h5py.SoftLink("/a"), h5py.ExternalLink("/etc/passwd", "/")):
            with write(tmp_path, libver=libver) as file:
                file["a"] = np.float32(1)
                file["b"] = link
            with pytest.raises(UnsafeFileError, match=r"'b' is a (soft )?link"):
                root_of(tmp_path / "file.h5").keys()


def test_data_in_other_files_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"12345678")
    with write(tmp_path) as file:
        file.create_dataset("x", (2,), "f4", external=[(str(secret), 0, 8)])
    with pytest.raises(UnsafeFileError, match="in another file"):
        dataset_of(tmp_path / "file.h5").read()
    layout = h5py.VirtualLayout((2,), "f4")
    layout[:] = h5py.VirtualSource(str(secret), "x", (2,))
    with write(tmp_path, libver="latest") as file:
        file.create_virtual_dataset("x", layout)
    with pytest.raises(LoadError, match="virtual"):
        dataset_of(tmp_path / "file.h5").read()


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("when", ["alloc", "never", "ifset"])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "u1"])
def test_what_was_never_written_is_what_h5py_reads(tmp_path: Path, libver: str, when: str, dtype: str) -> None:
    path = tmp_path / "file.h5"
    with write(tmp_path, libver=libver) as file:
        for value in (None, 7):
            options: dict[str, Any] = {"dtype": dtype, "fillvalue": value, "fill_time": when}
            file.create_dataset(f"chunks{value}", (100,), chunks=(10,), **options)
            file.create_dataset(f"plain{value}", (3, 5), **options)
            file.create_dataset(f"packed{value}", (9, 9), chunks=(2, 4), compression="gzip", **options)[1:4, 2:] = 3
            grown = file.create_dataset(f"grown{value}", (20,), chunks=(10,), maxshape=(None,), **options)
            grown[...] = np.arange(20)
            grown.resize((35,))
            both = file.create_dataset(f"both{value}", (4, 6), chunks=(2, 3), maxshape=(None, None), **options)
            both[0, 0] = 1
    with h5py.File(path) as file:
        for name, dataset in file.items():
            found = dataset_of(path, name)
            np.testing.assert_array_equal(found.read(), dataset[...], name)
            assert found.unwritten > 0, name
            if found.in_one_piece:
                np.testing.assert_array_equal(found.read_rows(1, 3), dataset[1:3], name)


def test_what_was_never_written_costs_no_memory_that_nobody_allows(tmp_path: Path) -> None:
    with write(tmp_path) as file:
        for name, options in (("chunks", {"chunks": (1 << 10,)}), ("plain", {})):
            file.create_dataset(name, (1 << 18,), "f4", **options)
    limits = Limits(allocation_bytes=1 << 20, allocation_ratio=1)
    root = root_of(tmp_path / "file.h5", limits)
    for again in range(2):  # a second time it costs no more
        found = root.get("chunks")
        assert isinstance(found, Dataset)
        assert not found.read().any(), again
    with pytest.raises(UnsafeFileError) as caught:
        root.get("plain").read()  # type: ignore[union-attr]
    assert str(caught.value) == (
        "file.h5: object 'plain': with the 1,048,576 bytes of it that were never written, the file needs too much "
        "memory, the limit is 1,048,576. If it is meant to be that large, pass limits=kt.Limits(allocation_bytes=...)."
    )


def test_messages_name_file_object_and_remedy(tmp_path: Path) -> None:
    with write(tmp_path) as file:
        file["layers/\x1b[31m/x"] = np.array([b"text"])
    found = root_of(tmp_path / "file.h5").get("layers/\x1b[31m/x")
    assert isinstance(found, Dataset)
    with pytest.raises(UnsupportedFileError) as caught:
        found.read()
    assert str(caught.value) == (
        "file.h5: object 'layers/\\x1b[31m/x': it holds strings, expected an array of numbers. "
        "Save the model again with Keras, which does not use this."
    )


def test_limits_hold(tmp_path: Path) -> None:
    with write(tmp_path) as file:
        for i in range(50):
            file.create_group(f"g{i}")
        file.attrs["long"] = "x" * 2_000
        file.attrs["y" * 200] = 1
    root = root_of(tmp_path / "file.h5", Limits(objects=20, attribute_bytes=1_000))
    with pytest.raises(UnsafeFileError, match="more than 20 objects"):
        _ = [root.get(name) for name in root]
    with pytest.raises(UnsafeFileError, match="2,000 bytes, the limit is 1,000"):
        _ = root.attrs["long"]
    with pytest.raises(UnsafeFileError, match=r"parse far more.*the limit is 10\. .*kt\.Limits\(steps="):
        root_of(tmp_path / "file.h5", Limits(steps=10)).keys()
    with pytest.raises(UnsafeFileError, match="201 bytes, the limit is 100"):
        _ = root_of(tmp_path / "file.h5", Limits(name_length=100)).attrs
