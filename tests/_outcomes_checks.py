"""Which input shapes attention takes, how wide columns of summaries are, what is written for each output of how a model
was compiled, and arrays of Keras 1 in every order. A set of outcomes, see `_outcomes.py`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from typing import Any
from zlib import crc32

import numpy as np
import torch
from _outcomes import METRICS, plain
from _outcomes_layers import told
from torch import nn

from kerastorch import convert, layers
from kerastorch.compat.training.configs import losses_and_metrics, translate_training
from kerastorch.files import Array
from kerastorch.matching import convert as of_files
from kerastorch.models.summary_table import Table, _widths
from kerastorch.spec import TrainingConfig, Writer

# ---------------------------------------------------------------- input shapes of attention

SHAPES: tuple[Any, ...] = (
    *((2, 4, 3), (2, 5, 3), (3, 4, 3), (2, 4, 6), (None, 4, 3), (2, None, 3), (2, 4, None), (None, None, 3)),
    *((4, 3), (3,), (), (2, 2, 4, 3), (2, 3, 4, 3), (2, 2, 5, 3)),
)


def attention_shapes() -> Iterator[tuple[str, Callable[[], Any]]]:
    makers: dict[str, Callable[[], Any]] = {
        "Attention": lambda: layers.Attention(use_scale=True, name="it"),
        "AdditiveAttention": lambda: layers.AdditiveAttention(name="it"),
        "MultiHeadAttention": lambda: layers.MultiHeadAttention(2, 3, value_dim=2, name="it"),
        "MultiHeadAttention over axes": lambda: layers.MultiHeadAttention(
            2, 3, output_shape=(5, 2), attention_axes=(1, 2), name="it"
        ),
        "GroupQueryAttention": lambda: layers.GroupQueryAttention(3, 4, 2, use_gate=True, name="it"),
    }
    every = [(one,) for one in SHAPES[:3]] + [*product(SHAPES, SHAPES[::2])]
    every += [each for each in product(SHAPES, SHAPES, SHAPES) if crc32(repr(each).encode()) % 25 == 0]
    every += [((2, 4, 3),) * 4, (2, 4, 3), 3, None, [(2, 4, 3), None], [(2, 4, 3), 3]]
    for (name, make), shapes in product(makers.items(), every):

        def check(make: Any = make, shapes: Any = shapes) -> Any:
            """What it says of the shapes, and what it makes for them."""
            apart = isinstance(make(), (layers.MultiHeadAttention, layers.GroupQueryAttention))
            given = list(shapes) if isinstance(shapes, tuple) and shapes and isinstance(shapes[0], tuple) else shapes

            def built() -> Any:
                layer = make()
                layer.build(*given) if apart and isinstance(given, list) else layer.build(given)
                return [[each.path, list(each.shape)] for each in layer.weights]

            said = [lambda: make()._check_input_shape(given), lambda: make().compute_output_shape(given), built]
            return [said_of(each) for each in said]

        yield f"{name} of {shapes}", check


def said_of(make: Callable[[], Any]) -> Any:
    try:
        return plain(told(make)())
    except Exception as error:  # noqa: BLE001 - one outcome for each, so that all are compared
        return f"{type(error).__name__}: {error}"


# ---------------------------------------------------------------- columns of summaries

LENGTHS: tuple[Any, ...] = (None, 40, 60, 65, 88, 98, 100, 120, 1, 20, 10)
POSITIONS: tuple[Any, ...] = (
    *(None, (0.45, 0.8, 1.0), (0.3, 0.56, 0.74, 1.0), (0.3, 0.6, 1.0, 1.0), (20, 40, 60), (20, 40, 50, 60), [0.5, 1.0]),
    *(
        (),
        (1.0, 0.5, 0.2),
        (0, 0.5, 1),
        (-1, 1, 2),
        (1, 1, 1),
        (5, 10, 15, 20),
        (6, 11, 16, 21),
        (0.1, 0.2, 0.9, 1.0, 1.0),
    ),
)


def columns() -> Iterator[tuple[str, Callable[[], Any]]]:
    for length, positions, graph, trainable in product(LENGTHS, POSITIONS, (False, True), (False, True)):

        def widths(
            length: Any = length, positions: Any = positions, graph: Any = graph, trainable: Any = trainable
        ) -> Any:
            headings = [
                "Layer (type)",
                "Output Shape",
                "Param #",
                *["Connected to"] * graph,
                *["Trainable"] * trainable,
            ]
            return _widths(Table(length, positions, show_trainable=trainable), headings, graph)

        yield f"columns of {length} {positions} {graph} {trainable}", widths
    wrong: tuple[Any, ...] = (None, True, False, 0, 1, -1, 2.5, "60", [60], print)
    for key in ("line_length", "expand_nested", "show_trainable"):
        for value in wrong:
            yield (
                f"table with {key}={getattr(value, '__name__', value)!r}",
                lambda key=key, value=value: plain(vars(Table(**{key: value}))[key]),
            )


# ---------------------------------------------------------------- how a model was compiled, for each output

LOSSES: tuple[Any, ...] = (
    None,
    "mse",
    {"a": "mse"},
    {"b": "mae", "a": "mine"},
    ["mse", "mae"],
    ["mse"],
    {"c": "mse"},
    [None, "mae"],
)
WEIGHTS: tuple[Any, ...] = (
    *(
        None,
        0.5,
        [0.5],
        [0.5, 2.0],
        [],
        {},
        {"a": 3.0},
        {"b": 3.0},
        {"a": 2.0, "b": 0.25},
        {"c": 2.0},
        {"a": "x"},
        [None],
    ),
    *(3, True, [True], "x"),
)
OF_METRICS: tuple[Any, ...] = (
    None,
    [],
    "mae",
    ["mae"],
    [["mae"], ["mse", "acc"]],
    {"a": "mae"},
    {"b": ["mae", "mine"]},
    [[], ["mae"]],
)


def compiled() -> Iterator[tuple[str, Callable[[], Any]]]:
    stated = [({"loss": loss, "loss_weights": weights}, "mse") for loss, weights in product(LOSSES, WEIGHTS)]
    stated += [
        ({"loss": "mse", "metrics": some, "weighted_metrics": more}, "")
        for some, more in product(OF_METRICS, OF_METRICS)
    ]
    stated += [({"loss": ["mse", "mae"], "metrics": each}, "") for each in METRICS]
    for (config, _), outputs, era in product(
        stated, (("a",), ("b",), ("a", "b"), ("a", "b", "c")), ("keras1", "keras2", "tf.keras", "keras3")
    ):
        label = f"compiled {config}, outputs {' '.join(outputs)}, {era}"
        if crc32(label.encode()) % 4:
            continue
        for form in ("keras", "h5"):

            def written(config: Any = config, outputs: Any = outputs, era: Any = era, form: Any = form) -> Any:
                known = TrainingConfig(json.dumps({"optimizer": "adam", **config}), form, Writer(era, None))
                other = "keras2" if era == "keras3" else "keras3"
                return [
                    losses_and_metrics(known, outputs, ("mine",)),
                    translate_training(known, "keras", other, outputs, "net"),
                    translate_training(known, "h5", "keras3", outputs, "net", ("mine",)),
                ]

            yield f"{label}, {form}", written


# ---------------------------------------------------------------- arrays

MODULES: dict[str, Callable[..., Any]] = {
    "LSTM": nn.LSTM,
    "GRU": nn.GRU,
    "RNN": nn.RNN,
    "Linear": lambda *_, **__: nn.Linear(2, 2),
}


def values(at: int, *shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype="float32").reshape(shape) + 1000 * at


def copied() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Arrays of each kind of layer, into each kind of module, layer and direction."""
    for gates, name in product((1, 3, 4), MODULES):
        for layer, reverse, bias, bias_to in product(
            (0, 1, 2), (False, True), ("of one", "of two", "none"), ("ih", "hh", "half")
        ):
            for options in ({"num_layers": 2, "bidirectional": True}, {}, {"bias": False}):
                label = f"copy {gates} gates to {name} {options}, {layer} {reverse} {bias} {bias_to}"
                if crc32(label.encode()) % 4:
                    continue

                def copy(
                    gates: int = gates,
                    name: str = name,
                    layer: int = layer,
                    reverse: bool = reverse,
                    bias: str = bias,
                    bias_to: Any = bias_to,
                    options: Any = options,
                ) -> Any:
                    width = 2 * gates
                    made = {"of one": values(3, width), "of two": values(3, 2, width), "none": None}[bias]
                    module = MODULES[name](2, 2, **options) if layer < 2 else MODULES[name](4, 2, **options)
                    rows = 4 if layer == 1 and options.get("bidirectional") else 2
                    with torch.no_grad():
                        for parameter in module.parameters():
                            parameter.zero_()
                    convert.copy_to_torch(
                        module,
                        values(1, rows, width),
                        values(2, 2, width),
                        made,
                        layer=layer,
                        reverse=reverse,
                        bias_to=bias_to,
                    )
                    return {key: each.tolist() for key, each in module.state_dict().items() if each.any()}

                yield label, copy


def old_arrays() -> Iterator[tuple[str, Callable[[], Any]]]:
    """The arrays of a layer in the layouts that a file may have: by gates in every order, halves of cuDNN's biases."""
    makers: dict[str, Callable[[], Any]] = {
        "LSTM": lambda: layers.LSTM(2, name="l"),
        "GRU": lambda: layers.GRU(2, name="l"),
        "GRU reset before": lambda: layers.GRU(2, reset_after=False, name="l"),
        "CuDNNLSTM": lambda: layers.CuDNNLSTM(2, name="l"),
        "CuDNNGRU": lambda: layers.CuDNNGRU(2, name="l"),
        "LSTM without bias": lambda: layers.LSTM(2, use_bias=False, name="l"),
        "Highway": lambda: layers.Highway(name="l"),
        "SimpleRNN": lambda: layers.SimpleRNN(2, name="l"),
    }
    gates = ("ifco", "icfo", "zrh", "rzh", "h", "")
    for name, make in makers.items():
        for order in gates:
            for label, change in {
                "": lambda found: found,
                "without names": lambda found: [("param", array) for _, array in found],
                "without the last": lambda found: found[:-1],
                "the first two exchanged": lambda found: [found[1], found[0], *found[2:]],
                "doubles behind": lambda found: [*found[:-1], (found[-1][0], _array(np.float64(found[-1][1].read())))],
                "wider behind": lambda found: [*found[:-1], (found[-1][0], _array(values(9, 2, 5)))],
            }.items():
                for keras1, summed in product((True, False), (True, False)):

                    def read(
                        make: Any = make,
                        order: str = order,
                        change: Any = change,
                        keras1: Any = keras1,
                        summed: Any = summed,
                    ) -> Any:
                        layer = make()
                        layer.build((None, 5, 2) if type(layer).__name__ != "Highway" else (None, 2))
                        stored = [
                            (f"l_{kind}_{gate}:0", _array(values(10 * at + number, *shape)))
                            for at, gate in enumerate(order)
                            for number, (kind, shape) in enumerate((("W", (2, 2)), ("U", (2, 2)), ("b", (2,))))
                        ] or [(f"l_{at}:0", _array(values(at, *each.shape))) for at, each in enumerate(layer.variables)]
                        found = of_files.converted(layer.variables, change(stored), keras1=keras1, sum_biases=summed)
                        arrays = [
                            [key, array.where, list(array.shape), array.dtype, read_of(array)]
                            for key, array in found.arrays
                        ]
                        return [arrays, found.rules, found.problems]

                    yield f"{name} from {order or 'its own arrays'} {label} {keras1} {summed}", read
        for source in makers:
            yield (
                f"{name}'s arrays for {source}",
                lambda name=name, source=source: crossed(makers[name](), makers[source]()),
            )
        shapes = ((2,), (6,), (2, 6), (12,), (3, 2), (8,), ())
        yield f"hints for {name}", lambda make=make, shapes=shapes: hints(make(), shapes)


def crossed(layer: Any, source: Any) -> Any:
    for each in (layer, source):
        each.build((None, 5, 2) if type(each).__name__ != "Highway" else (None, 2))
    stored = [(f"l_{at}:0", _array(values(at, *each.shape))) for at, each in enumerate(source.variables)]
    found = []
    for keras1, summed in product((True, False), (True, False)):
        made = of_files.converted(layer.variables, stored, keras1=keras1, sum_biases=summed)
        found.append([[[list(array.shape), read_of(array)] for _, array in made.arrays], made.rules, made.problems])
    return found


def hints(layer: Any, shapes: Any) -> Any:
    layer.build((None, 5, 2) if type(layer).__name__ != "Highway" else (None, 2))
    return [of_files.bias_hint(each, shape) for each in layer.variables for shape in shapes]


def _array(made: np.ndarray) -> Array:
    return Array(f"at {int(made.ravel()[0])}", made.shape, str(made.dtype), lambda: made)


def read_of(array: Array) -> Any:
    """The values, or what reading them fails with: shapes that do not fit are refused before."""
    try:
        return array.read().tolist()
    except (ValueError, IndexError) as error:
        return type(error).__name__


@cache
def checks() -> dict[str, Callable[[], Any]]:
    cases: dict[str, Callable[[], Any]] = {}
    for some in (attention_shapes, columns, compiled, copied, old_arrays):
        cases.update(some())
    return {key: told(lambda case=case: plain(case())) for key, case in cases.items()}
