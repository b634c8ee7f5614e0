"""What a type checker tells people about code that uses the package."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import kerastorch as kt
from kerastorch.base.layer import REGISTRY

PACKAGE = Path(__file__).resolve().parent.parent

# Each line that is wrong says so; each `reveal_type` says what it reveals.
SNIPPET = """
import numpy as np
import torch
import kerastorch as kt
from kerastorch import layers

x, words = torch.zeros(2, 3, 4), np.zeros((2, 3, 4))
lstm = layers.LSTM(4, return_sequences=True)
dense = layers.Dense(1)
layers.LSTM(4, return_sequence=True)  # wrong
layers.Dense(4, "relu", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13)  # wrong
layers.Dense()  # wrong
layers.Lstm(4)  # wrong
kt.load_modle("m.keras")  # wrong
lstm.unitz  # wrong
dense.karnel  # wrong
reveal_type(lstm)  # LSTM
reveal_type(lstm.units)  # int
reveal_type(lstm.weights[0].shape)  # tuple[int, ...]
reveal_type(lstm(x))  # Tensor
reveal_type(lstm(words, training=True))  # Tensor
reveal_type(lstm(kt.Input((3, 4))))  # SymbolicTensor
reveal_type(dense.kernel)  # Variable
reveal_type(dense.bias)  # WeightParameter
dense.kernel = np.zeros((4, 1))
dense.bias.assign(np.zeros(1))
y, h, c = layers.LSTM(4, return_sequences=True, return_state=True)(x)
z, *states = layers.GRU(4, return_state=True)(kt.Input((3, 4)))
layers.Add()([y, y]).shape

model = kt.Sequential([lstm, dense])
reveal_type(model)  # Sequential
reveal_type(model(x))  # Tensor
reveal_type(model.predict(words))  # ndarray[tuple[Any, ...], dtype[Any]]
first, second = model.predict(words)
model.predict(words)["name"].shape
print(model.layers[0].units, model.get_layer("dense").kernel, model.input.shape)
model.predct(words)  # wrong
model.predict(words, batchsize=3)  # wrong
model.fit(words, words, epoch=3)  # wrong
model.compile("adam", loss="mse", metric=["mae"])  # wrong
model.evaluate(words, words, return_dic=True)  # wrong
kt.load_model("m.keras", costum_objects={})  # wrong
kt.save_model(model, "m.keras", dialekt="keras2")  # wrong
kt.callbacks.EarlyStoping()  # wrong
kt.losses.MeanSquareError()  # wrong
layers.Embedding(10)  # wrong
layers.Bidirectional(lstm, merge="sum")  # wrong
layers.Dropout(0.1, seeds=3)  # wrong
layers.Conv1D(3, 2, stride=2)  # wrong
kt.utils.to_categoricl([1])  # wrong
kt.check_parity("m.keras", tolerance=1e-5)  # wrong
kt.convert.lstm_to_torch(words, words, words, bias_to="both")  # wrong
history = model.fit(words, words, epochs=3, callbacks=[kt.callbacks.EarlyStopping(patience=2)])
model.compile(kt.optimizers.Adam(1e-3), loss={"a": "mse"}, metrics=["mae"])
kt.save_model(model, "m.keras").rules
kt.load_model("m.keras", custom_objects={"Own": layers.Dense}).summary()
kt.Model(kt.Input((3,)), [kt.Input((3,))], name="m").to_json()
torch.optim.Adam(model.parameters(), eps=1e-7)
status: int = kt.scan("m.keras").status
layers.Concatenate(axis=1, name="both", keras2_masks=True)
layers.Bidirectional(lstm, merge_mode="sum", name="two", dtype="float32")
layers.Dropout(0.1, name="drop", trainable=False)


class Own(layers.Layer):
    def __init__(self, units: int, **options):
        super().__init__(**options)
        self.units = units
        self.inner = layers.Dense(units)

    def build(self, input_shape):
        self.w = self.add_weight(shape=(3,))
        self.kernel = self.add_weight(shape=(3,))
        self.kernel_initializer = kt.initializers.get("zeros")

    def call(self, x):
        return self.inner(x) * self.w + self.units


own = Own(3)
own.w.assign(np.zeros(3))
own.unitz  # wrong
reveal_type(own.units)  # int
"""


def every_attribute() -> Iterator[str]:
    """A file that uses every public attribute of every layer, of a model, and every name of a namespace."""
    yield from ("import kerastorch as kt", "from kerastorch import layers")
    plain = set(vars(nn.Module()))
    for index, (name, cls) in enumerate(REGISTRY.items()):
        names: set[str] = set()
        for example in cls.EXAMPLES:
            layer: Any = cls.from_config(dict(example.config))
            layer.build(example.input_shape)
            held = (*vars(layer), *layer._parameters, *layer._buffers, *layer._modules, *cls._weight_names)
            names.update(one for one in held if not one.startswith("_") and one.isidentifier())
        if cls.__name__ in vars(kt.layers):
            yield f"def f{index}(layer: layers.{cls.__name__}) -> None:"
            yield from [f"    layer.{one}" for one in sorted(names - plain)] or ["    pass"]
        else:
            assert name in ("InputLayer", "Sequential", "Model", "Functional")
    model = kt.Sequential([kt.Input((3,)), kt.layers.Dense(2)])
    for kind in (model, kt.Model(model.input, model.output)):
        yield f"def {type(kind).__name__}(model: kt.{type(kind).__name__}) -> None:"
        names = {one for one in dir(kind) if not one.startswith("_") and one.isidentifier()} - {"call", "unbuilt"}
        yield from (f"    model.{one}" for one in sorted(names))
    for space in ("callbacks", "layers", "losses", "metrics", "models", "optimizers", "saving", "utils"):
        yield from (f"kt.{space}.{name}" for name in dir(getattr(kt, space)) if not name.startswith("_"))
    yield from (f"kt.{name}" for name in dir(kt) if not name.startswith("_"))


@pytest.mark.skipif(importlib.util.find_spec("pyright") is None, reason="pyright is not installed here")
def test_what_is_wrong_is_flagged_and_what_is_there_is_known(tmp_path: Path) -> None:
    file, all_of_it = tmp_path / "snippet.py", tmp_path / "everything.py"
    file.write_text(SNIPPET)
    all_of_it.write_text("\n".join(every_attribute()) + "\n")
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    run = subprocess.run(
        [*command, str(file), str(all_of_it)], cwd=PACKAGE, capture_output=True, text=True, timeout=300
    )
    found = json.loads(run.stdout)["generalDiagnostics"]
    assert [item["message"] for item in found if item["file"] == str(all_of_it)] == []
    lines = SNIPPET.splitlines()
    shown = [(lines[item["range"]["start"]["line"]], item["severity"], item["message"]) for item in found]
    assert {line for line, severity, _ in shown if severity == "error"} == {
        line for line in lines if line.endswith("# wrong")
    }, [message for line, severity, message in shown if severity == "error" and not line.endswith("# wrong")]
    told = {line: message for line, severity, message in shown if severity != "error"}
    assert told == {
        line: f'Type of "{line.partition("  # ")[0][12:-1]}" is "{line.partition("  # ")[2]}"'
        for line in lines
        if line.startswith("reveal_type(")
    }
