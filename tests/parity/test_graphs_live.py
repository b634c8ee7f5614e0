"""Graphs with functions, masks made by functions, and models in models: saved by real Keras, read and computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _keras_worker import KerasWorker

import kerastorch
from kerastorch.cli import main
from kerastorch.compat.operations._node_def import read_node_def
from kerastorch.layers import Operation
from kerastorch.structure import leaves, map_structure

from ._compare import FORWARD, difference, numpy

ROWS, TIME, FEATURES = 3, 5, 4
SEQUENCE, WORD = (ROWS, TIME, FEATURES), (ROWS, TIME)
# Builder in tests/workers/graphs.py -> the shapes of its inputs, in order or by name.
GRAPHS: dict[str, Any] = {
    "mask_by_hand": (WORD,),
    "mask_of_two": (WORD, SEQUENCE),
    "mask_and_function": (WORD,),
    "mask_beside_functions": (WORD,),
    "attention": (SEQUENCE, SEQUENCE),
    "slices_and_states": (SEQUENCE,),
    "functions_only": (SEQUENCE,),
    "nested_with_functions": (SEQUENCE, SEQUENCE),
    "functions_in_time_distributed": ((ROWS, TIME, 2, FEATURES),),
    "model_first": (SEQUENCE,),
    "dict_input": {"a": SEQUENCE, "b": (ROWS, 3)},
    "shared_everywhere": (SEQUENCE,),
    "deep": (SEQUENCE,),
}
FRAMEWORKS = ["keras3", "keras2"]


def _array(shape: tuple[int, ...], seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if shape == WORD:
        return rng.integers(1, 6, shape).astype("int32") * np.array(
            [[1, 1, 1, 0, 0], [0] * 5, [0, 1, 0, 1, 1]], "int32"
        )
    values = rng.normal(size=shape).astype("float32")
    if shape == SEQUENCE:
        values[0, 3:] = 0
    return values


def make_inputs(shapes: Any) -> Any:
    if isinstance(shapes, dict):
        return {name: _array(shape, seed) for seed, (name, shape) in enumerate(shapes.items())}
    arrays = [_array(shape, seed) for seed, shape in enumerate(shapes)]
    return arrays if len(arrays) > 1 else arrays[0]


def gaps(theirs: list[np.ndarray], model: Any, inputs: Any) -> list[str]:
    ours = [numpy(output) for output in leaves(model.eval()(map_structure(torch.tensor, inputs)))]
    if len(ours) != len(theirs):
        return [f"Keras has {len(theirs)} outputs, kerastorch {len(ours)}"]
    found = [difference(a, b, FORWARD["float32"]) for a, b in zip(theirs, ours, strict=True)]
    return [f"output {index}: {gap}" for index, gap in enumerate(found) if gap]


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("builder", GRAPHS)
def test_graph(keras_worker: KerasWorker, builder: str, framework: str, tmp_path: Path) -> None:
    inputs = make_inputs(GRAPHS[builder])
    reference = keras_worker.call(framework, "graphs:run", builder, inputs, str(tmp_path))
    models = {}
    for name in ("model.keras", "model.h5"):
        if name not in reference["unwritten"]:
            models[name] = kerastorch.load_model(tmp_path / name)
    models["model.weights.h5"] = kerastorch.model_from_json(reference["json"])
    kerastorch.load_weights(models["model.weights.h5"], tmp_path / "model.weights.h5")
    again = kerastorch.Model.from_config(json.loads(json.dumps(models["model.weights.h5"].get_config())))
    again.set_weights(reference["weights"])
    models["its own config"] = again
    found = [f"{name}: {gap}" for name, model in models.items() for gap in gaps(reference["outputs"], model, inputs)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("builder", ["mask_by_hand", "mask_of_two", "attention", "slices_and_states"])
def test_a_wrong_function_is_seen(keras_worker: KerasWorker, builder: str, framework: str, tmp_path: Path) -> None:
    """Each function in its turn computes something else: the numbers are no longer Keras's."""
    inputs = make_inputs(GRAPHS[builder])
    reference = keras_worker.call(framework, "graphs:run", builder, inputs, str(tmp_path))
    model = kerastorch.load_model(tmp_path / "model.h5")
    assert not gaps(reference["outputs"], model, inputs)
    operations = [layer for layer in model.layers if isinstance(layer, Operation)]
    assert len(operations) > 1
    for operation in operations:

        def wrong(x: Any, right: Any = operation.forward) -> Any:
            return map_structure(lambda y: y.logical_not() if y.dtype == torch.bool else y.flip(-1) + 1, right(x))

        operation.forward = wrong
        assert gaps(reference["outputs"], model, inputs), operation.name
        del operation.forward


def test_info_names_the_functions(
    keras_worker: KerasWorker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keras_worker.call("keras3", "graphs:run", "mask_and_function", make_inputs((WORD,)), str(tmp_path))
    assert main(["info", str(tmp_path / "model.keras")]) == 0
    shown = capsys.readouterr().out
    assert "StopGradient" in shown
    assert "mask: is lost at multiply" in shown
    assert "(Multiply)" in shown


def test_layers_of_tensorflow_2_0_to_2_3(keras_worker: KerasWorker, tmp_path: Path) -> None:
    inputs = [_array(SEQUENCE, 0), _array(WORD, 1)]
    path = str(tmp_path / "model.h5")
    reference = keras_worker.call("keras2", "graphs:run_graph_layers", path, inputs)
    assert "TensorFlowOpLayer" in reference["classes"]
    model = kerastorch.load_model(path)
    theirs = [output.astype("int32") if output.dtype == np.int64 else output for output in reference["outputs"]]
    found = gaps(theirs, model, inputs)
    assert not found, "\n".join(found)
    # The binary form, as TensorFlow 2.1 wrote it where it is text.
    read = 0
    for binary, operation in reference["definitions"]:
        try:
            text = binary.decode("utf-8")
        except UnicodeDecodeError:
            continue
        assert read_node_def(text, "").operation == operation
        read += 1
    assert read > 20
