"""Checkpoints that are written here, against those that tf-keras wrote of the same models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from make_goldens_tensorflow import NAMES, OPTIMIZERS

import kerastorch as kt
from kerastorch import layers
from kerastorch.errors import ArgumentError, LoadError, SaveError
from kerastorch.files import Limits, open_archive
from kerastorch.files._bytes import OnDisk
from kerastorch.files.opening import open_file
from kerastorch.files.tensorflow import Object, write_checkpoint, writing
from kerastorch.files.tensorflow._table import made_table, read_table
from kerastorch.files.tensorflow.bundle import Bundle
from kerastorch.files.tensorflow.objects import Objects

TRAINED = tuple(f"trained_{optimizer}" for optimizer in OPTIMIZERS)


def bundle_of(prefix: Path) -> Bundle:
    def opened(name: str) -> OnDisk:
        file = open_file(str(prefix.parent / name))
        return OnDisk(file, 0, file.size)

    return Bundle(prefix.name, opened, prefix.name, Limits(), lambda: None)


def held(prefix: Path) -> dict[str, np.ndarray]:
    bundle = bundle_of(prefix)
    return {name: bundle.array(name).read() for name in bundle.names}


def paths_of(prefix: Path) -> dict[str, str]:
    """Each way from the root to a variable, with its full name."""
    bundle = bundle_of(prefix)
    graph = bundle.graph()
    assert graph is not None
    objects, found, stack = Objects(graph, bundle.source), {}, [(0, "")]
    while stack:
        number, path = stack.pop()
        node = objects.node(number)
        if node.stored is not None:
            found[path] = node.stored.name
        stack += [(child, f"{path}/{name}") for name, child in node.children.items() if child]
        for of, name, variable in node.slots:
            weight, slot = objects.node(of).stored, objects.node(variable).stored
            assert weight is not None
            assert slot is not None
            found[f"{path}/{weight.key}/{name}"] = slot.name
    return found


def same(mine: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> None:
    assert mine.keys() == theirs.keys()
    for name, array in theirs.items():
        assert mine[name].dtype == array.dtype, name
        assert np.array_equal(mine[name], array), name


@pytest.mark.parametrize("name", NAMES)
def test_it_is_the_checkpoint_of_tf_keras(made: Path, tmp_path: Path, name: str) -> None:
    model = kt.load_model(made / f"{name}.keras")
    report = kt.save_weights(model, tmp_path / "m.ckpt", dialect="keras2")
    assert report.format == "TensorFlow checkpoint"
    assert report.arrays == len(model.weights)
    same(held(tmp_path / "m.ckpt"), held(made / f"{name}.ckpt"))
    assert paths_of(tmp_path / "m.ckpt") == paths_of(made / f"{name}.ckpt")


@pytest.mark.parametrize("name", TRAINED)
def test_the_state_of_the_optimizer_stands_where_tf_keras_has_it(made: Path, tmp_path: Path, name: str) -> None:
    model = kt.load_model(made / f"{name}.h5")
    model.save_weights(tmp_path / "m", dialect="keras2", save_format="tf")
    same(held(tmp_path / "m"), held(made / f"{name}.ckpt"))
    mine, theirs = paths_of(tmp_path / "m"), paths_of(made / f"{name}.ckpt")
    lists = ("/optimizer/_momentums", "/optimizer/_velocities")  # the same variables once more
    assert mine == {path: full for path, full in theirs.items() if not path.startswith(lists)}


@pytest.mark.parametrize("name", [*NAMES, *TRAINED])
def test_it_is_read_here(made: Path, tmp_path: Path, name: str) -> None:
    wanted = kt.load_model(made / (f"{name}.h5" if name in TRAINED else f"{name}.keras"))
    wanted.save_weights(tmp_path / "m.ckpt", dialect="keras2")
    model = kt.model_from_json(wanted.to_json())
    model.load_weights(tmp_path)  # the newest of the folder
    for mine, theirs in zip(model.get_weights(), wanted.get_weights(), strict=True):
        assert np.array_equal(mine, theirs)
    with open_archive(tmp_path / "m.ckpt") as archive:
        assert (archive.optimizer is not None) is (name in TRAINED)


@pytest.mark.parametrize("name", TRAINED)
def test_an_optimizer_that_has_begun_takes_its_state(made: Path, tmp_path: Path, name: str) -> None:
    """As tf-keras's load_weights does: what it goes on with is what the file of the whole model goes on with."""
    wanted, model = (kt.load_model(made / f"{name}.h5") for _ in range(2))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 6, 3)).astype("f4"), rng.normal(size=(8, 1)).astype("f4")
    model.fit(x, y, epochs=1, verbose=0)
    report = model.load_weights(made / f"{name}.ckpt")
    assert not [item for item in report.skipped if "Adam" in item.what]
    for one in (model, wanted):
        one.fit(x, y, epochs=2, batch_size=4, shuffle=False, verbose=0)
    for mine, theirs in zip(model.get_weights(), wanted.get_weights(), strict=True):
        assert np.array_equal(mine, theirs)


def test_many_names_fill_several_blocks(tmp_path: Path, rng: np.random.Generator) -> None:
    names = sorted({bytes(rng.integers(97, 100, rng.integers(1, 40)).astype("u1")) for _ in range(3000)})
    entries = [(b"", b"head"), *((name, bytes(rng.bytes(300))) for name in names)]
    (tmp_path / "t.index").write_bytes(made_table(entries))
    assert (tmp_path / "t.index").stat().st_size > 2 << 18
    file = open_file(str(tmp_path / "t.index"))
    from kerastorch.files._source import Source

    found = [(name, bytes(value)) for name, value in read_table(Source(OnDisk(file, 0, file.size), "t", Limits()))]
    file.close()
    assert found == entries


def small() -> kt.Model:
    return kt.Sequential([kt.Input((3,)), layers.Dense(2, name="dense")])


def test_one_that_stands_there_stays_whole_until_the_new_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the process is killed at any step: the index names one set of files, which is complete."""
    prefix, model = tmp_path / "m", small()
    model.save_weights(prefix, dialect="keras2")
    before = [array.copy() for array in model.get_weights()]
    model.set_weights([array + 1 for array in before])
    real, states = writing.replacing, []

    def watched(path: str) -> object:
        states.append(held(prefix))
        return real(path)

    monkeypatch.setattr(writing, "replacing", watched)
    for _ in range(3):
        model.save_weights(prefix, dialect="keras2")
        files = sorted(path.name for path in tmp_path.iterdir())
        assert len([name for name in files if ".data-" in name]) == bundle_of(prefix).shards
    kernels = [state["layer_with_weights-0/kernel/.ATTRIBUTES/VARIABLE_VALUE"] for state in states]
    assert all(np.array_equal(kernel, before[0] + (at > 2)) for at, kernel in enumerate(kernels))

    def broken(*args: object) -> bytes:
        raise OSError(28, "No space left on device")

    now = held(prefix)
    model.set_weights([array + 1 for array in before])
    monkeypatch.setattr(writing, "_put_array", broken)
    with pytest.raises(SaveError, match=r"No space left on device\); nothing was changed"):
        model.save_weights(prefix, dialect="keras2")
    same(held(prefix), now)
    assert sorted(path.name for path in tmp_path.iterdir()) == files


def test_names_that_are_no_beginning_of_a_checkpoint(tmp_path: Path) -> None:
    model = small()
    for name in ("m.keras", "m.ckpt.index"):
        with pytest.raises(ArgumentError, match=r"expected the beginning of the names of a checkpoint, as name\.ckpt"):
            model.save_weights(tmp_path / name, dialect="keras2")
    with pytest.raises(ArgumentError, match="With dialect='keras2' another path is that of a TensorFlow checkpoint"):
        model.save_weights(tmp_path / "m.ckpt")
    with pytest.raises(ArgumentError, match="Keras 3 does not: pass dialect='keras2'"):
        model.save_weights(tmp_path / "m.ckpt", save_format="tf")
    model.save_weights(tmp_path / "m.ckpt", dialect="keras2")
    with pytest.raises(SaveError, match=r"there is a file '.*m\.ckpt\.index', and overwrite is False"):
        model.save_weights(tmp_path / "m.ckpt", dialect="keras2", overwrite=False)


def test_a_name_that_tensorflow_would_cut_is_escaped(tmp_path: Path) -> None:
    from kerastorch.files import Array

    value = np.arange(3, dtype="i4")
    leaf = Object(name="leaf", array=Array("leaf", (3,), "int32", lambda: value))
    write_checkpoint(Object({"a/b": Object({"c.d": leaf})}), tmp_path / "m")
    assert list(held(tmp_path / "m")) == ["a.Sb/c..d/.ATTRIBUTES/VARIABLE_VALUE"]
    with pytest.raises(SaveError, match="holds no opaque2"):
        write_checkpoint(Object({"a": Object(array=Array("x", (), "opaque2", lambda: value))}), tmp_path / "n")
    with pytest.raises(LoadError):
        open_archive(tmp_path / "n")
