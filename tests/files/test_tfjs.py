"""Models of TensorFlow.js against the same models in the formats of Keras."""

from __future__ import annotations

import hashlib
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _close import assert_close
from _goldens import read_npz
from fuzz.bytes_of import wrong_bytes
from make_goldens_tfjs import DTYPES, NAMES, QUANTIZED
from make_goldens_tfjs import unpack as unpack_tfjs

import kerastorch as kt
from kerastorch.cli import main
from kerastorch.errors import LoadError, UnsafeFileError, UnsupportedFileError
from kerastorch.files import Limits, open_archive


@pytest.fixture(scope="module")
def folders(made: Path) -> Path:
    unpack_tfjs(made)
    return made


@pytest.mark.parametrize("name", NAMES)
def test_a_layers_model_is_the_model_of_its_keras_file(folders: Path, name: str) -> None:
    path = folders / "tfjs" / name / "model.json"
    model, wanted = kt.load_model(path), kt.load_model(folders / f"{name}.keras")
    for mine, theirs in zip(model.get_weights(), wanted.get_weights(), strict=True):
        assert np.array_equal(mine, theirs)
    golden = read_npz(folders / f"{name}.npz")
    inputs = [golden[key] for key in sorted(golden) if key.startswith("x")]
    outputs = model.predict(inputs if len(inputs) > 1 else inputs[0], batch_size=len(inputs[0]), verbose=0)
    for at, output in enumerate(outputs if isinstance(outputs, list) else [outputs]):
        assert_close(output, golden[f"y{at}"])
    fresh = kt.model_from_json(wanted.to_json())
    fresh.load_weights(path)
    for mine, theirs in zip(fresh.get_weights(), wanted.get_weights(), strict=True):
        assert np.array_equal(mine, theirs)


@pytest.mark.parametrize("dtype", DTYPES)
def test_quantized_weights_are_what_the_converter_reads(folders: Path, dtype: str) -> None:
    path = folders / "tfjs" / f"{QUANTIZED}-{dtype}"
    wanted = read_npz(Path(f"{path}.npz"))
    with open_archive(path / "model.json") as archive:
        assert archive.weights is not None
        found = {array.where.replace("/", "|"): array.read() for array in archive.weights.arrays}
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array), name
    kt.load_model(path / "model.json")


@pytest.fixture
def changed(folders: Path, tmp_path: Path) -> Callable[[Callable[[dict[str, Any]], Any]], Path]:
    def change(how: Callable[[dict[str, Any]], Any]) -> Path:
        source = folders / "tfjs" / "recurrent"
        said = json.loads((source / "model.json").read_text())
        how(said)
        for path in source.glob("*.bin"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
        (tmp_path / "model.json").write_text(json.dumps(said))
        return tmp_path / "model.json"

    return change


def first(said: dict[str, Any]) -> dict[str, Any]:
    return said["weightsManifest"][0]["weights"][0]


STRANGE: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (
        lambda said: said["weightsManifest"][0]["paths"].__setitem__(0, "../x.bin"),
        "names '../x.bin', expected the name",
    ),
    (lambda said: said["weightsManifest"][0]["paths"].__setitem__(0, "/etc/passwd"), "expected the name of a file"),
    (lambda said: said["weightsManifest"][0]["paths"].__setitem__(0, "https://a.b/x"), "expected the name of a file"),
    (lambda said: said["weightsManifest"][0]["paths"].append("group1-shard1of2.bin"), "names a file of weights twice"),
    (lambda said: said["weightsManifest"][0]["paths"].__setitem__(0, "absent.bin"), "'absent.bin' cannot be used"),
    (lambda said: said["weightsManifest"][0]["weights"].append(first(said)), "lists the array '.*' twice"),
    (lambda said: said["weightsManifest"][0]["weights"].pop(), "the files of a group have"),
    (lambda said: first(said).update(shape=[1 << 40, 2]), "needs bytes 0 to 8796093022208 of its group"),
    (lambda said: first(said).update(shape=[-1]), r"its shape is \[-1\]"),
    (lambda said: first(said).update(shape="x"), "its shape is 'x'"),
    (lambda said: first(said).update(dtype="float64"), "its dtype is 'float64'"),
    (lambda said: first(said).update(dtype="string"), "it holds string, expected float32"),
    (lambda said: first(said).update(quantization={"dtype": "uint8", "scale": "1", "min": 0}), "its quantization is"),
    (lambda said: first(said).update(quantization=3), "its quantization is 3"),
    (lambda said: first(said).update(name=7), "an array is called 7"),
    (lambda said: first(said).update(name="nobody/kernel"), "1 array has the name of no layer of the model"),
    (lambda said: said.update(weightsManifest={}), "weightsManifest is no list of groups"),
    (lambda said: said["weightsManifest"][0].update(paths=None), "has no list 'paths'"),
    (lambda said: said.update(format="graph-model"), "a graph model of TensorFlow.js, which holds operations"),
    (lambda said: said.update(modelTopology={"node": []}), "a graph model of TensorFlow.js"),
]


@pytest.mark.parametrize(("how", "says"), STRANGE, ids=range(len(STRANGE)))
def test_what_is_no_layers_model(changed: Any, how: Callable[[dict[str, Any]], Any], says: str) -> None:
    path = changed(how)
    with pytest.raises(LoadError, match=says):
        kt.load_model(path)
    assert kt.scan(path).status in (3, 4)


def test_files_that_are_cut_or_lead_elsewhere(changed: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    path: Path = changed(lambda said: None)
    assert kt.scan(path).status == 0
    assert [file.format for file in kt.scan(path.parent).files] == ["TensorFlow.js layers model"]
    shards = list(path.parent.glob("*.bin"))
    assert len(shards) > 1
    shard = shards[0]
    content = shard.read_bytes()
    shard.write_bytes(content[:-1])
    with pytest.raises(LoadError, match="of its group, whose files have"):
        kt.load_model(path)
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "x.bin"
    elsewhere.write_bytes(content)
    shard.unlink()
    shard.symlink_to(elsewhere)
    with pytest.raises(UnsafeFileError, match="is a link out of its folder"):
        kt.load_model(path)


def test_bounds_streams_and_digests(folders: Path) -> None:
    path = folders / "tfjs" / "recurrent" / "model.json"
    with pytest.raises(UnsafeFileError, match=r"shards"):
        kt.load_model(path, limits=Limits(shards=1))
    with pytest.raises(UnsafeFileError, match="bytes"):
        kt.load_model(path, limits=Limits(bytes=10_000))
    with pytest.raises(UnsupportedFileError, match="stand in files beside it: pass its path"):
        kt.load_model(io.BytesIO(path.read_bytes()))
    with pytest.raises(UnsupportedFileError, match="Compare the digests of all these files beforehand"):
        kt.load_model(path, expected_sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    assert kt.load_model(path, isolate=True).count_params() == kt.load_model(path).count_params()


def test_what_tensorflow_js_has_saved_itself(changed: Any) -> None:
    """Its version is its own; the meaning is that of the Keras whose layers it has."""

    def of_javascript(said: dict[str, Any]) -> None:
        topology = said["modelTopology"]
        said["modelTopology"] = {
            **topology["model_config"],
            "keras_version": "tfjs-layers 4.22.0",
            "backend": "tensor_flow.js",
        }
        size = np.zeros(3, "f4").nbytes
        said["weightsManifest"].append(
            {
                "paths": ["optimizer.bin"],
                "weights": [{"name": "Adam/m", "shape": [3], "dtype": "float32", "group": "optimizer"}],
            }
        )
        said["size"] = size

    path: Path = changed(of_javascript)
    (path.parent / "optimizer.bin").write_bytes(bytes(12))
    with open_archive(path) as archive:
        assert archive.keras_version == "2.2.4"
        assert [item.what for item in archive.skipped] == ["1 array of the optimizer"]
    kt.load_model(path)


def test_every_command_takes_it(folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folders / "tfjs" / "bidirectional" / "model.json"
    assert main(["info", str(path)]) == 0
    assert "TensorFlow.js layers model" in capsys.readouterr().out
    assert main(["convert", str(path), str(tmp_path / "m.keras")]) == 0
    assert main(["export", str(path), str(tmp_path / "code"), "--to", "source"]) == 0
    wanted = kt.load_model(path)
    for mine, theirs in zip(kt.load_model(tmp_path / "m.keras").get_weights(), wanted.get_weights(), strict=True):
        assert np.array_equal(mine, theirs)


def test_files_with_wrong_bytes(folders: Path, tmp_path: Path) -> None:
    """Each is read, or refused by an error of ours."""
    source, rng = folders / "tfjs" / f"{QUANTIZED}-uint8", random.Random(5)
    files = {path.name: path.read_bytes() for path in source.iterdir()}
    refused = 0
    for _ in range(150):
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        name = rng.choice(["model.json", "model.json", *files])
        (tmp_path / name).write_bytes(wrong_bytes(files[name], rng))
        try:
            with open_archive(tmp_path / "model.json") as archive:
                for array in [] if archive.weights is None else archive.weights.arrays:
                    array.read()
        except LoadError:
            refused += 1
    assert refused > 75
