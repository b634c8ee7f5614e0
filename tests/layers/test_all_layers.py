"""What holds for every layer, checked on its own declarations: configs, weights, shapes, torch's protocols, docs."""

from __future__ import annotations

import copy
import doctest
import io
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from _close import GRADIENT, assert_close
from torch import Tensor

import kerastorch
from kerastorch.base.layer import REGISTRY, Example, Layer
from kerastorch.errors import ArgumentError
from kerastorch.layers.rnn.gated_cell import GatedCell
from kerastorch.structure import leaves, map_shapes, map_structure
from kerastorch.weights import Var, identity

EXAMPLES = [(cls, example) for cls in REGISTRY.values() for example in cls.EXAMPLES]
each_example = pytest.mark.parametrize(
    ("cls", "example"), EXAMPLES, ids=[f"{cls._class_name}-{example.name}" for cls, example in EXAMPLES]
)
each_class = pytest.mark.parametrize("cls", REGISTRY.values(), ids=list(REGISTRY))


def make(cls: type[Layer], example: Example, build: bool = True) -> Layer:
    layer = cls.from_config(dict(example.config))
    if build:
        layer.build(example.input_shape)
    return layer


def data(example: Example, dtype: torch.dtype = torch.float32) -> Any:
    """Random input of the example's shape; words for a layer that looks them up."""
    words = example.config.get("input_dim")

    def random(shape: tuple[int, ...]) -> Tensor:
        return torch.randint(words, shape) if words else torch.randn(shape, dtype=dtype)

    return map_shapes(random, example.input_shape)


def run(layer: Layer, x: Any) -> Any:
    """Call a layer on data of its example."""
    return layer(*x) if layer._call_arguments.tensors else layer(x)


def distinct(layer: Layer) -> list[np.ndarray]:
    """One array for each weight, whole numbers where it is a count; no value occurs twice in all of them."""
    sizes = [array.size for array in layer.get_weights()]
    values = np.random.default_rng(1).permutation(sum(sizes)).astype("float32") / 7 + 0.5
    parts = np.split(values, np.cumsum(sizes)[:-1]) if sizes else []
    shaped = [part.reshape(array.shape) for part, array in zip(parts, layer.get_weights(), strict=True)]
    counts = [array.dtype.kind == "i" for array in layer.get_weights()]
    return [part.astype("int64") if count else part for part, count in zip(shaped, counts, strict=True)]


def plain(config: Any) -> Any:
    return json.loads(json.dumps(config))


def shapes_of(output: Any) -> list[tuple[int, ...]]:
    return [tuple(tensor.shape) for tensor in leaves(output)]


def flat_shapes(shapes: Any) -> list[tuple[int | None, ...]]:
    found: list[tuple[int | None, ...]] = []
    map_shapes(found.append, shapes)
    return found


def check_config(cls: type[Layer], example: Example) -> None:
    config = make(cls, example, build=False).get_config()
    again = cls.from_config(plain(config))
    assert plain(again.get_config()) == plain(config)
    for key, value in example.config.items():
        if not isinstance(value, (dict, str)) and key != "cells" and key in config:  # those have a longer spelling
            assert plain(config[key]) == plain(value)


def check_weights(cls: type[Layer], example: Example) -> None:
    layer = make(cls, example)
    arrays = distinct(layer)
    layer.set_weights(arrays)
    for got, wanted in zip(layer.get_weights(), arrays, strict=True):
        np.testing.assert_array_equal(got, wanted)


def check_output_shape(cls: type[Layer], example: Example) -> None:
    layer = make(cls, example)
    got = shapes_of(run(layer, data(example)))
    stated = flat_shapes(layer.compute_output_shape(example.input_shape))
    assert stated == got
    open_batch = map_shapes(lambda shape: (None, *shape[1:]), example.input_shape)
    before_building = make(cls, example, build=False)
    for fresh in (layer, before_building):
        assert flat_shapes(fresh.compute_output_shape(open_batch)) == [(None, *shape[1:]) for shape in got]


def check_state_dict(cls: type[Layer], example: Example) -> None:
    layer, other = make(cls, example), make(cls, example)
    layer.set_weights(distinct(layer))
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    x = data(example)
    with torch.no_grad():
        for mine, theirs in zip(leaves(run(layer.eval(), x)), leaves(run(other.eval(), x)), strict=True):
            assert torch.equal(mine, theirs)
    for mine, theirs in zip(layer.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def check_copy(cls: type[Layer], example: Example) -> None:
    layer = make(cls, example).eval()
    layer.set_weights(distinct(layer))
    x = data(example)
    with torch.no_grad():
        before = map_structure(torch.clone, run(layer, x))
        copied = copy.deepcopy(layer)
        for mine, theirs in zip(leaves(before), leaves(run(copied, x)), strict=True):
            assert torch.equal(mine, theirs)
        copied.set_weights([-array for array in distinct(copied)])
        for mine, theirs in zip(leaves(before), leaves(run(layer, x)), strict=True):
            assert torch.equal(mine, theirs)


def check_double(cls: type[Layer], example: Example) -> None:
    layer = make(cls, example).eval()
    arrays = [array % 1 if array.dtype.kind == "f" else array for array in distinct(layer)]
    layer.set_weights(arrays)
    x = data(example)
    single = leaves(run(layer, x))
    double = leaves(run(layer.double(), map_structure(lambda t: t.double() if t.is_floating_point() else t, x)))
    for one, two in zip(single, double, strict=True):
        assert two.dtype == torch.float64
        assert_close(one, two, GRADIENT)
    for array, wanted in zip(layer.get_weights(), arrays, strict=True):
        assert array.dtype == (np.float64 if wanted.dtype.kind == "f" else np.int64)
        np.testing.assert_array_equal(array, wanted)


def check_count(cls: type[Layer], example: Example) -> None:
    layer = make(cls, example)
    assert layer.count_params() == sum(math.prod(array.shape) for array in layer.get_weights())
    declared = [var for var in cls.WEIGHTS if var.when(layer)]
    if declared:
        wanted = [var.shape(layer, example.input_shape) for var in sorted(declared, key=lambda var: not var.trainable)]
        assert [variable.numpy().shape for variable in layer._own_variables()] == wanted
    trained = [parameter for parameter in layer.parameters() if parameter.requires_grad]
    assert sum(p.numel() for p in trained) == sum(v.value.numel() for v in layer.variables if v.trainable)


def check_gradients(cls: type[Layer], example: Example) -> None:
    layer = make(cls, example)
    layer.set_weights([array % 1 for array in distinct(layer)])
    x = map_structure(lambda t: t.requires_grad_() if t.is_floating_point() else t, data(example))
    sum((tensor * torch.randn_like(tensor)).sum() for tensor in leaves(run(layer, x))).backward()
    for variable, gradient in zip(layer.variables, layer.get_gradients(), strict=True):
        if variable.trainable:
            assert gradient is not None, variable.name
            assert np.isfinite(gradient).all(), variable.name
            assert np.abs(gradient).max() > 0, variable.name


CHECKS = [
    check_config,
    check_weights,
    check_output_shape,
    check_state_dict,
    check_copy,
    check_double,
    check_count,
]


@each_example
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_example(cls: type[Layer], example: Example, check: Callable[[type[Layer], Example], None]) -> None:
    check(cls, example)


@pytest.mark.parametrize(
    ("cls", "example"),
    # The first state of a cell is zero, and so is the gradient of what it meets: test_cells.py gives it another one.
    [(cls, example) for cls, example in EXAMPLES if cls.WEIGHTS and not issubclass(cls, GatedCell)],
    ids=lambda value: getattr(value, "_class_name", None) or value.name,
)
def test_every_trainable_weight_gets_a_gradient(cls: type[Layer], example: Example) -> None:
    check_gradients(cls, example)


@each_example
def test_a_config_key_that_the_layer_does_not_have_is_refused(cls: type[Layer], example: Example) -> None:
    with pytest.raises(ArgumentError, match="'untis'"):
        cls.from_config({**example.config, "untis": 3})


@pytest.mark.parametrize("cls", [cls for cls in REGISTRY.values() if cls.EXAMPLES], ids=lambda cls: cls._class_name)
def test_a_base_argument_is_understood(cls: type[Layer]) -> None:
    layer = cls.from_config({**cls.EXAMPLES[0].config, "name": "mine", "trainable": False})
    layer.build(cls.EXAMPLES[0].input_shape)
    assert layer.get_config()["name"] == "mine"
    assert not layer.trainable
    assert not [parameter for parameter in layer.parameters() if parameter.requires_grad]


@each_class
def test_the_docstring_has_arguments_and_an_example_that_runs(cls: type[Layer]) -> None:
    doc = cls.__doc__ or ""
    assert "\n    Args:\n" in doc
    assert "\n    Example:\n" in doc
    assert not cls.WEIGHTS or "\n    Variables:\n" in doc
    names = {**{name: getattr(kerastorch, name) for name in dir(kerastorch)}, **REGISTRY, "torch": torch}
    test = doctest.DocTestParser().get_doctest(doc, names, cls.__name__, None, None)
    assert test.examples
    report: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=report.append)
    assert not report, "".join(report)


@each_class
def test_every_constructor_argument_that_does_something_is_documented(cls: type[Layer]) -> None:
    described = (cls.__doc__ or "").partition("Args:")[2].partition("Example:")[0]
    code = cls.__init__.__code__
    arguments = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    assert not [name for name in arguments if name not in cls.INERT and f"{name}:" not in described]


def test_there_are_layers_and_examples() -> None:
    assert {"LSTM", "GRU", "SimpleRNN", "Dense", "Embedding", "Dot", "BatchNormalization"} <= set(REGISTRY)
    missing = [name for name, cls in REGISTRY.items() if not cls.EXAMPLES and name not in ("Functional", "Sequential")]
    assert not missing


class _Scale(Layer):
    """A layer for the tests below, which plant one fault each."""

    WEIGHTS = (
        Var("scale", ("scale",), lambda l, s: (s[-1],), init=lambda l: lambda shape, **o: torch.ones(shape, **o)),
    )
    CONFIG = ("factor",)
    EXAMPLES = (Example("default", {"factor": 2.0}, (4, 3)),)
    scale: Tensor

    def __init__(self, factor: float = 1.0, **base: Any) -> None:
        super().__init__(**base)
        self.factor = factor

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tuple(input_shape)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale * self.factor


class _ForgetsAnArgument(_Scale):
    def __init__(self, factor: float = 1.0, **base: Any) -> None:
        super().__init__(**base)


class _StatesAnotherShape(_Scale):
    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:-1], 1)


class _LosesTheOrder(_Scale):
    FLIP = type(identity)("flip", lambda ts: (ts[0].flip(0),), lambda ts: ts)
    WEIGHTS = (Var("scale", ("scale",), lambda l, s: (s[-1],), FLIP, init=_Scale.WEIGHTS[0].init),)


class _HidesAWeight(_Scale):
    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.hidden = torch.full((1,), float(torch.rand(())))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + self.hidden


class _SharesItsWeight(_Scale):
    def __deepcopy__(self, memo: Any) -> Any:
        return self


class _StaysSingle(_Scale):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).float()


class _StatesAnotherSize(_Scale):
    WEIGHTS = (Var("scale", ("scale",), lambda l, s: (s[-1],) if not l.built else (1,), init=_Scale.WEIGHTS[0].init),)


class _IgnoresItsWeight(_Scale):
    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor + 0 * self.scale


@pytest.mark.parametrize("check", [*CHECKS, check_gradients], ids=lambda check: check.__name__)
def test_the_checks_pass_a_sound_layer(check: Callable[[type[Layer], Example], None]) -> None:
    check(_Scale, _Scale.EXAMPLES[0])


@pytest.mark.parametrize(
    ("check", "cls"),
    [
        (check_config, _ForgetsAnArgument),
        (check_weights, _LosesTheOrder),
        (check_output_shape, _StatesAnotherShape),
        (check_state_dict, _HidesAWeight),
        (check_copy, _SharesItsWeight),
        (check_double, _StaysSingle),
        (check_count, _StatesAnotherSize),
        (check_gradients, _IgnoresItsWeight),
    ],
    ids=lambda value: value.__name__,
)
def test_the_checks_see_a_fault(check: Callable[[type[Layer], Example], None], cls: type[Layer]) -> None:
    with pytest.raises(AssertionError):
        check(cls, cls.EXAMPLES[0])
