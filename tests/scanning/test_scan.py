"""`kt.scan`: what it says of every kind of file, and that the loader says the same."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from _cases import CASES, Case
from _hostile import MARK, dense, members
from _needs import SHARED_FILES, needs
from make_goldens_tensorflow import unpack

import kerastorch as kt
from kerastorch import registered
from kerastorch.errors import ArgumentError, LoadError, MissingFileError, UnsafeFileError, UnsupportedFileError
from kerastorch.files import LegacyWeights, TreeWeights, open_archive

SHARED = Path(__file__).parents[2].parent / "shared"
GOLDENS = Path(__file__).parents[1] / "goldens"


def decided(path: Path) -> int:
    """The status by the loader alone: 0 it loads, 1 it asks for code, 3 it says unsafe, 4 it refuses."""
    try:
        _load(path)
    except UnsafeFileError:
        return 3
    except UnsupportedFileError as error:
        return {"own code": 1, "runs code": 3}.get(error.reason, 4)
    except (LoadError, ArgumentError):
        return 4
    return 0


def _load(path: Path) -> None:
    head = path.read_bytes()[:4000].lstrip()
    if head[:1] == b"{" and b"weight_map" not in head and b"modelTopology" not in head:
        kt.model_from_json(path.read_text("utf-8"))
        return
    with open_archive(path) as archive:
        weights = archive.weights
        if archive.config is None:
            if isinstance(weights, LegacyWeights):
                held = [array for layer in weights.layers for _, array in layer.weights]
            else:
                assert isinstance(weights, TreeWeights)
                held = [array for found in weights.objects.values() for array in found.arrays]
            for array in held:
                array.read()
            return
    kt.load_model(path)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_what_is_said_of_a_file(case: Case, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / case.name
    path.write_bytes(case.make(path))
    report = kt.scan(path)
    (found,) = report.files
    assert report.status == found.status == case.status, str(report)
    assert (case.status == 0) == (not any(finding.status for finding in found.findings))
    if case.says:
        assert case.says in found.findings[0].why + found.findings[0].what, str(report)
    for finding in found.findings:
        assert finding.what
        assert "\n" not in str(finding)
    by_loader = decided(path)
    assert by_loader != 0 or case.status in (0, 3)  # code in a part that is not read here
    if case.status != 3:
        assert by_loader == case.status
    assert MARK not in "".join(capfd.readouterr())


@pytest.mark.parametrize("case", [case for case in CASES[::4] if case.name.count(".") == 1], ids=lambda case: case.name)
def test_a_stream_is_judged_like_its_file(case: Case, tmp_path: Path) -> None:
    path = tmp_path / case.name
    path.write_bytes(case.make(path))
    (by_path,), (by_stream,) = kt.scan(path).files, kt.scan(io.BytesIO(path.read_bytes())).files
    assert by_stream.status == by_path.status
    assert by_stream.path == "<stream>"


def _goldens(folder: Path) -> Iterator[Path]:
    import zipfile

    for packed in sorted(GOLDENS.rglob("*.zip")):
        with zipfile.ZipFile(packed) as archive:
            for name in archive.namelist():
                if name.endswith((".keras", ".h5", ".hdf5")):
                    path = folder / f"{packed.stem}-{name.replace('/', '-')}"
                    path.write_bytes(archive.read(name))
                    yield path


def test_files_of_real_keras_are_judged_as_the_loader_does(tmp_path: Path) -> None:
    paths = list(_goldens(tmp_path))[::3]
    assert len(paths) > 20
    assert {path.name: kt.scan(path).status for path in paths} == {path.name: decided(path) for path in paths}


CODED = "CodeDogandCat__ChineseGrammarErrorDiagnose__addition_rnn.h5"  # five Lambdas


@needs(SHARED.exists(), SHARED_FILES)
def test_real_files_of_people_are_judged_as_the_loader_does() -> None:
    found = [*SHARED.glob("corpus/files/*"), *SHARED.glob("layouts/*/*")]
    paths = sorted(path for path in found if path.suffix in (".h5", ".hdf5", ".keras", ".json"))
    few = [path for index, path in enumerate(paths) if index % 7 == 0 or path.name == CODED]
    assert len(few) > 20
    expected = {path.name: 3 if path.name == CODED else decided(path) for path in few}
    assert {path.name: kt.scan(path).status for path in few} == expected


def test_the_report(tmp_path: Path) -> None:
    (tmp_path / "good.keras").write_bytes(dense())
    names = ("os.system.keras", "own layer.keras", "cut.keras")
    for case in CASES:
        if case.name in names:
            (tmp_path / case.name).write_bytes(case.make(tmp_path / case.name))
    report = kt.scan(tmp_path)
    assert report.counts == {"loads": 1, "own code": 1, "unsafe": 1, "refused": 1}
    assert report.status == 4
    assert json.loads(json.dumps(report.to_dict())) == report.to_dict()
    said = str(report).splitlines()
    assert said[-1] == "4 files: 1 loads, 1 own code, 1 unsafe, 1 refused"
    (line,) = [line for line in said if "os.system at" in line]
    assert line.startswith("  os.system at config.json: config.layers[1].config.activation (layer 'd'): os is no part")
    stream = io.StringIO()
    report.print(stream)
    assert stream.getvalue() == f"{report}\n"
    own = kt.scan(tmp_path / "own layer.keras", strict=True)
    assert (own.status, own.files[0].status) == (3, 1)
    assert kt.scan(tmp_path / "own layer.keras", tmp_path / "good.keras").status == 1
    with pytest.raises(AttributeError):
        report.strict = True  # type: ignore[misc]


def test_code_is_named_once_for_each_place(tmp_path: Path) -> None:
    expected = {"two lambdas.keras": 2, "lambda.keras": 1, "old lambda.h5": 1, "old lambda of a shape.h5": 1}
    found = {}
    for case in CASES:
        if case.name in expected:
            path = tmp_path / case.name
            path.write_bytes(case.make(path))
            found[case.name] = sum(finding.status == 3 for finding in kt.scan(path).files[0].findings)
    assert found == expected


def test_folders(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "m.keras").write_bytes(dense())
    (inner / "renamed.bin").write_bytes(dense())
    (inner / "README.md").write_text("words")
    (inner / "settings.json").write_text('{"a": 1}')
    (inner / "config.json").write_text('{"class_name": 3}')
    (inner / "model.json").write_text('{"class_name": "Sequential", "config": []}')
    (inner / "round").symlink_to(tmp_path)
    (inner / "nothing.h5").symlink_to(tmp_path / "gone.h5")
    (inner / "self.h5").symlink_to("self.h5")
    (tmp_path / "linked.keras").symlink_to(inner / "m.keras")
    report = kt.scan(tmp_path)
    found = {str(Path(file.path).relative_to(tmp_path)): file.status for file in report.files}
    expected = {"a/b/m.keras": 0, "a/b/renamed.bin": 0, "a/b/model.json": 0, "linked.keras": 0}
    assert found == {**expected, "a/b/nothing.h5": 4, "a/b/self.h5": 4}
    assert report.passed_over == (str(inner / "round"),)
    assert report.others == 3
    assert kt.scan(tmp_path / "linked.keras", inner / "round").counts["loads"] > 1  # what is named is followed


def test_folders_that_are_one_model(tmp_path: Path) -> None:
    saved, unpacked = tmp_path / "saved", tmp_path / "unpacked"
    (saved / "variables").mkdir(parents=True)
    unpacked.mkdir()
    (saved / "saved_model.pb").write_bytes(b"\x08\x01\x12" + bytes(40))
    (saved / "variables" / "variables.index").write_bytes(bytes(40))
    for name, content in members().items():
        (unpacked / name).write_bytes(content)
    report = kt.scan(tmp_path)
    assert {Path(file.path).name: file.status for file in report.files} == {"saved": 4, "unpacked": 4}
    (saved / "saved_model.pb").write_bytes(b"\x08\x01\x12\x0a\x0a\x01f\x12\x08ReadFile")
    assert "ReadFile at saved_model.pb: an operation of TensorFlow" in str(kt.scan(saved))
    (saved / "keras_metadata.pb").write_bytes(b'\n\x10{"class_name": "Lambda", "config": {}}')
    config = json.loads((unpacked / "config.json").read_text())
    config["config"]["layers"][-1]["config"]["activation"] = {"module": "os", "class_name": "function", "config": "x"}
    (unpacked / "config.json").write_text(json.dumps(config))
    assert {file.status for file in kt.scan(saved, unpacked).files} == {3}


def packed_model(folder: Path, form: str, graph: bytes, beside: dict[str, bytes]) -> Path:
    """A SavedModel in an archive."""
    files = {"m/saved_model.pb": graph, "m/variables/variables.index": bytes(40), **beside}
    path = folder / f"packed.{form}"
    if form == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return path
    with tarfile.open(path, "w:gz" if form in ("tgz", "tar.gz") else "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("form", ["zip", "tar", "tar.gz", "tgz"])
def test_a_model_in_an_archive_is_judged_as_its_folder(tmp_path: Path, form: str) -> None:
    reads = b"\x08\x01\x12\x0a\x0a\x01f\x12\x08ReadFile"
    path = packed_model(tmp_path, form, reads, {})
    found = kt.scan(path)
    assert (found.status, "ReadFile at m/saved_model.pb" in str(found)) == (3, True)
    assert [file.path for file in kt.scan(tmp_path).files] == [str(path)]
    assert kt.scan(tmp_path).status == 3
    code = {"m/keras_metadata.pb": b'\n\x10{"class_name": "Lambda", "config": {}}'}
    assert "Lambda at m/keras_metadata.pb" in str(kt.scan(packed_model(tmp_path, form, bytes(40), code)))


@pytest.mark.parametrize("form", ["zip", "tar", "tar.gz"])
def test_a_pickle_beside_a_packed_model_is_seen(tmp_path: Path, form: str) -> None:
    unpack(tmp_path / "made")
    made = tmp_path / "made" / "recurrent"
    held = {f"m/{file.relative_to(made).as_posix()}": file.read_bytes() for file in made.rglob("*") if file.is_file()}
    path = packed_model(tmp_path, form, held["m/saved_model.pb"], held)
    assert kt.scan(path, fit=False).status == 0
    path = packed_model(tmp_path, form, held["m/saved_model.pb"], {**held, "m/assets/x.pkl": b"\x80\x04K\x01."})
    assert "foreign part at m/assets/x.pkl: a pickle" in str(kt.scan(path, fit=False))


def test_a_tar_of_something_else_is_no_model(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "sources.tar.gz", "w:gz") as tar:
        member = tarfile.TarInfo("a.txt")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"abc"))
    report = kt.scan(tmp_path)
    assert (report.files, report.others) == ((), 1)


def test_a_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("kerastorch.scanning.folders.os.scandir", denied)
    report = kt.scan(tmp_path)
    assert [(file.path, file.status) for file in report.files] == [(str(tmp_path), 4)]
    assert "it cannot be listed (Permission denied)" in str(report)


def test_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"gone: there is no such file or folder"):
        kt.scan(tmp_path, tmp_path / "gone")
    with pytest.raises(MissingFileError):
        kt.scan("a\0b")
    with pytest.raises(MissingFileError, match="download it first"):
        kt.scan(f"hf://{'far' * 80}.keras")
    with pytest.raises(ArgumentError, match="one path or more"):
        kt.scan()
    with pytest.raises(ArgumentError, match="a path or a binary stream is needed, got int"):
        kt.scan(3)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="strict: expected True or False, got 'yes'"):
        kt.scan(tmp_path, strict="yes")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"limits: expected kt\.Limits\(\.\.\.\), got 5"):
        kt.scan(tmp_path, limits=5)  # type: ignore[arg-type]
    (tmp_path / "m.keras").write_bytes(dense())
    assert kt.scan(str(tmp_path / "m.keras").encode()).status == 0


def test_what_a_file_is_called_says_nothing_of_its_kind(tmp_path: Path) -> None:
    folder = tmp_path / ("checkpoint of numpy, YAML " * 8)
    folder.mkdir()
    (folder / "numpy.h5").write_bytes(b"damaged")
    (folder / "YAML.pkl").write_bytes(b"damaged")
    pickled, damaged = kt.scan(folder).files
    assert (pickled.verdict, pickled.format, damaged.verdict, damaged.format) == ("unsafe", "", "refused", "")
    assert [finding.what for finding in (*pickled.findings, *damaged.findings)] == ["pickle", "file"]
    assert damaged.findings[0].why.startswith("this is not a Keras file")


def _imported(code: str, *arguments: str) -> set[str]:
    """What code imports beside the standard library, in a process of its own."""
    code += "; import sys; print(*sorted({name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names))"
    run = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.splitlines()[-1].split())


def test_only_whether_arrays_fit_needs_torch(tmp_path: Path) -> None:
    names = ["lambda.keras", "old lambda.h5", "own layer.keras", "own.json", "cut.keras", "0.pkl", "words.keras"]
    for case in CASES:
        if case.name in names:
            (tmp_path / case.name).write_bytes(case.make(tmp_path / case.name))
    (tmp_path / "unfit.keras").write_bytes(dense(units=5))
    (tmp_path / "good.keras").write_bytes(dense())
    allowed = {"__main__", "kerastorch", "numpy"}
    code = "from kerastorch.cli import main; import sys; assert main(['scan', *sys.argv[1:]]) == 4"
    quick = _imported(code, str(tmp_path), "--quick")
    assert {name for name in quick if not name.startswith("_")} <= allowed
    whole = _imported(code, str(tmp_path))
    assert "torch" in whole
    assert whole.isdisjoint({"h5py", "keras", "tf_keras", "tensorflow", "sympy", "rich", "torchinfo"})
    statuses = {Path(file.path).name: file.status for file in kt.scan(tmp_path, fit=False).files}
    assert (statuses["unfit.keras"], statuses["good.keras"], kt.scan(tmp_path / "unfit.keras").status) == (0, 0, 4)


_ARGUMENTS: dict[str, dict[str, object]] = {
    "CategoryEncoding": {"num_tokens": 5},
    "Discretization": {"bin_boundaries": [1.0, 2.0]},
    "Hashing": {"num_bins": 5},
}


@pytest.mark.parametrize("name", registered.OF_KERASTORCH)
def test_layers_of_kerastorch_that_keras_files_do_not_have_load(name: str, tmp_path: Path) -> None:
    """They are registered under names of kerastorch, and need no code of anybody's."""
    cls = getattr(kt.layers, name.partition(">")[2])
    words = ["a", "b"] if getattr(cls, "takes_text", False) else [3, 1]
    given = _ARGUMENTS.get(cls.__name__, {"vocabulary": words})
    model = kt.Sequential([cls(**given), kt.layers.Embedding(5, 3)])
    model(np.array([words] if cls is not kt.layers.TextVectorization else words))
    model.save(tmp_path / "m.keras")
    assert kt.scan(tmp_path / "m.keras").status == decided(tmp_path / "m.keras") == 0


def test_every_registered_layer_of_kerastorch_has_its_name_without_torch() -> None:
    assert set(registered._own) == set(registered.OF_KERASTORCH)


@pytest.mark.parametrize(
    ("layer", "status"),
    [
        (kt.layers.Dense(2, bias_initializer="orthogonal"), 4),
        (kt.layers.Dense(2, bias_initializer="identity"), 4),
        (kt.layers.Dense(2, kernel_initializer=kt.initializers.Constant([[1.0, 2.0]] * 5)), 4),
        (kt.layers.Dense(2, kernel_initializer=kt.initializers.Constant([[1.0, 2.0]] * 4)), 0),
        (kt.layers.Dense(2, kernel_initializer="identity"), 0),
        (kt.layers.LSTM(2, bias_initializer="orthogonal", unit_forget_bias=False), 4),
        (kt.layers.BatchNormalization(gamma_initializer="orthogonal"), 4),
    ],
)
def test_an_initializer_that_cannot_fill_its_weight_is_found_without_drawing(
    layer: kt.layers.Layer, status: int, tmp_path: Path
) -> None:
    """A config alone leaves the values to it; a file brings them along, and loads."""
    name = type(layer).__name__
    shape = [None, 5, 4] if name == "LSTM" else [None, 4]
    item = {"class_name": name, "config": layer.get_config()}
    listed = [{"class_name": "InputLayer", "config": {"batch_shape": shape, "name": "x"}}, item]
    path = tmp_path / "m.json"
    whole = {"class_name": "Sequential", "config": {"name": "m", "layers": listed}, "keras_version": "3.15.1"}
    path.write_text(json.dumps(whole))
    assert decided(path) == status
    assert kt.scan(path).status == status
