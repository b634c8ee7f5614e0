"""SavedModels and checkpoints against the same models in the formats of Keras."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from _close import assert_close
from _goldens import read_npz
from make_goldens_tensorflow import NAMES, OPTIMIZERS

import kerastorch as kt
from kerastorch.errors import CorruptFileError, LoadError, MissingFileError, UnsafeFileError, UnsupportedFileError
from kerastorch.files import Archive, Limits, open_archive
from kerastorch.files.tensorflow import _crc32c

TRAINED = tuple(f"trained_{optimizer}" for optimizer in OPTIMIZERS)


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "recurrent", tmp_path / "copied"))


def arrays_of(model: kt.Model) -> list[np.ndarray]:
    return [variable.numpy() for variable in model.weights]


def same(first: list[np.ndarray], second: list[np.ndarray]) -> None:
    assert len(first) == len(second)
    for mine, theirs in zip(first, second, strict=True):
        assert mine.dtype == theirs.dtype
        assert np.array_equal(mine, theirs)


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_model_is_the_model_of_its_keras_file(made: Path, name: str) -> None:
    model, same_model = kt.load_model(made / name), kt.load_model(made / f"{name}.keras")
    assert model.get_config() == same_model.get_config()
    same(arrays_of(model), arrays_of(same_model))
    golden = read_npz(made / f"{name}.npz")
    inputs = [golden[key] for key in sorted(golden) if key.startswith("x")]
    outputs = model.predict(inputs if len(inputs) > 1 else inputs[0], batch_size=len(inputs[0]), verbose=0)
    for at, output in enumerate(outputs if isinstance(outputs, list) else [outputs]):
        assert_close(output, golden[f"y{at}"])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ending", [".ckpt", ".ckpt.index", ".ckpt.data-00000-of-00001"])
def test_a_checkpoint_has_the_weights(made: Path, name: str, ending: str) -> None:
    wanted = kt.load_model(made / f"{name}.keras")
    model = kt.model_from_json(wanted.to_json())
    report = model.load_weights(made / f"{name}{ending}")
    same(arrays_of(model), arrays_of(wanted))
    assert report is None or not report.differences


@pytest.mark.parametrize("name", TRAINED)
def test_frozen_layers_and_the_optimizer_stand_as_in_an_h5_file(made: Path, name: str) -> None:
    model, same_model = kt.load_model(made / name), kt.load_model(made / f"{name}.h5")
    same(arrays_of(model), arrays_of(same_model))
    assert [weight.requires_grad for weight in model.parameters()] == [
        weight.requires_grad for weight in same_model.parameters()
    ]
    with open_archive(made / name) as archive, open_archive(made / f"{name}.h5") as same_archive:
        assert archive.optimizer is not None
        assert same_archive.optimizer is not None
        assert [key for key, _ in archive.optimizer.arrays] == [key for key, _ in same_archive.optimizer.arrays]
        same(*([array.read() for _, array in state.arrays] for state in (archive.optimizer, same_archive.optimizer)))
        assert archive.training_config is not None
        assert same_archive.training_config is not None
        for key in ("loss", "optimizer_config"):
            assert archive.training_config[key] == same_archive.training_config[key]
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 6, 3)).astype("f4"), rng.normal(size=(8, 1)).astype("f4")
    for one in (model, same_model):
        one.fit(x, y, epochs=2, batch_size=4, shuffle=False, verbose=0)
    same(arrays_of(model), arrays_of(same_model))


def test_the_newest_checkpoint_of_a_folder_is_read(made: Path, tmp_path: Path) -> None:
    for path in made.glob("recurrent.ckpt.*"):
        shutil.copy(path, tmp_path)
    (tmp_path / "checkpoint").write_text(
        'model_checkpoint_path: "/somewhere/else/recurrent.ckpt"\nall_model_checkpoint_paths: "older.ckpt"\n'
    )
    for path in (tmp_path, tmp_path / "checkpoint"):
        with open_archive(path) as archive:
            assert archive.format == "TensorFlow checkpoint"
            assert archive.weights is not None
    (tmp_path / "checkpoint").write_text("nothing")
    with pytest.raises(CorruptFileError, match=r"names no checkpoint. Pass the prefix of one"):
        open_archive(tmp_path)


def test_a_file_is_what_it_holds_not_what_it_is_called(made: Path, tmp_path: Path) -> None:
    """Neither its name nor what stands beside it, or in it, makes a SavedModel or a checkpoint of a file of Keras."""
    wanted = arrays_of(kt.load_model(made / "nested.keras"))
    shutil.copytree(made / "recurrent", tmp_path, dirs_exist_ok=True)
    for name in ("checkpoint", "model.index", "m.data-00000-of-00001", "m"):
        shutil.copy(made / "nested.h5", tmp_path / name)
        same(arrays_of(kt.load_model(tmp_path / name)), wanted)
    shutil.copy(made / "nested.keras", tmp_path / "with.keras")
    with zipfile.ZipFile(tmp_path / "with.keras", "a") as archive:
        for path in (made / "recurrent").rglob("*"):
            archive.write(path, path.relative_to(made / "recurrent").as_posix())
    same(arrays_of(kt.load_model(tmp_path / "with.keras")), wanted)


def zipped(folder: Path, to: Path, before: str) -> Path:
    with zipfile.ZipFile(to, "w") as archive:
        for path in folder.rglob("*"):
            archive.write(path, before + path.relative_to(folder).as_posix())
    return to


def tarred(folder: Path, to: Path, before: str) -> Path:
    with tarfile.open(to, "w:gz" if to.suffix == ".gz" else "w") as archive:
        archive.add(folder, arcname=before or ".")
    return to


@pytest.mark.parametrize("before", ["", "some/model/"])
@pytest.mark.parametrize(("pack", "name"), [(zipped, "m.zip"), (tarred, "m.tar"), (tarred, "m.tar.gz")])
def test_packed_models_are_read_in_memory(
    made: Path, tmp_path: Path, pack: Callable[[Path, Path, str], Path], name: str, before: str
) -> None:
    packed = pack(made / "nested", tmp_path / name, before)
    wanted = arrays_of(kt.load_model(made / "nested"))
    same(arrays_of(kt.load_model(packed)), wanted)
    same(arrays_of(kt.load_model(io.BytesIO(packed.read_bytes()))), wanted)
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]
    for size in (100, packed.stat().st_size // 2):
        with pytest.raises(LoadError):
            open_archive(io.BytesIO(packed.read_bytes()[:size]))


def test_two_models_in_one_archive_are_refused(made: Path, tmp_path: Path) -> None:
    packed = tmp_path / "two.zip"
    zipped(made / "nested", packed, "a/")
    with zipfile.ZipFile(packed, "a") as archive:
        archive.write(made / "nested" / "saved_model.pb", "b/saved_model.pb")
    with pytest.raises(UnsupportedFileError, match=r"2 SavedModels in it.*Unpack it and pass the folder of one"):
        open_archive(packed)


def test_a_tar_that_unpacks_to_too_much_is_refused(made: Path, tmp_path: Path) -> None:
    packed = tmp_path / "m.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        member = tarfile.TarInfo("saved_model.pb")
        member.size = 40 << 20
        archive.addfile(member, io.BytesIO(bytes(member.size)))
    with pytest.raises(UnsafeFileError, match="allocation_bytes"):
        open_archive(packed, Limits(allocation_bytes=1 << 20))


def _member(name: str, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, "/etc/passwd"
    return made


@pytest.mark.parametrize("ending", ["tar", "tar.gz"])
@pytest.mark.parametrize(
    ("member", "says"),
    [
        (_member("../x"), r"a member is called '\.\./x'"),
        (_member("/etc/x"), "a member is called '/etc/x'"),
        (_member("m/C:\\x"), "a member is called 'm/C:"),
        (_member("m/x", tarfile.SYMTYPE), "the member 'm/x' is a link or a device"),
        (_member("m/variables/variables.index", tarfile.LNKTYPE), "is a link or a device"),
        (_member("m/x", tarfile.FIFOTYPE), "is a link or a device"),
        (_member("m/x", tarfile.CHRTYPE), "is a link or a device"),
        (_member("m/saved_model.pb"), "two members are called 'm/saved_model.pb'"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_tar_is_held_to_what_a_zip_is(
    made: Path, tmp_path: Path, member: tarfile.TarInfo, says: str, ending: str
) -> None:
    """They were passed over, and a scan said that it loads; who unpacks it gets something else."""
    packed = tarred(made / "nested", tmp_path / "m.tar", "m")
    with tarfile.open(packed, "a") as archive:
        archive.addfile(member, io.BytesIO())
    if ending == "tar.gz":
        packed = tmp_path / "m.tar.gz"
        packed.write_bytes(gzip.compress((tmp_path / "m.tar").read_bytes()))
    with pytest.raises(UnsafeFileError, match=rf"the tar is refused: .*{says}"):
        open_archive(packed)
    assert kt.scan(packed).status == 3


def test_a_bound_on_a_tar_is_no_damage(made: Path, tmp_path: Path) -> None:
    packed = tarred(made / "nested", tmp_path / "m.tar", "m")
    with pytest.raises(UnsafeFileError, match=r"it has more members, the limit is 2\. .*kt\.Limits\(zip_members="):
        open_archive(packed, Limits(zip_members=2))


def test_any_of_its_files_leads_to_the_folder(made: Path) -> None:
    for name in ("saved_model.pb", "keras_metadata.pb"):
        with open_archive(made / "nested" / name) as archive:
            assert archive.format == "SavedModel"
            assert archive.config is not None


def test_another_process_reads_it(made: Path) -> None:
    same(arrays_of(kt.load_model(made / "nested", isolate=True)), arrays_of(kt.load_model(made / "nested")))


def test_a_scan_looks_into_it(made: Path) -> None:
    report = kt.scan(made / "nested", made / "nested.ckpt")
    assert [(file.format, file.status) for file in report.files] == [("SavedModel", 0), ("TensorFlow checkpoint", 0)]


def test_older_files_have_their_configs_with_the_objects(made: Path, copied: Path) -> None:
    """TensorFlow before 2.5 wrote no keras_metadata.pb; what stands in it stood in the nodes of saved_model.pb."""
    (copied / "saved_model.pb").write_bytes(with_metadata(copied))
    (copied / "keras_metadata.pb").unlink()
    model, wanted = kt.load_model(copied), kt.load_model(made / "recurrent")
    assert model.get_config() == wanted.get_config()
    same(arrays_of(model), arrays_of(wanted))


def test_without_a_config_it_is_weights_alone(made: Path, copied: Path) -> None:
    (copied / "keras_metadata.pb").unlink()
    with pytest.raises(
        UnsupportedFileError, match=r"\(SavedModel: functions of TensorFlow.*Its arrays: .*load_weights"
    ):
        kt.load_model(copied)
    wanted = kt.load_model(made / "recurrent")
    model = kt.model_from_json(wanted.to_json())
    model.load_weights(copied)
    same(arrays_of(model), arrays_of(wanted))


def varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def wrapped(number: int, content: bytes | memoryview) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + bytes(content)


def with_metadata(folder: Path) -> bytes:
    """A saved_model.pb with the objects of a graph alone, and in them what keras_metadata.pb says of each."""
    from kerastorch.files._source import Source
    from kerastorch.files.tensorflow._wire import Wire

    def parts(wire: Wire, wanted: int) -> list[Wire]:
        return [wire.inner(value) for number, value in wire if number == wanted]

    def read(name: str) -> Wire:
        return Wire(memoryview((folder / name).read_bytes()), Source(b"", "test", Limits()), "test")

    said: dict[int, bytes] = {}
    for node in parts(read("keras_metadata.pb"), 1):
        stated = node.last()
        said[node.whole(stated.get(2, 0))] = wrapped(1, node.bytes(stated[4])) + wrapped(3, node.bytes(stated[5]))
    nodes = b""
    for at, node in enumerate(parts(parts(parts(read("saved_model.pb"), 2)[0], 7)[0], 1)):
        kept = b"".join(wrapped(number, node.bytes(value)) for number, value in node if number == 1)
        nodes += wrapped(1, kept + (wrapped(4, said[at]) if at in said else b""))
    return varint(1 << 3) + varint(1) + wrapped(2, wrapped(7, nodes))


def test_every_array_has_its_checksum(made: Path, copied: Path) -> None:
    """Each byte of the arrays and of the index, flipped: an error, or the same values."""
    wanted = arrays_of(kt.load_model(made / "recurrent"))
    seen = 0
    for name in ("variables.data-00000-of-00001", "variables.index"):
        path = copied / "variables" / name
        whole = path.read_bytes()
        for at in range(0, len(whole), max(1, len(whole) // 150)):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
            try:
                with open_archive(copied) as archive:
                    found = values(archive)
            except LoadError:
                seen += 1
                continue
            same(found, values_of(made / "recurrent"))
        path.write_bytes(whole)
    assert seen > 200
    same(arrays_of(kt.load_model(copied)), wanted)


def values(archive: Archive) -> list[np.ndarray]:
    assert archive.weights is not None
    return [array.read() for array in archive.weights.arrays]


def values_of(path: Path) -> list[np.ndarray]:
    with open_archive(path) as archive:
        return values(archive)


@pytest.mark.parametrize("name", ["saved_model.pb", "keras_metadata.pb", "variables/variables.index"])
def test_what_is_cut_short_is_an_error(copied: Path, name: str) -> None:
    path = copied / name
    whole = path.read_bytes()
    for size in range(1, len(whole), max(1, len(whole) // 40)):
        path.write_bytes(whole[:size])
        try:
            kt.load_model(copied)
        except LoadError:
            continue
        assert name == "saved_model.pb"  # which is not looked at where the configs stand by themselves


def test_a_missing_file_is_named(copied: Path) -> None:
    (copied / "variables" / "variables.data-00000-of-00001").unlink()
    with pytest.raises(MissingFileError, match=r"variables.data-00000-of-00001.*copy all of the folder"):
        kt.load_model(copied)


def test_a_link_out_of_the_folder_is_refused(copied: Path, tmp_path: Path) -> None:
    path = copied / "variables" / "variables.index"
    shutil.move(path, tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", path)
    with pytest.raises(UnsafeFileError, match="a link out of the folder of the model"):
        open_archive(copied)


def test_links_of_a_hugging_face_cache_are_followed(made: Path, tmp_path: Path) -> None:
    snapshot, blobs = tmp_path / "models--a--b" / "snapshots" / "abc", tmp_path / "models--a--b" / "blobs"
    blobs.mkdir(parents=True)
    for at, path in enumerate(item for item in (made / "nested").rglob("*") if item.is_file()):
        shutil.copy(path, blobs / str(at))
        link = snapshot / path.relative_to(made / "nested")
        link.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(os.path.relpath(blobs / str(at), link.parent), link)
    same(values_of(snapshot), values_of(made / "nested"))


def test_no_digest_says_what_several_files_hold(made: Path) -> None:
    with pytest.raises(UnsupportedFileError, match="several files, of which no one digest"):
        open_archive(made / "nested", expected_sha256="0" * 64)


def test_bounds_hold(made: Path) -> None:
    for limits in (Limits(objects=5), Limits(bytes=2000), Limits(steps=50), Limits(parameters=10)):
        with pytest.raises(UnsafeFileError):
            open_archive(made / "nested", limits)


def test_an_archive_that_is_closed_reads_nothing(made: Path) -> None:
    archive = open_archive(made / "nested")
    archive.close()
    assert archive.weights is not None
    with pytest.raises(LoadError, match="the archive is closed"):
        archive.weights.arrays[0].read()


def test_neither_torch_nor_tensorflow_is_needed(made: Path) -> None:
    script = (
        "import sys; from kerastorch.files import open_archive; archive = open_archive(sys.argv[1]); "
        "print(len(archive.weights.arrays), {'torch', 'tensorflow', 'h5py'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(made / "nested")], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(len(values_of(made / "nested"))), "set()"]


def bytewise(data: bytes) -> int:
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ (0x82F63B78 if state & 1 else 0)
    return state ^ 0xFFFFFFFF


def test_the_checksum_is_castagnolis() -> None:
    assert _crc32c.crc32c(b"123456789") == 0xE3069283  # RFC 3720's polynomial, the customary check value
    assert _crc32c.crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4
    assert _crc32c.crc32c(b"\xff" * 32) == 0x62A8AB43
    rng = np.random.default_rng(1)
    least = _crc32c._LEAST
    for size in (0, 1, 4095, least - 1, least, least + 1, 3 * least + 17):
        data = rng.integers(0, 256, size, dtype=np.uint8).tobytes()
        assert _crc32c.crc32c(data) == bytewise(data)
        assert _crc32c.crc32c(data[:5], data[5:]) == bytewise(data)
