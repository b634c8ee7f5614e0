"""`model.export`: ONNX files for onnxruntime, and .pt2 programs that load where there is no kerastorch."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close
from torch import nn

import kerastorch as kt
from export._onnx import DYNAMIC, needs_onnx, quiet, ran
from kerastorch import Input, Model, Sequential, layers
from kerastorch.errors import ArgumentError, SaveError, UnsupportedError
from kerastorch.export import onnx, onnx_translations


def randomised(model: Any) -> Any:
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.5)
    return model


def two_inputs() -> Model:
    """Words with a mask, both directions, a step loop of our own, a second input, two outputs."""
    words, other = Input((None,), name="words", dtype="int64"), Input((4,), name="other")
    x = layers.Embedding(10, 3, mask_zero=True)(words)
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(x)
    x = layers.GRU(4, return_sequences=True)(x)
    last = layers.LSTM(3, activation="relu", recurrent_activation="hard_sigmoid", name="last")(x)
    joined = layers.Concatenate()([layers.SimpleRNN(3)(x), other, last])
    return randomised(Model([words, other], [layers.Dense(2, name="score")(joined), last]))


def data(rows: int = 4, steps: int = 9) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    words = rng.integers(0, 3, (rows, steps))
    words[0] = 0
    return [words, rng.normal(size=(rows, 4)).astype("float32")]


def session(path: Path) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


@needs_onnx
def test_onnx(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, path = two_inputs(), tmp_path / "model.onnx"
    model.train()
    model.export(path, format="onnx")
    assert capsys.readouterr() == (
        f"Saved artifact at '{path}'. It takes words int64 (batch, words_1); other float32 (batch, 4).\n",
        "",
    )
    assert all(layer.training for layer in model.layers)
    run = session(path)
    assert [(node.name, node.type, node.shape) for node in run.get_inputs()] == [
        ("words", "tensor(int64)", ["batch", "words_1"]),
        ("other", "tensor(float)", ["batch", 4]),
    ]
    assert [node.name for node in run.get_outputs()] == ["score", "last"]
    words, other = data()
    assert_close(run.run(None, {"words": words, "other": other}), model.predict([words, other], verbose=0))


@needs_onnx
def test_states_go_in_and_out(tmp_path: Path) -> None:
    inner = Sequential([Input(batch_shape=(2, None, 3)), layers.GRU(3, stateful=True, return_sequences=True)])
    model = Sequential([Input(batch_shape=(2, None, 3)), inner, layers.LSTM(4, stateful=True), layers.Dense(2)])
    randomised(model)
    model.predict(np.ones((2, 3, 3), "float32"), verbose=0)
    kept = [state.clone() for layer in (inner.layers[0], model.layers[1]) for state in layer.states]
    model.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    assert_close([*inner.layers[0].states, *model.layers[1].states], kept, 0)
    run = session(tmp_path / "model.onnx")
    first, *states = [node.name for node in run.get_inputs()]
    names = [node.name for node in run.get_outputs()]
    assert [f"{name}_out" for name in states] == names[1:]
    assert len(states) == 3
    model.reset_states()
    values = {name: np.zeros((2, size), "float32") for name, size in zip(states, (3, 4, 4), strict=True)}
    for steps in (2, 5):
        x = np.random.default_rng(steps).normal(size=(2, steps, 3)).astype("float32")
        out, *new = run.run(None, {first: x, **values})
        values = dict(zip(states, new, strict=True))
        assert_close(out, model.predict(x, verbose=0))


@needs_onnx
def test_a_large_model_is_two_files_each_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx, "_ALONE", 100)  # bytes, in the place of 2 GB
    model = randomised(Sequential([Input((9,), name="x"), layers.Dense(5)]))
    (tmp_path / "model.onnx").write_bytes(b"before")
    for name in ("model.onnx.data", "other.onnx.0123456789abcdef.data", "model.onnx.mine.data"):
        (tmp_path / name).write_bytes(b"of somebody else")
    others = sorted(path.name for path in tmp_path.iterdir() if path.name != "model.onnx")
    model.export(tmp_path / "model.onnx", format="onnx", verbose=False)

    def written() -> list[str]:
        return sorted(path.name for path in tmp_path.iterdir() if path.name not in others)

    names = written()
    assert re.fullmatch(r"model\.onnx,model\.onnx\.[0-9a-f]{16}\.data", ",".join(names))
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in names} == {0o644}
    x = np.random.default_rng(0).normal(size=(3, 9)).astype("float32")
    assert_close(session(tmp_path / "model.onnx").run(None, {"x": x}), model.predict(x, verbose=0))
    before = [(tmp_path / name).read_bytes() for name in names]
    model.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    assert written() == names  # the same weights
    # Until the graph is replaced, the old one has its weights: as after a crash between the two.
    old = model.predict(x, verbose=0)
    saved = torch.onnx.ONNXProgram.save

    def looked_at(path: str) -> None:
        beside = [name for name in written() if name.endswith(".data") and name not in names]
        if "onnx." in os.path.basename(path):
            assert not beside
        assert_close(session(tmp_path / "model.onnx").run(None, {"x": x}), old)

    monkeypatch.setattr(
        torch.onnx.ONNXProgram,
        "save",
        lambda self, path, **options: (saved(self, path, **options), looked_at(path)),
    )
    monkeypatch.setattr(onnx, "_remove_weights", lambda target, kept: removed.append(kept))
    removed: list[str | None] = []
    randomised(model)
    model.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    assert len(written()) == 3
    assert removed == [next(name for name in written() if name.endswith(".data") and name not in names)]
    monkeypatch.undo()
    monkeypatch.setattr(onnx, "_ALONE", 100)
    model.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    assert written() == ["model.onnx", *removed]  # what no graph names is gone
    assert_close(session(tmp_path / "model.onnx").run(None, {"x": x}), model.predict(x, verbose=0))
    names = written()
    before = [(tmp_path / name).read_bytes() for name in names]

    def cut_short(path: str, **options: Any) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch.onnx.ONNXProgram, "save", lambda self, path, **options: cut_short(path))
    with pytest.raises(SaveError, match=r"No space left on device.*nothing was changed"):
        model.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    assert written() == names
    assert [(tmp_path / name).read_bytes() for name in names] == before
    monkeypatch.undo()
    model.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    assert written() == ["model.onnx"]
    assert {(tmp_path / name).read_bytes() for name in others} == {b"of somebody else"}


@needs_onnx
@pytest.mark.parametrize(("stated", "taken"), [("int32", "int32"), ("int64", "int64"), ("float32", "int32")])
def test_ids_have_the_dtype_that_the_input_states(stated: str, taken: str, tmp_path: Path) -> None:
    """float32 is what Keras writes where nobody said anything; its Embedding casts to int32."""
    words = Input((None,), name="words", dtype=stated)
    model = randomised(Model(words, layers.GRU(3)(layers.Embedding(9, 4, mask_zero=True)(words))))
    model.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    run = session(tmp_path / "model.onnx")
    assert [node.type for node in run.get_inputs()] == [f"tensor({taken})"]
    ids = np.array([[1, 8, 0, 0], [0, 2, 5, 0], [0, 0, 0, 0]], taken)
    assert_close(run.run(None, {"words": ids}), model.predict(ids, verbose=0))


@needs_onnx
def test_a_stateful_model_is_refused_by_torch_s_exporter() -> None:
    layer = layers.LSTM(3, stateful=True).eval()
    layer(torch.zeros(2, 4, 3))
    with quiet(), pytest.raises(Exception, match="makes the states inputs and outputs"):
        torch.onnx.export(layer, (torch.zeros(2, 4, 3),), dynamo=True, verbose=False)


@needs_onnx
def test_a_program_that_stands_already() -> None:
    model = two_inputs().eval()
    args = tuple(map(torch.from_numpy, data(3, 5)))
    with quiet():
        program = torch.export.export(model, args, dynamic_shapes=({0: DYNAMIC, 1: DYNAMIC}, {0: DYNAMIC}))
        made = torch.onnx.export(program, (), custom_translation_table=onnx_translations(), verbose=False)
    others = [torch.from_numpy(item) for item in data()]
    with torch.no_grad():
        assert_close(ran(made.model_proto.SerializeToString(), others), [part.numpy() for part in model(*others)])


# ---------------------------------------------------------------- programs of torch

WITHOUT = """
import sys
sys.modules["kerastorch"] = None
import numpy, torch
program = torch.export.load(sys.argv[1]).module()
given = numpy.load(sys.argv[2])
outputs = program([torch.from_numpy(given["words"]), torch.from_numpy(given["other"])])
numpy.savez(sys.argv[3], *[output.detach().numpy() for output in outputs])
"""


def test_a_program_needs_no_kerastorch(tmp_path: Path) -> None:
    model, path = two_inputs(), tmp_path / "model.pt2"
    model.export(path, format="torch", verbose=False)
    words, other = data()
    np.savez(tmp_path / "given.npz", words=words, other=other)
    files = [str(path), str(tmp_path / "given.npz"), str(tmp_path / "found.npz")]
    run = subprocess.run([sys.executable, "-c", WITHOUT, *files], capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    with np.load(files[2]) as found:
        assert_close(list(found.values()), model.predict([words, other], verbose=0))


def test_a_program_with_our_operators_can_be_asked_for(tmp_path: Path) -> None:
    model = randomised(Sequential([Input((None, 3)), layers.LSTM(4)]))
    for standalone in (True, False):
        model.export(tmp_path / "model.pt2", format="torch", verbose=False, standalone=standalone)
        program = torch.export.load(tmp_path / "model.pt2")
        assert any("kerastorch" in str(node.target) for node in program.graph.nodes) is not standalone
        x = np.random.default_rng(0).normal(size=(3, 5, 3)).astype("float32")
        assert_close(program.module()(torch.from_numpy(x)), model.predict(x, verbose=0))


def test_outputs_of_a_step_loop_stand_in_rows(tmp_path: Path) -> None:
    """In the order of the loop their memory went to what comes next, which torch's C++ for AOTInductor says twice."""
    loops = [
        layers.GRU(4, reset_after=False, return_sequences=True),
        layers.LSTM(4, activation="relu", return_sequences=True),
    ]
    for layer, masking in zip(loops, ([], [layers.Masking()]), strict=True):
        model = randomised(Sequential([Input((None, 3)), *masking, layer]))
        model.export(tmp_path / "model.pt2", format="torch", verbose=False)
        x = np.random.default_rng(0).normal(size=(3, 5, 3)).astype("float32")
        with quiet():
            found = torch.export.load(tmp_path / "model.pt2").module()(torch.from_numpy(x))
        assert found.is_contiguous()
        assert_close(found, model.predict(x, verbose=0))


def test_a_program_keeps_states(tmp_path: Path) -> None:
    model = randomised(Sequential([Input(batch_shape=(2, None, 3)), layers.LSTM(4, stateful=True)]))
    model.export(tmp_path / "model.pt2", format="torch", verbose=False)
    program = torch.export.load(tmp_path / "model.pt2").module()
    for steps in (2, 5):
        x = np.random.default_rng(steps).normal(size=(2, steps, 3)).astype("float32")
        assert_close(program(torch.from_numpy(x)), model.predict(x, verbose=0))


# ---------------------------------------------------------------- dynamic_shapes as one writes them

CASES = {
    "one": (lambda x, y: (x,), ({0: DYNAMIC, 1: DYNAMIC},)),
    "by name": (lambda x, y: (x,), {"inputs": {0: DYNAMIC, 1: DYNAMIC}}),
    "list": (lambda x, y: ([x, y],), ([{0: DYNAMIC, 1: DYNAMIC}, {0: DYNAMIC}],)),
    "one after the other": (lambda x, y: (x, y), ({0: DYNAMIC, 1: DYNAMIC}, {0: DYNAMIC})),
    "dict": (lambda x, y: ({"x": x, "y": y},), ({"x": {0: DYNAMIC, 1: DYNAMIC}, "y": {0: DYNAMIC}},)),
}


@pytest.mark.parametrize("case", CASES)
def test_dynamic_shapes_are_nested_as_the_inputs(case: str) -> None:
    args, shapes = CASES[case]
    x, y = Input((None, 3), name="x"), Input((4,), name="y")
    one = Sequential([Input((None, 3)), layers.LSTM(4)])
    model = one if args(1, 2) == (1,) else Model([x, y], layers.Add()([layers.LSTM(4)(x), y]))
    program = torch.export.export(model.eval(), args(torch.ones(2, 7, 3), torch.ones(2, 4)), dynamic_shapes=shapes)
    others = args(torch.randn(3, 5, 3), torch.randn(3, 4))
    assert_close(program.module()(*others), model(*others))


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"format='tf_saved_model' is not supported: .* TensorFlow alone: write format=\"onnx\" or \"torch\""),
        ({"format": "litert"}, r"format='litert' is not supported: .*litert_torch"),
        ({"format": "openvino"}, r"format='openvino' is not supported: write format=\"onnx\", which OpenVINO reads"),
    ],
)
def test_other_formats_say_what_to_use(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        two_inputs().export("model", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "onxx"}, r"expected format 'onnx' or 'torch', got 'onxx'\. Did you mean 'onnx'\?"),
        ({"format": "torch"}, r"writes \.pt2 files, got 'model'"),
        ({"format": "torch", "dynamic_shape": 1}, r"has no option 'dynamic_shape'.*Did you mean 'dynamic_shapes'"),
        ({"format": "onnx", "opset": 18}, r"takes opset_version alone, got 'opset'"),
        ({"format": "onnx", "input_signature": [(None, 5)]}, "expected 2 inputs, got 1"),
        ({"format": "onnx", "input_signature": ["words", "other"]}, r"expected a shape, or .* got 'words'"),
    ],
)
def test_wrong_arguments_are_named(options: dict[str, Any], message: str) -> None:
    path = "model.pt2" if "dynamic_shape" in options else "model"
    with pytest.raises(ArgumentError, match=message):
        two_inputs().export(path, **options)


def test_a_model_of_unknown_inputs(tmp_path: Path) -> None:
    class Own(kt.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, x: Any) -> Any:
            return self.dense(x)

    with pytest.raises(ArgumentError, match=r"shapes of its inputs are not known: call it once, or give"):
        Own().export("model.pt2", format="torch")
    model = Own()
    model.export(tmp_path / "model.pt2", format="torch", input_signature=[(None, 3)], verbose=False)
    x = torch.randn(5, 3)
    assert_close(torch.export.load(tmp_path / "model.pt2").module()(x), model(x))


def test_texts_are_refused() -> None:
    model = Sequential([Input((), dtype="string"), layers.StringLookup(vocabulary=["a", "b"])])
    with pytest.raises(UnsupportedError, match=r"is text, which torch has no tensors for: export the model behind"):
        model.export("model.onnx", format="onnx")


def test_a_failed_export_changes_nothing(tmp_path: Path) -> None:
    model = Sequential([Input((None, 3)), layers.LSTM(4)])
    (tmp_path / "model.pt2").write_bytes(b"before")
    with pytest.raises(Exception, match="dynamic_shapes"):
        model.export(tmp_path / "model.pt2", format="torch", dynamic_shapes=({}, {}))
    assert (tmp_path / "model.pt2").read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt2"]
