"""What every function of `kt.convert` makes of arrays of distinct whole numbers, how models were compiled, and what
tables of models say: sets of outcomes, see `_outcomes.py`."""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Callable
from functools import cache
from itertools import permutations
from typing import Any

import numpy as np
import torch
from _outcomes import plain
from _outcomes_examples import briefly
from _outcomes_models import models
from torch import nn

from kerastorch import convert, layers
from kerastorch.compat.training import tables, translate_training
from kerastorch.files import Array
from kerastorch.matching.convert import converted as of_file
from kerastorch.spec import TrainingConfig, Writer

F, U = 3, 2  # and, where a turned array shall keep its shape, the same
GATES = {"lstm": 4, "gru": 3, "simple_rnn": 1}
OPTIONS: dict[str, tuple[Any, ...]] = {
    "bias_to": ("ih", "hh", "other"),
    "sum_biases": (True, False, 1),
    "prefix": ("rnn.", "x"),
    "layer": (0, 1, -1),
    "reverse": (True, False),
    "direction": (0, 1, 2),
    "forget_bias": (0.0, 1.0, 2.0),
    "linear_before_reset": (0, 1),
    "reset_after": (True, False),
    "bias": (None,),
    "B": (None,),
    "backward": (None,),
}


def numbers(at: int, *shape: int) -> np.ndarray:
    """Whole numbers, in no other array and nowhere else in this one."""
    return np.arange(np.prod(shape), dtype="float32").reshape(shape) + 1000 * at


def arrays_for(name: str, features: int) -> dict[str, Any]:
    """Argument -> what it may be, by its name."""
    kind = next((each for each in GATES if each in name), "lstm")
    gates = GATES[kind]
    keras = [numbers(1, features, gates * U), numbers(2, U, gates * U), numbers(3, gates * U)]
    if ("cudnn" in name and kind == "gru") or name in ("gru_to_torch",):
        keras[2] = numbers(3, 2, gates * U)
    other = [each + 100_000 for each in keras]
    state = {
        f"{part}_{side}_l0{way}": numbers(10 * at + number, *shape)
        for at, way in enumerate(("", "_reverse"))
        for number, (part, side, shape) in enumerate(
            (
                ("weight", "ih", (gates * U, features)),
                ("weight", "hh", (gates * U, U)),
                ("bias", "ih", (gates * U,)),
                ("bias", "hh", (gates * U,)),
            )
        )
    }
    module: Any = {"lstm": nn.LSTM, "gru": nn.GRU, "simple_rnn": nn.RNN}[kind](features, U, 2, bidirectional=True)
    with torch.no_grad():
        for at, parameter in enumerate(module.parameters()):
            parameter.copy_(torch.tensor(numbers(at, *parameter.shape)))
    return {
        "kernel": numbers(1, features + U, gates * U) if "_cell" in name and "from" in name else keras[0],
        "recurrent_kernel": keras[1],
        "bias": keras[2],
        "buffer": numbers(4, gates * U * (features + U + 2)),
        "input_size": features,
        "units": U,
        "arrays": [numbers(at, *shape) for at, shape in enumerate([(features, U), (U, U), (U,)] * gates)],
        "W": numbers(1, 2, gates * U, features),
        "R": numbers(2, 2, gates * U, U),
        "B": numbers(3, 2, 2 * gates * U),
        "gates_kernel": numbers(1, features + U, 2 * U),
        "gates_bias": numbers(2, 2 * U),
        "candidate_kernel": numbers(3, features + U, U),
        "candidate_bias": numbers(4, U),
        "forward": keras,
        "backward": other,
        "state": state,
        "module": module,
        "kind": {"lstm": "LSTM", "gru": "GRU", "simple_rnn": "SimpleRNN"}[kind],
        "sum_biases": True,
    }


def shown(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        value = value.detach().numpy()
    if isinstance(value, np.ndarray):
        return [str(value.dtype), list(value.shape), value.tolist()]
    if isinstance(value, nn.Module):
        return {key: shown(each) for key, each in value.state_dict().items()}
    if isinstance(value, dict):
        return {key: shown(each) for key, each in value.items()}
    return [shown(each) for each in value] if isinstance(value, tuple | list) else plain(value)


def others(value: Any) -> list[Any]:
    """The same as torch tensors; and wrong ones: turned, a row less, none, of another kind."""
    if isinstance(value, np.ndarray):
        return [
            torch.tensor(value),
            value.T,
            value[:-1],
            value[..., :-1],
            value.astype("float64"),
            value.astype("int64"),
            None,
            value[None],
        ]
    if isinstance(value, list):
        return [value[:-1], value[::-1], [*value, value[0]], tuple(map(torch.tensor, value))]
    if isinstance(value, dict):
        wrong = [{**value, key: each[..., :-1]} for key, each in value.items()] + [
            {**value, key: each[None]} for key, each in list(value.items())[:4]
        ]
        return [dict(list(value.items())[:-1]), {f"rnn.{key}": each for key, each in value.items()}, {}, *wrong]
    return ["LSTM", "GRU", "SimpleRNN", "other"] if isinstance(value, str) else [value, 0]


@cache
def converted() -> dict[str, Callable[[], Any]]:
    cases: dict[str, Callable[[], Any]] = {}
    for name, function in vars(convert).items():
        if name[0] == "_" or not inspect.isfunction(function):
            continue
        parameters = inspect.signature(function).parameters
        for features in (F, U):
            made = arrays_for(name, features)
            needed = {key: made.get(key) for key, each in parameters.items() if each.default is each.empty}
            calls = [("", needed), *((f"with {key}", {**needed, key: made[key]}) for key in parameters if key in made)]
            full = {**needed, **{key: made[key] for key in parameters if key in made}}
            calls += [
                (f"{key}={value!r} {base}", {**given, key: value})
                for key in parameters
                if key in OPTIONS
                for value in OPTIONS[key]
                for base, given in (("alone", needed), ("and all", full))
            ]
            calls += [
                (f"{key} otherwise {at}", {**full, key: value})
                for key in parameters
                if key in made
                for at, value in enumerate(others(made[key]))
            ]
            for label, given in calls:

                def run(function: Any = function, given: Any = given) -> Any:
                    given = copy.deepcopy(given)  # a module is changed in place
                    return [shown(function(**given)), shown(given.get("module"))]

                cases[f"{name} of {features}: {label}"] = briefly(run)
    return {**cases, **kernels_of_keras1()}


def kernels_of_keras1() -> dict[str, Callable[[], Any]]:
    """Kernels of convolutions whose axes stand in every order, as Keras 1 may have written them."""
    cases: dict[str, Callable[[], Any]] = {}
    for cls, size, shape in (
        ("Conv1D", (2,), (None, 7, 4)),
        ("Conv2D", (2, 3), (None, 7, 7, 4)),
        ("Conv3D", (2, 3, 1), (None, 7, 7, 7, 4)),
        ("Conv2DTranspose", (2, 3), (None, 7, 7, 4)),
        ("SeparableConv2D", (2, 3), (None, 7, 7, 4)),
        ("ConvLSTM2D", (2, 3), (None, 3, 7, 7, 4)),
    ):
        for data_format in ("channels_last", "channels_first"):
            turned = (*shape[:-3], shape[-1], *shape[-3:-1]) if cls != "Conv3D" else (None, 4, 7, 7, 7)
            layer = getattr(layers, cls)(5, size, data_format=data_format, name="l")
            layer.build(shape if data_format == "channels_last" or cls == "Conv1D" else turned)
            variables = layer.variables
            kernel = variables[0].shape
            wanted = [*permutations(range(len(kernel)))][:: 1 if len(kernel) < 5 else 7]
            shapes = [tuple(kernel[axis] for axis in axes) for axes in wanted]
            if cls == "Conv1D":
                shapes += [(5, 4, 2, 1), (2, 1, 4, 5), (4, 5, 2, 1), (2, 4, 5, 1)]
            for first in shapes:
                stored = [
                    (f"l_{at}:0", _array(numbers(at, *(first if at == 0 else each.shape))))
                    for at, each in enumerate(variables)
                ]
                cases[f"{cls} {data_format} kernel {first}"] = briefly(
                    lambda variables=variables, stored=stored: [
                        [name, list(array.shape), array.read().tolist()]
                        for name, array in of_file(variables, stored, keras1=True, sum_biases=False).arrays
                    ]
                )
    return cases


def _array(values: np.ndarray) -> Array:
    return Array("here", values.shape, str(values.dtype), lambda: values)


# ---------------------------------------------------------------- how models were compiled


@cache
def compiled_with() -> dict[str, Callable[[], Any]]:
    """Every name of an optimizer, a loss, a metric alone, of each era, for each dialect."""
    losses = [*tables.LOSSES, *tables.KERAS3_LOSSES, *tables.LOSS_CLASSES, *tables.KERAS3_LOSS_CLASSES]
    metrics = [*tables.METRICS, *tables.METRIC_CLASSES, *tables.KERAS3_METRIC_CLASSES, *tables.SPECIAL_METRICS]
    own = {**tables.OPTIMIZERS, **tables.KERAS_FILE_OPTIMIZERS}
    optimizers = [*own, *tables.KERAS3_OPTIMIZERS, *tables.OPTIMIZER_NAMES, *tables.SCHEDULES]
    configs: list[tuple[str, dict[str, Any]]] = []
    for name in losses:
        options = dict.fromkeys(tables.LOSS_CLASSES.get(name, ()), 1)
        for loss in (name, {"class_name": name, "config": {**options, "name": "n", "reduction": "sum"}}):
            configs.append((f"loss {loss}", {"optimizer": "adam", "loss": loss, "metrics": None}))
    for name in metrics:
        options = dict.fromkeys(tables.METRIC_CLASSES.get(name, ()), 1)
        for metric in (name, {"class_name": name, "config": {**options, "name": "n", "dtype": "float32"}}):
            configs.append((f"metric {metric}", {"optimizer": "adam", "loss": "mse", "metrics": [metric]}))
    for name in optimizers:
        options = dict.fromkeys((*own.get(name, ()), *tables.COMMON, *tables.SCHEDULES.get(name, ())), 1)
        for optimizer in (name, {"class_name": name, "config": {**options, "learning_rate": 0.5, "name": "n"}}):
            configs.append((f"optimizer {optimizer}", {"optimizer": optimizer, "loss": "mse", "metrics": None}))
    cases: dict[str, Callable[[], Any]] = {}
    for number, (label, config) in enumerate(configs):
        for era in ("keras1", "keras2", "tf.keras", "keras3"):
            dialect = ("keras3", "keras2")[(number + len(era)) % 2]
            form = ("keras", "h5")[number // 2 % 2]
            known = TrainingConfig(json.dumps(config), form, Writer(era, None))  # type: ignore[arg-type]
            cases[f"{label}, {era} to {dialect} {form}"] = briefly(
                lambda known=known, form=form, dialect=dialect: plain(
                    translate_training(known, form, dialect, ("a",), "net")
                )
            )
    return cases


# ---------------------------------------------------------------- summaries


@cache
def summaries() -> dict[str, Callable[[], Any]]:
    cases: dict[str, Callable[[], Any]] = {}
    for name, model in models().items():
        names = [layer.name for layer in getattr(model, "layers", ())]
        ends = [*names[:3], "nobody", ".*"]
        options: list[dict[str, Any]] = [
            {},
            {"line_length": 60},
            {"line_length": 120, "positions": [0.3, 0.6, 0.8, 1.0]},
            {"positions": [20, 40, 50, 60]},
            {"expand_nested": True},
            {"expand_nested": True, "show_trainable": True},
            {"style": "torch"},
            {"style": "torch", "depth": 1, "col_names": ("input_size", "output_size", "num_params", "trainable")},
            {"style": "torch", "verbose": 0},
            {"style": "torch", "verbose": 1},
            *({"layer_range": [first, last]} for first in ends for last in ends),
            {"layer_range": "a"},
            {"layer_range": ["a"]},
            {"expand_nested": True, "layer_range": [names[0], names[-1]] if names else None},
            {"positions": [0.4, 0.7, 1.0]},
            {"positions": [20, 40, 60], "show_trainable": True},
            {"positions": [0.0, 0.7, 1.0]},
            {"positions": [0.5, 0.4, 0.8, 1.0]},
            {"line_length": 20},
            {"line_length": 0},
            {"line_length": print},
            {"line_length": 100, "show_trainable": True},
            {"expand_nested": "yes"},
            {"show_trainable": 2},
            {"depth": 3},
            {"style": "table"},
            {"layer_range": ["a", 3]},
        ]
        for number, given in enumerate(options):

            def text(model: Any = model, given: Any = given) -> Any:
                lines: list[str] = []
                model.summary(print_fn=lines.append, **given)
                return "\n".join(lines).splitlines()

            cases[f"{name} {number} {given}"] = briefly(text)
    return cases
