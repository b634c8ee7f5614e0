"""The text of a model: YAML, and JSON in whatever stands around it."""

from __future__ import annotations

import json
import random
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from _keras_worker import KerasWorker
from fuzz.bytes_of import wrong_bytes
from make_goldens_tensorflow import NAMES

import kerastorch as kt
from kerastorch import layers
from kerastorch.cli import main
from kerastorch.errors import (
    ArgumentError,
    CorruptFileError,
    KerasTorchError,
    LoadError,
    TimeLimitError,
    UnsafeFileError,
    UnsupportedFileError,
)
from kerastorch.files import Limits
from kerastorch.files.architectures import is_json
from kerastorch.saving import to_json

STATED = {"keras_version": "2.2.4", "backend": "tensorflow"}
# As Keras 2.2 on Python 2 wrote it, with PyYAML of then.
OF_PYTHON_2 = """\
!!python/unicode 'backend': !!python/unicode 'tensorflow'
!!python/unicode 'class_name': !!python/unicode 'Sequential'
!!python/unicode 'config':
  name: sequential_1
  layers:
  - class_name: LSTM
    config:
      activation: tanh
      batch_input_shape: &id001 !!python/tuple [null, 10, !!python/long '3']
      bias_initializer:
        class_name: Zeros
        config: {}
      dropout: 0.0
      dtype: float32
      go_backwards: false
      name: !!python/unicode 'lstm_1'
      recurrent_activation: hard_sigmoid
      return_sequences: true
      stateful: false
      trainable: true
      units: 4
      unroll: false
      use_bias: true
  - class_name: Dense
    config: !!python/object/apply:collections.OrderedDict
    - - [name, dense_1]
      - [units, 2]
      - [activation, linear]
!!python/unicode 'keras_version': !!python/unicode '2.2.4'
"""


def config() -> dict[str, Any]:
    model = kt.Sequential(
        [kt.Input((5, 3)), layers.LSTM(4, return_sequences=True, name="lstm"), layers.Dense(2, name="dense")]
    )
    return json.loads(to_json(model, dialect="keras2"))


def same(first: kt.Model, second: kt.Model) -> bool:
    return first.to_json() == second.to_json()


def test_yaml_is_the_model_of_the_same_json(keras_worker: KerasWorker) -> None:
    texts = keras_worker.call("keras2", "tensorflow_files:as_text", [*NAMES])
    assert len(texts) == 8
    assert any("!!python/tuple" in block for _, block, _ in texts.values())
    for name, (as_json, *as_yaml) in texts.items():
        wanted = kt.model_from_json(as_json)
        for text in as_yaml:
            assert same(kt.model_from_yaml(text), wanted), name


def test_yaml_of_python_2() -> None:
    model = kt.model_from_yaml(OF_PYTHON_2)
    assert [layer.name for layer in model.layers] == ["lstm_1", "dense_1"]
    assert model.input_shape == (None, 10, 3)
    assert model.layers[0].get_config()["recurrent_activation"] == "hard_sigmoid_keras2"


HOSTILE: list[tuple[str, type[LoadError], str]] = [
    ("class_name: !!python/object/apply:os.system ['id']\n", UnsupportedFileError, "makes Python call what it names"),
    ("a: !!python/name:os.system ''\n", UnsupportedFileError, "has the tag '!!python/name:os.system'"),
    ("a: !!python/object/new:os.system [id]\n", UnsupportedFileError, "it is never called here"),
    ("a: !!python/module:os ''\n", UnsupportedFileError, "it is never called here"),
    ("a: !!python/complex 1j\n", UnsupportedFileError, "it is never called here"),
    ("a: !!binary aGVsbG8=\n", UnsafeFileError, "has the tag '!!binary'"),
    ("a: !!set {b}\n", UnsafeFileError, "has the tag '!!set'"),
    ("a: !mine b\n", UnsafeFileError, "has the tag '!mine'"),
    ("<<: {a: 1}\n", UnsafeFileError, "has the tag '!!merge'"),
    ("a: 1\na: 2\n", UnsafeFileError, "has the key 'a' twice in one mapping"),
    ("1: 2\n", UnsafeFileError, "has the key 1, expected text"),
    ("? [a]\n: 2\n", UnsafeFileError, r"has the key \['a'\], expected text"),
    ("a: &b [*b]\n", UnsafeFileError, "refers to 'b', which is not there, or not whole yet"),
    ("a: *b\n", UnsafeFileError, "refers to 'b'"),
    ("a: 1\n---\nb: 2\n", UnsafeFileError, "holds several documents"),
    ("- a\n", CorruptFileError, "the YAML text is a list, expected a mapping"),
    ("", CorruptFileError, "the YAML text is a NoneType"),
    ("a: [1\n", CorruptFileError, "it is not YAML"),
    ("a: \x00\n", CorruptFileError, "it is not YAML"),
    (f"a: {'9' * 100}\n", UnsafeFileError, "has a number of 100 characters, the limit is 64"),
    (f"a: {'9' * 30}\n", UnsafeFileError, "whole number of 30 digits"),
    ("a: !!int x\n", CorruptFileError, "'x' is no int of YAML"),
    ("a: .nan\n", UnsafeFileError, "holds NaN"),
    ("a: !!python/object/apply:collections.OrderedDict [[[a, 1], [a, 2]]]\n", UnsafeFileError, "an OrderedDict"),
    ("a: !!python/object/apply:collections.OrderedDict [[[[], 1]]]\n", UnsafeFileError, "an OrderedDict"),
    ("a: " + "[" * 300 + "]" * 300 + "\n", UnsafeFileError, "is nested more than 200 deep"),
]


@pytest.mark.parametrize(("text", "error", "says"), HOSTILE, ids=range(len(HOSTILE)))
def test_yaml_that_is_none_of_a_model(tmp_path: Path, text: str, error: type[LoadError], says: str) -> None:
    with pytest.raises(error, match=says):
        kt.model_from_yaml(text)
    path = tmp_path / "m.yaml"
    path.write_text(text)
    assert kt.scan(path).status in (3, 4)
    runs = error is UnsupportedFileError
    assert (kt.scan(path).status == 3) or not runs
    with pytest.raises(LoadError):
        kt.load_model(path)


def test_aliases_count_each_time() -> None:
    """Each of ten lists is ten times the one before: 10**9 values in 400 bytes."""
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 10)}]" for at in range(1, 10)]
    begun = time.perf_counter()
    with pytest.raises(UnsafeFileError, match=r"has more than 1,000,000 values"):
        kt.model_from_yaml("\n".join(rows))
    assert time.perf_counter() - begun < 2
    deep = ["a0: &a0 [x]", *(f"a{at}: &a{at} [*a{at - 1}]" for at in range(1, 300))]
    with pytest.raises(UnsafeFileError, match="is nested more than 200 deep"):
        kt.model_from_yaml("\n".join(deep))


def test_the_bounds_of_a_yaml_text() -> None:
    with pytest.raises(UnsafeFileError, match="has 5,000,003 characters"):
        kt.model_from_yaml("a: " + "x" * 5_000_000)
    with pytest.raises(TimeLimitError):
        kt.model_from_yaml("\n".join(f"a{at}: [1, 2]" for at in range(30_000)), limits=Limits(seconds=0.2))
    with pytest.raises(UnsafeFileError, match="the SHA-256 of the text is"):
        kt.model_from_yaml("a: b", expected_sha256="0" * 64)
    with pytest.raises(ArgumentError, match="model_from_yaml: expected YAML text, got 'int'"):
        kt.model_from_yaml(3)  # type: ignore[arg-type]


def test_without_pyyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(UnsupportedFileError, match=r"is read with PyYAML: pip install .*\[yaml\]"):
        kt.model_from_yaml("a: b")


def wrapped(config: dict[str, Any]) -> dict[str, str]:
    text = json.dumps({**config, **STATED})
    inner = {key: config[key] for key in ("class_name", "config")}
    return {
        "as it is": text,
        "with a mark": f"\ufeff  {text}",
        "a text": json.dumps(text),
        "a text of a text": json.dumps(json.dumps(text)),
        "of an .h5": json.dumps({"model_config": inner, **STATED}),
        "of an .h5, as text": json.dumps({"model_config": json.dumps(inner), **STATED}),
        "of TensorFlow.js": json.dumps({"format": "layers-model", "modelTopology": {"model_config": inner, **STATED}}),
        "saved by TensorFlow.js": json.dumps({"modelTopology": {**inner, **STATED}}),
        "get_config": json.dumps(config["config"]),
        "the layers": json.dumps(config["config"]["layers"]),
    }


@pytest.mark.parametrize("name", wrapped(config()))
def test_json_in_what_stands_around_it(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = wrapped(config())[name]
    model = kt.model_from_json(text)
    assert [layer.name for layer in model.layers] == ["lstm", "dense"]
    assert model.input_shape == (None, 5, 3)
    path = tmp_path / "m.json"
    path.write_text(text)
    report = kt.scan(path)
    assert report.status == 0
    assert report.files[0].format == "architecture as JSON"
    assert main(["info", str(path)]) == 0
    assert re.search(r"architecture as JSON", capsys.readouterr().out)
    with pytest.raises(UnsupportedFileError, match="Use model_from_json"):
        kt.load_model(path)


def test_a_graph_without_its_class() -> None:
    x = kt.Input((4,), name="x")
    wanted = json.loads(to_json(kt.Model(x, layers.Dense(2)(x), name="graph"), dialect="keras2"))
    assert kt.model_from_json(json.dumps(wanted["config"])).output_shape == (None, 2)


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("[1, 2]", LoadError, "expected an object, got 1"),
        ('"', CorruptFileError, "it is not JSON"),
        ('"not JSON"', CorruptFileError, "it is not JSON"),
        ("3", CorruptFileError, "is a int"),
        (json.dumps({"model_config": 3}), LoadError, "The model is of class None"),
    ],
)
def test_json_that_is_none_of_a_model(text: str, error: type[LoadError], says: str) -> None:
    with pytest.raises(error, match=says):
        kt.model_from_json(text)


def test_json_that_is_wrapped_too_often() -> None:
    text = json.dumps(config())
    for _ in range(9):
        text = json.dumps({"model_config": text})
    with pytest.raises(UnsafeFileError, match="more than 8 deep"):
        kt.model_from_json(text)


def test_the_commands_take_architectures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = yaml.dump({**config(), "keras_version": "2.2.4"})
    (tmp_path / "m.yaml").write_text(text)
    model = kt.model_from_yaml(text)
    model.save_weights(tmp_path / "w.h5")
    assert kt.scan(tmp_path / "m.yaml").status == 0
    assert kt.scan(tmp_path / "m.yaml").files[0].format == "architecture as YAML"
    assert main(["info", str(tmp_path / "m.yaml")]) == 0
    shown = capsys.readouterr().out
    assert "architecture as YAML" in shown
    assert "lstm" in shown
    arch = ["--arch", str(tmp_path / "m.yaml")]
    assert main(["convert", str(tmp_path / "w.h5"), str(tmp_path / "m.keras"), *arch]) == 0
    assert main(["export", str(tmp_path / "w.h5"), str(tmp_path / "code"), "--to", "source", *arch]) == 0
    assert kt.load_model(tmp_path / "m.keras").count_params() == model.count_params()


def test_texts_with_wrong_bytes() -> None:
    """Each is a model, or refused by an error of ours."""
    rng, refused = random.Random(5), 0
    texts = [
        yaml.dump(config()),
        yaml.dump(config(), default_flow_style=None),
        OF_PYTHON_2,
        *wrapped(config()).values(),
    ]
    for _ in range(300):
        text = wrong_bytes(rng.choice(texts).encode(), rng).decode("utf-8", "replace")
        try:
            (kt.model_from_json if is_json(text) else kt.model_from_yaml)(text)
        except KerasTorchError:
            refused += 1
    assert refused > 150
