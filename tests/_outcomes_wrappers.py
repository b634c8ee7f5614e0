"""What pairs in a Bidirectional, functions, modules, compiled code and initial weights make of what they are given.

A set of outcomes, see `_outcomes.py`. Numbers are whole and small: exact in single precision, too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import product
from typing import Any
from zlib import crc32

import numpy as np
import torch
from _outcomes import plain
from _outcomes_examples import named
from _outcomes_layers import B, F, T, U, calls, numbers, result, shown, told
from torch import Tensor, nn

import kerastorch as kt
from kerastorch import layers
from kerastorch.base.layer import REGISTRY
from kerastorch.structure import leaves

# ---------------------------------------------------------------- pairs

FORWARD: dict[str, Any] = {"name": "ahead", "dtype": "float64", "activation": "linear", "recurrent_activation": "relu6"}
BACKWARD: dict[str, Any] = {**FORWARD, "name": "back", "go_backwards": True}
OF_ONE: tuple[dict[str, Any], ...] = (
    {},
    {"name": "forward_gru"},
    {"dtype": "float32"},
    {"trainable": False},
    {"use_cudnn": False},
    {"use_cudnn": True},
    {"go_backwards": True},
    {"return_sequences": True},
    {"return_state": True},
    {"stateful": True},
    {"zero_output_for_mask": True},
    {"units": 3},
)
OF_BOTH: tuple[dict[str, Any], ...] = (
    {},
    {"dtype": "float64"},
    {"dtype": "mixed_bfloat16"},
    {"trainable": False},
    {"merge_mode": "sum"},
    {"merge_mode": None},
    {"keras2_dtypes": True},
    {"input_shape": (T, F)},
)


def gru(base: dict[str, Any], options: dict[str, Any]) -> layers.GRU:
    given = {"units": U, **base, **options}
    cudnn = given.pop("use_cudnn", "auto")
    made = layers.GRU(**given)
    made.use_cudnn = cudnn
    return made


def told_of(layer: Any) -> Any:
    """Everything that a pair says of itself, built and not."""
    each = [layer.forward_layer, layer.backward_layer]
    before = [layer._built, layer._in_shape if layer._built else None]
    unbuilt = json.loads(json.dumps(layer.get_config()))
    layer.build((B, T, F))
    layer.set_weights([numbers(*array.shape, at=at).numpy() for at, array in enumerate(layer.get_weights())])
    return [
        before,
        [[one.name, str(one.dtype), one.trainable, one.use_cudnn, one.go_backwards, one._casts] for one in each],
        [[one.zero_output_for_mask, one.return_sequences, one.return_state, one.stateful] for one in each],
        [layer.return_sequences, layer.return_state, layer.stateful, layer.trainable, str(layer.compute_dtype)],
        unbuilt,
        json.loads(json.dumps(layer.get_config())) == unbuilt,
        [[one.path, list(one.shape), str(one.dtype), one.trainable] for one in layer.weights],
        layer.compute_output_shape((B, T, F)),
        result(layer.eval(), layer(numbers(B, T, F, at=11))),
        [name for name, _ in layer._keras_aliases()],
    ]


def pairs() -> Iterator[tuple[str, Callable[[], Any]]]:
    for one, other, both in product(OF_ONE, (None, *OF_ONE), OF_BOTH):
        key = f"Bidirectional of {one} and {other}, {both}"
        plainly = sum(bool(each) for each in (one, other, both)) < 2
        if not plainly and crc32(key.encode()) % 8:
            continue

        def pair(one: Any = one, other: Any = other, both: Any = both) -> Any:
            back = {} if other is None else {"backward_layer": gru(BACKWARD, other)}
            return told_of(layers.Bidirectional(gru(FORWARD, one), name="both", **back, **both))

        yield key, pair
    wrong: tuple[Any, ...] = (
        None,
        3,
        "GRU",
        layers.Dense,
        lambda: layers.Dense(3, name="d"),
        {"class_name": "Dense", "config": {}},
    )
    for value in wrong:
        for argument in ("layer", "backward_layer"):

            def refused(value: Any = value, argument: str = argument) -> Any:
                given = value() if callable(value) and not isinstance(value, type) else value
                return layers.Bidirectional(**{"layer": layers.GRU(2, name="g"), argument: given, "name": "both"}).name

            yield f"Bidirectional with {argument}={value if not callable(value) else 'a Dense'}", refused


# ---------------------------------------------------------------- functions and modules


def one(x: Tensor) -> Tensor:
    return x + 1


def with_mask(x: Tensor, mask: Any = None) -> Tensor:
    return x if mask is None else x * mask[..., None].to(x.dtype)


def with_training(x: Tensor, training: bool = False) -> Tensor:
    return x * (2 if training else 1)


def of_two(x: Tensor, y: Tensor, x_mask: Any = None, y_mask: Any = None, scale: int = 1) -> Any:
    used = [0 if mask is None else 1 + int(mask.sum()) for mask in (x_mask, y_mask)]
    return scale * x + y + used[0] + 10 * used[1]


def of_many(x: Tensor, **more: Any) -> Any:
    return x, [x[:, 0], {"last": x[:, -1]}]


class OfMask(nn.Module):
    """A module with a mask of its own, and arguments for masks."""

    def forward(self, x: Tensor, mask: Any = None, training: bool = False) -> Tensor:
        return with_training(with_mask(x, mask), training)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None if mask is None else ~mask


class KeepsMask(nn.Module):
    supports_masking = True

    def forward(self, x: Tensor) -> Tensor:
        return x - 1


def own_shape(shape: Any) -> Any:
    return [*shape[:-1], 9] if isinstance(shape[0], (int, type(None))) else shape[0]


def own_mask(inputs: Any, mask: Any) -> Any:
    return torch.tensor([[True, False, False]] * B) if mask is None else ~mask


OF_LAMBDAS: dict[str, dict[str, Any]] = {
    "alone": {},
    "a shape": {"output_shape": (T, F)},
    "two shapes": {"output_shape": [(T, F), (F,)]},
    "computed shape": {"output_shape": own_shape},
    "computed mask": {"mask": own_mask},
    "a mask": {"mask": torch.ones(B, T, dtype=torch.bool)},
    "arguments": {"arguments": {"scale": 3}},
    "dtype": {"dtype": "float64"},
    "frozen": {"trainable": False},
}


def functions() -> Iterator[tuple[str, Callable[[], Any]]]:
    makers: dict[str, Callable[[], Any]] = {
        "relu": lambda: layers.Lambda(torch.relu, name="l"),
        "mul by name": lambda: layers.Lambda(torch.mul, arguments={"other": 3}, name="l"),
        **{
            f"{function.__name__}, {label}": lambda function=function, options=options: layers.Lambda(
                function, name="l", **options
            )
            for function in (one, with_mask, with_training, of_two, of_many)
            for label, options in OF_LAMBDAS.items()
        },
        "a module": lambda: layers.TorchModuleWrapper(OfMask(), name="l"),
        "a module that keeps masks": lambda: layers.TorchModuleWrapper(KeepsMask(), name="l"),
        "a linear one": lambda: layers.TorchModuleWrapper(fixed(), name="l"),
        "a frozen one": lambda: layers.TorchModuleWrapper(fixed(), name="l", trainable=False),
        "a linear one with a shape": lambda: layers.TorchModuleWrapper(fixed(), "l", (T, 9)),
        "a module with parts": lambda: layers.TorchModuleWrapper(nn.Sequential(fixed(), nn.BatchNorm1d(T)), name="l"),
        "a Lambda of a class": lambda: layers.Lambda(nn.Linear, name="l"),
        "a Lambda of a module": lambda: layers.Lambda(nn.Linear(2, 2), name="l"),
        "a Lambda of a number": lambda: layers.Lambda(3, name="l"),  # type: ignore[arg-type]
        "a wrapper of a layer": lambda: layers.TorchModuleWrapper(layers.Dense(2), name="l"),
        "a wrapper of a number": lambda: layers.TorchModuleWrapper(3, name="l"),  # type: ignore[arg-type]
        "a wrapper of a lazy one": lambda: layers.TorchModuleWrapper(nn.LazyLinear(3), name="l"),
    }
    mask = torch.tensor([[1, 0, 1], [1, 1, 0]], dtype=torch.bool)

    def given(count: int = 2) -> list[Tensor]:
        return [numbers(B, T, F, at=at).float() for at in range(1, 1 + count)]  # afresh: masks hang on tensors

    uses: dict[str, Callable[[Any], Any]] = {
        "called": lambda layer: layer(*given(1)),
        "trained": lambda layer: layer.train()(*given(1)),
        "masked": lambda layer: result(layer, layer(*given(1), mask=mask)),
        "on two": lambda layer: layer(*given()),
        "on a list": lambda layer: layer(given()),
        "by name": lambda layer: layer(*given(), scale=2),
        "in a graph": lambda layer: result(layer, graph_of(layer)(*given(1))),
        "two in a graph": lambda layer: graph_of(layer, 2)(given()),
        "cloned": lambda layer: result(layer, kt.models.clone_model(graph_of(layer))(*given(1))),
        "two, cloned": lambda layer: kt.models.clone_model(graph_of(layer, 2)).eval()(given()),
        "symbolic": lambda layer: [[each.shape, str(each.dtype)] for each in leaves(layer(kt.Input((T, F))))],
        "shape": lambda layer: plain(layer.compute_output_shape((None, T, F))),
        "mask": lambda layer: layer.compute_mask(*given(1), mask),
        "no mask": lambda layer: layer.compute_mask(*given(1)),
        "said": lambda layer: [
            *(
                layer._takes_mask,
                layer._takes_training,
                layer._makes_mask,
                layer.supports_masking,
                layer.signature and list(layer.signature.parameters),
            ),
            [[each.path, list(each.shape), each.trainable] for each in layer.weights],
            [name for name, _ in layer._keras_children()],
        ],
        "config": lambda layer: layer.get_config(),
        "of torch": lambda layer: type(layer.to_torch()).__name__,
    }
    for label, make in makers.items():
        for use, do in uses.items():
            yield f"{label}, {use}", lambda make=make, do=do: shown(do(make()))


def fixed() -> nn.Linear:
    made = nn.Linear(F, 3)
    with torch.no_grad():
        made.weight.copy_(numbers(3, F, at=4))
        made.bias.copy_(numbers(3, at=5))
    return made


def graph_of(layer: Any, count: int = 1) -> kt.Model:
    inputs = [kt.Input((T, F), name=f"x{at}") for at in range(count)]
    masked = [layers.Masking(2.0, name=f"m{at}")(each) for at, each in enumerate(inputs)]
    return kt.Model(inputs if count > 1 else inputs[0], layer(*masked), name="model")


# ---------------------------------------------------------------- single precision

SINGLE: dict[str, Any] = {"activation": "linear", "name": "l"}
KEPT = 3  # of so many calls about one is kept


def single() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Calls in single precision, where steps are computed in compiled code where there is any."""
    gated = {**SINGLE, "recurrent_activation": "relu6"}
    kinds: dict[str, Callable[..., Any]] = {
        "LSTM": partial(layers.LSTM, U, **gated),
        "GRU": partial(layers.GRU, U, **gated),
        "GRU reset before": partial(layers.GRU, U, reset_after=False, **gated),
        "SimpleRNN": partial(layers.SimpleRNN, U, **SINGLE),
        "SimpleRNN relu": partial(layers.SimpleRNN, U, **{**SINGLE, "activation": "relu"}),
        "Bidirectional": lambda **options: layers.Bidirectional(
            layers.GRU(U, **{**gated, "name": "i"}, **options), merge_mode="sum", name="l"
        ),
        "ConvLSTM1D": lambda **options: layers.ConvLSTM1D(U, 2, padding="same", **gated, **options),
    }
    ways: tuple[dict[str, Any], ...] = (
        {},
        {"return_sequences": True, "return_state": True},
        {"return_sequences": True, "go_backwards": True, "use_bias": False},
        {"stateful": True},
    )
    for (name, make), options in product(kinds.items(), ways):
        shape = (B, T, 4, F) if name == "ConvLSTM1D" else (B, T, F)
        for label, call in calls(shape).items():
            key = f"{name} {options} in single precision: {label}"
            if crc32(key.encode()) % KEPT or (name == "ConvLSTM1D" and "state" in label):
                continue

            def run(make: Any = make, options: Any = options, shape: Any = shape, call: Any = call) -> Any:
                layer = make(**options)
                layer.build(shape)
                weights = [numbers(*array.shape, at=at).numpy() for at, array in enumerate(layer.get_weights())]
                layer.set_weights([np.clip(each, -1, 2) for each in weights])
                return result(layer, call(layer.eval(), numbers(*shape, at=11).float()))

            yield key, run


# ---------------------------------------------------------------- weights that a constructor gets


def initial() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every layer with `weights=`: those that it takes, too few, too many, of other shapes."""
    for cls in REGISTRY.values():
        for example in cls.EXAMPLES[:1]:
            for how in ("right", "fewer", "more", "turned", "none"):

                def given(cls: Any = cls, example: Any = example, how: str = how) -> Any:
                    config = {**named(example.config), "name": "layer"}
                    layer = cls.from_config(config)
                    layer.build(example.input_shape)
                    arrays = [numbers(*array.shape, at=at).numpy() for at, array in enumerate(layer.get_weights())]
                    weights: Any = {
                        "right": arrays,
                        "fewer": arrays[:-1],
                        "more": [*arrays, *arrays[:1]],
                        "turned": [array.T for array in arrays],
                        "none": None,
                    }[how]
                    other = cls(**config, weights=weights)
                    other.build(example.input_shape)
                    if how == "none":
                        return [array.shape for array in other.get_weights()]
                    return [[list(array.shape), array.ravel()[:7].tolist()] for array in other.get_weights()]

                yield f"{cls._class_name} with weights: {how}", given


@cache
def wrapped() -> dict[str, Callable[[], Any]]:
    cases: dict[str, Callable[[], Any]] = {}
    for some in (pairs, functions, single, initial):
        cases.update(some())
    return {key: told(lambda case=case: plain(case())) for key, case in cases.items()}
