"""What is said about layers whose code is not in the file: all of them, where they stand, and what to pass."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import kerastorch as kt
from kerastorch.cli import main
from kerastorch.errors import CorruptFileError, MissingLayersError

CODE = ["4wEAAAAAAAAA" * 20, None, None]


def item(class_name: str, name: str, *before: str, **config: Any) -> dict[str, Any]:
    """A layer of a functional model of Keras 2."""
    nodes = [[[layer, 0, 0, {}] for layer in before]] if before else []
    found = {"class_name": class_name, "name": name, "config": {"name": name, **config}, "inbound_nodes": nodes}
    return found


def graph(*items: dict[str, Any], output: str) -> dict[str, Any]:
    inputs = [[layer["name"], 0, 0] for layer in items if layer["class_name"] == "InputLayer"]
    ends = {"input_layers": inputs, "output_layers": [[output, 0, 0]]}
    return {"class_name": "Model", "config": {"name": "m", "layers": list(items), **ends}}


MODEL = graph(
    item("InputLayer", "x", batch_input_shape=[None, 7, 4]),
    item("LSTM", "rnn", "x", units=6, return_sequences=True),
    item("Lambda", "pool", "rnn", function=CODE, function_type="lambda", arguments={"axis": 1}),
    item("Dense", "head", "pool", units=2),
    item("Capsule", "caps", "rnn", routes=3) | {"registered_name": "lab>Capsule", "module": "lab.layers"},
    item("Concatenate", "both", "head", "caps"),
    item("Lambda", "named", "both", function="my_norm", function_type="function"),
    output="named",
)


def written(path: Path, config: dict[str, Any] = MODEL) -> Path:
    """The model as Keras 2 would have saved it; the kernel of `head` says what `pool` must give."""
    shapes = {
        "rnn": [(4, 24), (6, 24), (24,)],
        "head": [(6, 2), (2,)],
    }
    with h5py.File(path, "w") as file:
        file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(config), "2.2.4"
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name in shapes]
        for layer, arrays in shapes.items():
            names = [f"{layer}/w{index}:0" for index in range(len(arrays))]
            group.create_group(layer).attrs["weight_names"] = [name.encode() for name in names]
            for name, shape in zip(names, arrays, strict=True):
                group[layer][name] = np.zeros(shape, "float32")
    return path


def message_of(path: Path, **options: Any) -> str:
    with pytest.raises(MissingLayersError) as caught:
        kt.load_model(path, **options)
    return str(caught.value)


# What else the refusal imports, where only torch and the package were imported before.
_REFUSED = """
import sys
import torch
import kerastorch as kt
before = set(sys.modules)
for path in sys.argv[1:]:
    try:
        kt.load_model(path)
    except kt.errors.MissingLayersError as error:
        print("kt.recipes." in str(error))
print(*(name for name in set(sys.modules) - before if not name.startswith("kerastorch.")))
"""


def test_a_refusal_imports_nothing_heavy(tmp_path: Path) -> None:
    """Files that are not trusted are refused cheaply: no sympy, nothing of torch's compiler."""
    two = graph(
        item("InputLayer", "x", batch_input_shape=[None, 7, 4]),
        item("LSTM", "rnn", "x", units=6, return_sequences=True),
        item("LSTM", "other", "x", units=6, return_sequences=True),
        item("Lambda", "merge", "rnn", "other", function=CODE, function_type="lambda"),
        item("Lambda", "last", "rnn", function=CODE, function_type="lambda"),
        item("Lambda", "hot", "x", function=CODE, function_type="lambda"),
        item("Dense", "head", "merge", units=2),
        output="head",
    )
    paths = [written(tmp_path / "a.h5"), written(tmp_path / "b.h5", two)]
    command = [sys.executable, "-c", _REFUSED, *map(str, paths)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    *said, imported = result.stdout.split("\n")[:-1]
    assert said == ["True", "True"]  # the recipes were tried
    heavy = {"sympy", "mpmath", "h5py", "torch.fx.experimental", "torch._dynamo", "torch._inductor"}
    assert heavy.isdisjoint(imported.split())
    assert len(imported.split()) < 20


def test_everything_is_said_at_once(tmp_path: Path) -> None:
    path = written(tmp_path / "m.h5")
    text = message_of(path)
    lines = text.splitlines()
    assert lines[0].startswith(
        f"{path}: kerastorch does not have: 'Lambda' 'pool', 'Capsule' (a class of one's own) 'caps'"
    )
    assert "  layer 'pool' of class 'Lambda' (Python code, which is never run)" in lines
    assert "    in model 'm', between 'rnn' and 'head'" in lines
    assert "    input (None, 7, 6); output (..., 6)" in lines  # head's kernel in the file is (6, 2)
    (config,) = [line for line in lines if "'arguments': {'axis': 1}" in line]
    assert CODE[0][:24] not in config
    (fitting,) = [line for line in lines if "kt.recipes" in line]
    assert "kt.recipes.last_step(), kt.recipes.sum_over(axis=1), kt.recipes.mean_over(axis=1)" in fitting
    assert (
        "  layer 'caps' of class 'Capsule' (module 'lab.layers'; registered_name 'lab>Capsule'; a class of one's own)"
        in lines
    )
    assert "    input (None, 7, 6); output not known" in lines
    assert "  layer 'named' of class 'Lambda'" in lines
    assert "    in model 'm', between 'both' and the end" in lines
    call = f"  kt.load_model({str(path)!r}, custom_objects={{'Capsule': ..., 'my_norm': ...}}, replace={{'pool': ...}})"
    assert call in lines


def test_the_call_that_is_said_loads_the_file(tmp_path: Path) -> None:
    path = written(tmp_path / "m.h5")
    (call,) = [line for line in message_of(path).splitlines() if line.startswith("  kt.load_model(")]
    asked = {"'Capsule': ...": "'Capsule': capsule", "'my_norm': ...": "'my_norm': norm", "'pool': ...": "'pool': pool"}
    for old, new in asked.items():
        call = call.replace(old, new)
    names = {"kt": kt, "pool": kt.recipes.last_step(), "norm": kt.recipes.l2_normalize()}
    names["capsule"] = lambda routes: lambda x: x[:, :routes, 0]
    model = eval(call, names)
    assert model.output_shape == (None, 5)


def test_what_was_passed_is_not_asked_for_again(tmp_path: Path) -> None:
    path = written(tmp_path / "m.h5")
    text = message_of(path, replace={"pool": kt.recipes.last_step()}, custom_objects={"my_norm": abs})
    assert "'pool'" not in text
    assert "custom_objects={'Capsule': ...})" in text


def test_many_layers_are_cut() -> None:
    layers = [item("Lambda", f"f{index}", f"f{index - 1}" if index else "x", function=CODE) for index in range(30)]
    config = graph(item("InputLayer", "x", batch_input_shape=[None, 3]), *layers, output="f29")
    with pytest.raises(MissingLayersError) as caught:
        kt.model_from_json(json.dumps({**config, "keras_version": "2.2.4"}))
    assert "and 10 more" in str(caught.value)
    assert len(str(caught.value)) < 20_000
    assert len(caught.value.missing) == 30


def test_operations_and_noted_shapes_of_keras_3() -> None:
    config = {
        "module": "keras",
        "class_name": "Sequential",
        "config": {
            "name": "s",
            "layers": [
                {
                    "module": "keras.layers",
                    "class_name": "InputLayer",
                    "config": {"batch_shape": [None, 4], "name": "x"},
                },
                {"module": None, "class_name": "Odd", "config": {"name": "o"}, "registered_name": "Odd"},
                {
                    "module": "keras.layers",
                    "class_name": "Lambda",
                    "config": {"name": "f", "function": {"class_name": "__lambda__", "config": {"code": "4wEA"}}},
                    "build_config": {"input_shape": [None, 9, 2]},
                },
            ],
        },
    }
    with pytest.raises(MissingLayersError) as caught:
        kt.model_from_json(json.dumps(config))
    text = str(caught.value)
    assert "input (None, 4); output not known" in text
    assert "input (None, 9, 2); output not known" in text  # as Keras noted it: what Odd returns is not known here


def test_another_fault_of_the_file_comes_next(tmp_path: Path) -> None:
    config = json.loads(json.dumps(MODEL))
    config["config"]["layers"][1]["config"]["units"] = -3
    path = written(tmp_path / "m.h5", config)
    assert "replace={'pool': ...}" in message_of(path)  # no shapes, but all the names
    given = {"Capsule": lambda routes: abs, "my_norm": abs}
    with pytest.raises(CorruptFileError, match="units: expected a whole number"):
        kt.load_model(path, given, replace={"pool": abs})


def test_info_shows_the_structure_and_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "m.h5")
    assert main(["info", str(path)]) == 1
    out, err = capsys.readouterr()
    assert err == ""
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in out.splitlines() if "│" in line]
    assert rows == [
        ["x", "InputLayer", "(None, 7, 4)", ""],
        ["rnn", "LSTM", "(None, 7, 6)", ""],
        ["pool", "Lambda", "?", "missing"],
        ["head", "Dense", "?", ""],
        ["caps", "Capsule", "?", "missing"],
        ["both", "Concatenate", "?", ""],
        ["named", "Lambda", "?", "missing"],
    ]
    assert "replace={'pool': ...}" in out
    assert main(["summary", str(path)]) == 2
    assert capsys.readouterr().err.startswith("kerastorch: ")
