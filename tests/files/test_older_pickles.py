"""Pickles that hold a model as dicts, texts and arrays: followed and never loaded."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import pickletools
import struct
import sys
import types
import zlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerastorch as kt
from kerastorch import layers
from kerastorch.cli import main
from kerastorch.errors import CorruptFileError, LoadError, MismatchError, UnsafeFileError
from kerastorch.files import Limits, open_archive
from kerastorch.files.pickles import model_in, read_pickle
from kerastorch.saving import to_json

RAN: list[str] = []


def run(text: str) -> None:
    RAN.append(text)


class Runs:
    """What says that it was made."""

    def __reduce__(self) -> Any:
        return run, ("ran",)


@pytest.fixture
def model(rng: np.random.Generator) -> kt.Model:
    made = kt.Sequential(
        [
            kt.Input((5, 3)),
            layers.Bidirectional(layers.GRU(4, reset_after=False, return_sequences=True), name="both"),
            layers.BatchNormalization(name="norm"),
            layers.LSTM(2, name="lstm"),
            layers.Dense(2, name="dense"),
        ]
    ).eval()
    made.set_weights([rng.normal(size=array.shape).astype(array.dtype) for array in made.get_weights()])
    return made


def config_of(model: kt.Model) -> dict[str, Any]:
    said = json.loads(to_json(model, dialect="keras2"))
    return {"class_name": said["class_name"], "config": said["config"]}


def boxed(model: kt.Model, protocol: int) -> dict[str, Any]:
    """The dict that Keras 2.2.3 to 2.3.1 pickle, as `H5Dict` fills it."""

    def put(group: dict[str, Any], name: str, value: np.ndarray) -> None:
        group[name] = pickle.dumps(value, protocol)
        group[f"_{name}_pickled"] = True

    weights: dict[str, Any] = {"_is_group": True, "layer_names": [layer.name.encode() for layer in model.layers]}
    for layer in model.layers:
        group: dict[str, Any] = {"_is_group": True}
        names = [f"{layer.name}/{variable.name}_{at}:0" for at, variable in enumerate(layer.weights)]
        group["weight_names"] = [name.encode() for name in names]
        for name, variable in zip(names, layer.weights, strict=True):
            put(group, name, variable.numpy())
        weights[layer.name] = group
    return {
        "_is_group": True,
        "keras_version": b"2.2.4",
        "backend": b"tensorflow",
        "model_config": json.dumps(config_of(model)).encode(),
        "model_weights": weights,
        "training_config": b'{"loss": "mse", "optimizer_config": {"class_name": "SGD", "config": {}}}',
    }


def as_keras(state: Any, protocol: int) -> bytes:
    """A pickle of an object of Keras's class, which is not there when it is read."""
    module: Any = types.ModuleType("keras.engine.sequential")
    module.Sequential = type("Sequential", (), {"__module__": module.__name__, "__getstate__": lambda self: state})
    sys.modules[module.__name__] = module
    try:
        return pickle.dumps(module.Sequential(), protocol)
    finally:
        del sys.modules[module.__name__]


def same(first: kt.Model, second: kt.Model) -> None:
    for mine, theirs in zip(first.get_weights(), second.get_weights(), strict=True):
        assert np.array_equal(mine, theirs)


@pytest.mark.parametrize("protocol", range(2, 6))
def test_a_model_of_keras_2_2(model: kt.Model, tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "m.pkl"
    path.write_bytes(as_keras(boxed(model, min(protocol, 4)), protocol))
    found = kt.load_model(path)
    same(found, model)
    x = np.random.default_rng(0).normal(size=(4, 5, 3)).astype("f4")
    np.testing.assert_array_equal(found.predict(x, verbose=0), model.predict(x, verbose=0))
    with open_archive(path) as archive:
        assert (archive.format, archive.keras_version, archive.backend) == ("pickled arrays", "2.2.4", "tensorflow")
        assert archive.training_config is not None
        assert "nothing of it was" in archive.skipped[-1].reason
    assert kt.scan(path).status == 3
    same(kt.load_model(path, isolate=True), model)


SHAPES: dict[str, Callable[[kt.Model], Any]] = {
    "a dict": lambda model: {"architecture": to_json(model, dialect="keras2"), "weights": model.get_weights()},
    "a tuple": lambda model: (to_json(model), model.get_weights()),
    "a list in an OrderedDict": lambda model: OrderedDict(a=[to_json(model).encode()], w=tuple(model.get_weights())),
    "by columns": lambda model: [to_json(model), [np.asfortranarray(array) for array in model.get_weights()]],
    "of the other order": lambda model: [to_json(model), [array.astype(">f4") for array in model.get_weights()]],
}


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("name", SHAPES)
def test_a_config_beside_its_arrays(model: kt.Model, tmp_path: Path, name: str, protocol: int) -> None:
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(SHAPES[name](model), protocol))
    same(kt.load_model(path), model)


def test_arrays_alone_go_into_a_model(model: kt.Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "weights.pkl"
    path.write_bytes(pickle.dumps(model.get_weights()))
    fresh = kt.model_from_json(model.to_json())
    report = fresh.load_weights(path)
    same(fresh, model)
    assert any("in the order of get_weights()" in rule.text for rule in report.rules)
    assert main(["info", str(path)]) == 0
    assert "get_weights()" in capsys.readouterr().out
    path.write_bytes(pickle.dumps(model.get_weights()[:-1]))
    with pytest.raises(MismatchError, match=r"the model has \d+ weights, get_weights\(\) of the file"):
        fresh.load_weights(path)
    wrong = model.get_weights()
    wrong[0] = wrong[0][:-1]
    path.write_bytes(pickle.dumps(wrong))
    with pytest.raises(MismatchError):
        fresh.load_weights(path)
    same(fresh, model)


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "z": zlib.compress,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda content: lzma.compress(content, lzma.FORMAT_ALONE),
}


@pytest.mark.parametrize("ending", PACKERS)
def test_packed_pickles(model: kt.Model, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"m.joblib.{ending}"
    content = pickle.dumps(SHAPES["a tuple"](model))
    path.write_bytes(PACKERS[ending](content))
    same(kt.load_model(path), model)
    assert kt.scan(path).status == 3
    path.write_bytes(PACKERS[ending](content)[:-20])
    with pytest.raises(LoadError, match=r"by its name this is a pickle|packed|not a Keras file"):
        kt.load_model(path)
    path.write_bytes(PACKERS[ending](b"\x80\x04" + bytes(3 << 20)))
    with pytest.raises(UnsafeFileError, match="it unpacks to more bytes"):
        kt.load_model(path, limits=Limits(allocation_bytes=1 << 20, allocation_ratio=1))


@pytest.mark.parametrize("aligned", [False, True])
def test_arrays_of_joblib_between_the_parts(model: kt.Model, tmp_path: Path, aligned: bool) -> None:
    """As joblib writes them: an object that says the shape, and the bytes behind it."""

    class NumpyArrayWrapper:
        pass

    NumpyArrayWrapper.__module__ = "joblib.numpy_pickle"
    NumpyArrayWrapper.__qualname__ = "NumpyArrayWrapper"
    module: Any = types.ModuleType("joblib.numpy_pickle")
    module.NumpyArrayWrapper = NumpyArrayWrapper

    class Pickler(pickle._Pickler):  # type: ignore[name-defined]
        def save(self, value: Any, save_persistent_id: bool = True) -> None:
            if isinstance(value, np.ndarray):
                wrapper = NumpyArrayWrapper()
                wrapper.__dict__.update(subclass=np.ndarray, shape=value.shape, order="C", dtype=value.dtype)
                wrapper.__dict__["allow_mmap"] = False
                if aligned:
                    wrapper.__dict__["numpy_array_alignment_bytes"] = 16
                super().save(wrapper, save_persistent_id)
                self.memo.clear()
                self.framer.commit_frame(force=True)
                self.file.write((b"\x03" + b"\xff" * 3 if aligned else b"") + value.tobytes())
                return
            super().save(value, save_persistent_id)

    sys.modules.update({"joblib": types.ModuleType("joblib"), "joblib.numpy_pickle": module})
    file = io.BytesIO()
    pickler = Pickler(file, protocol=2)
    pickler.file = file
    pickler.fast = True
    try:
        pickler.dump([to_json(model), model.get_weights()])
    finally:
        del sys.modules["joblib.numpy_pickle"], sys.modules["joblib"]
    path = tmp_path / "m.joblib"
    path.write_bytes(file.getvalue())
    same(kt.load_model(path), model)


def test_nothing_runs(model: kt.Model, tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    state = boxed(model, 4)
    for value in ([Runs(), state], {"x": Runs(), "y": state}, as_keras({"z": state, "r": [Runs()]}, 4)):
        path.write_bytes(value if isinstance(value, bytes) else pickle.dumps(value))
        same(kt.load_model(path), model)
    path.write_bytes(pickle.dumps([to_json(model), model.get_weights(), Runs()]))
    with pytest.raises(LoadError, match="runs code when it is loaded"):  # whose arrays they are is not known
        kt.load_model(path)
    state["model_weights"]["dense"]["dense/kernel_0:0"] = pickle.dumps(Runs())
    path.write_bytes(pickle.dumps(state))
    with pytest.raises(LoadError, match="is no array"):
        kt.load_model(path)
    assert not RAN
    pickle.loads(pickle.dumps(Runs()))
    assert RAN.pop() == "ran"


def opcodes(*parts: bytes) -> bytes:
    return b"\x80\x04" + b"".join(parts) + b"."


def test_hostile_parts() -> None:
    deep = b"]" * 100_000 + b"a" * 99_999
    # each of 60 tuples is the one before twice
    shared = b"]\x94" + b"".join(b"(h" + bytes([at]) + b"h" + bytes([at]) + b"t\x94" for at in range(60))
    dtype = b"cnumpy\ndtype\n(X\x02\x00\x00\x00f4I0\nI1\ntR(I3\nX\x01\x00\x00\x00<NNNI-1\nI-1\nI0\ntb"
    frombuffer = b"cnumpy.core.numeric\n_frombuffer\n(J\xff\xff\xff\x7f"
    rebuilt = b"cnumpy.core.multiarray\n_reconstruct\n(I0\ntR"
    for content, says in [
        (opcodes(b"cos\nsystem\nX\x02\x00\x00\x00id\x85R"), None),
        (opcodes(deep), None),
        (opcodes(b"X\x01\x00\x00\x00a\x94h\x05"), "do not fit"),
        (opcodes(b"Pabc\n"), "PERSID, which is not followed"),
        (opcodes(b"]NNNu"), "do not fit"),
        (opcodes(b"0"), "do not fit"),
        (opcodes(b"(0N"), None),
        (opcodes(b"]]\x93"), "named by what is no text"),
        (opcodes(rebuilt + b"(I1\n(I5\nt" + dtype + b"I00\nC\x04abcdtb"), r"an array \(5,\) of <f4 has 4 bytes"),
        (opcodes(rebuilt + b"(I1\n(I-1\nt" + dtype + b"I00\nC\x04abcdtb"), "has no shape"),
        (opcodes(frombuffer + dtype + b"(I1\ntX\x01\x00\x00\x00CtR"), "neither bytes"),
        (opcodes(b"I" + b"9" * 5000 + b"\n"), "do not fit"),
        (b"\x80\x04]", "does not end|do not fit"),
        (b"\x80\x04\x96" + struct.pack("<Q", 1 << 40) + b".", "do not fit"),
        (opcodes(shared), None),
    ]:
        if says is None:
            read_pickle(content, "m", Limits())
            continue
        with pytest.raises(CorruptFileError, match=says):
            read_pickle(content, "m", Limits())
    with pytest.raises(UnsafeFileError, match="steps"):
        read_pickle(opcodes(b"N0" * 2000), "m", Limits(steps=1000))
    assert model_in(opcodes(shared), "m", Limits()) is None


def test_every_opcode_is_followed_or_refused() -> None:
    from kerastorch.files.pickles import machine

    refused = {"PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER", "STOP"}
    assert {opcode.name for opcode in pickletools.opcodes} == {*machine._STEPS, *refused}
