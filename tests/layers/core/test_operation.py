"""Operation: functions on symbolic tensors as a person writes them, their shapes, configs and constants."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
import time
from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close

from kerastorch import Input, Model, Sequential, layers
from kerastorch.base.graph import SymbolicTensor
from kerastorch.errors import ArgumentError, ShapeError, UnsupportedError
from kerastorch.functions import FOLLOWED, FUNCTIONS, RETURNS_ITSELF
from kerastorch.layers import Operation
from kerastorch.layers.core.operation import apply
from kerastorch.operations import OPERATIONS

PLACE = {"class_name": "__input__", "config": 0}


def values(*shape: int) -> torch.Tensor:
    return torch.arange(float(np.prod(shape))).reshape(shape) / 7 - 1


def test_every_operation_has_a_function_with_its_arguments() -> None:
    assert set(FUNCTIONS) == set(OPERATIONS)
    assert set(OPERATIONS) >= FOLLOWED | RETURNS_ITSELF
    for name, sign in OPERATIONS.items():
        kinds = inspect.signature(FUNCTIONS[name]).parameters
        open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in kinds.values())
        taken = {key for key, parameter in list(kinds.items())[1:] if parameter.kind is not parameter.VAR_KEYWORD}
        if open_ended:
            assert taken <= set(sign.names), name
        else:
            assert set(sign.names) <= taken, name
            optional = {key for key, parameter in kinds.items() if parameter.default is not parameter.empty}
            assert taken - set(sign.names) <= optional, name


@pytest.mark.parametrize(
    ("write", "compute"),
    [
        (lambda x, y: x + y * 2 - 1, lambda x, y: x + y * 2 - 1),
        (lambda x, y: 1 - x / 2 + 3 * y, lambda x, y: 1 - x / 2 + 3 * y),
        (lambda x, y: 2 / (abs(x) + 1), lambda x, y: 2 / (x.abs() + 1)),
        (lambda x, y: -x**2, lambda x, y: -(x**2)),
        (lambda x, y: 2**x, lambda x, y: 2**x),
        (lambda x, y: x // 0.5 + x % 0.5, lambda x, y: x // 0.5 + x % 0.5),
        (lambda x, y: 5 // (abs(x) + 1) + 5 % (abs(y) + 1), lambda x, y: 5 // (x.abs() + 1) + 5 % (y.abs() + 1)),
        (lambda x, y: x @ y[:, 0, :, None], lambda x, y: x @ y[:, 0, :, None]),
        (lambda x, y: np.ones((2, 5), "float32") @ x, lambda x, y: torch.ones(2, 5) @ x),
        (lambda x, y: (x < y) | (x >= 1), lambda x, y: (x < y) | (x >= 1)),
        (lambda x, y: (x < 1) & ~(y > 0) ^ (x <= 0), lambda x, y: (x < 1) & ~(y > 0) ^ (x <= 0)),
        (lambda x, y: (x != 0.0) + x, lambda x, y: (x != 0.0) + x),
        (lambda x, y: x[:, -1] + y[:, 0], lambda x, y: x[:, -1] + y[:, 0]),
        (lambda x, y: x[:, ::-1, None, 1:], lambda x, y: x.flip(1)[:, :, None, 1:]),
        (lambda x, y: x[..., 0] * torch.arange(1.0, 6.0), lambda x, y: x[..., 0] * torch.arange(1.0, 6.0)),
    ],
)  # fmt: skip
def test_operators(write: Any, compute: Any) -> None:
    x, y = Input((5, 3)), Input((5, 3))
    model = Model([x, y], write(x, y))
    data = [values(2, 5, 3), values(2, 5, 3).flip(0) + 0.5]
    wanted = compute(*data)
    got = model(data)
    assert got.dtype == wanted.dtype
    assert_close(got, wanted)
    assert model.output_shape == (None, *wanted.shape[1:])
    again = Model.from_config(json.loads(json.dumps(model.get_config())))
    assert_close(again(data), wanted)
    assert again.get_config() == model.get_config()


def test_the_graph_stays_comparable_and_searchable() -> None:
    x, y = Input((3,)), Input((3,))
    assert x in [y, x]
    assert [y, x].index(x) == 1
    assert (x == y) is False
    assert isinstance(x != y, SymbolicTensor)
    with pytest.raises(TypeError, match="has no value"):
        bool(x < y)


@pytest.mark.parametrize(
    ("function", "shapes", "arguments", "shape"),
    [
        ("Add", [(None, None, 4), (1, 10, 4)], {}, (None, 10, 4)),
        ("Add", [(None, 1, 4), (None, 5, 1)], {}, (None, 5, 4)),
        ("Concatenate", [(None, None, 4), (None, 5, 4)], {"axis": -1}, (None, 5, 8)),
        ("Concatenate", [(None, None, 4), (None, None, 4)], {"axis": 1}, (None, None, 4)),
        ("Matmul", [(None, None, 4), (None, 4, None)], {}, (None, None, None)),
        ("Reshape", [(None, 6, 4)], {"newshape": (-1, 8)}, (None, 8)),
        ("Reshape", [(None, None, 4)], {"newshape": (-1, 12)}, (None, 12)),
        ("Reshape", [(None, 5)], {"newshape": (-1, 34)}, (None, 34)),
        ("Squeeze", [(None, None, 1)], {"axis": 1}, (None, 1)),
        ("Mean", [(None, None, 4)], {"axis": (1, 2), "keepdims": True}, (None, 1, 1)),
        ("Transpose", [(None, None, 4)], {"axes": (0, 2, 1)}, (None, 4, None)),
        ("OneHot", [(None, None)], {"num_classes": 7}, (None, None, 7)),
        ("Einsum", [(None, None, 4), (None, 9, 4)], {"subscripts": "btf,bsf->bts"}, (None, None, 9)),
        ("Tile", [(None, None, 4)], {"repeats": (1, 3, 2)}, (None, None, 8)),
    ],
)
def test_unknown_sizes(function: str, shapes: list[Any], arguments: dict[str, Any], shape: Any) -> None:
    kind = "int64" if function == "OneHot" else "float32"
    tensors = [Input(batch_shape=size, dtype=kind) for size in shapes]
    sign = OPERATIONS[function]
    many = bool(sign.lists) and not sign.starred
    found = apply(function, *([tensors] if many else tensors), **arguments)
    assert found.shape == shape
    assert found.node.layer.compute_output_shape(shapes if len(shapes) > 1 else shapes[0]) == shape


def test_slices_of_unknown_sizes_are_unknown() -> None:
    x = Input((None, 4))
    assert x[:, :3].shape == (None, None, 4)
    assert x[:, 1].shape == (None, 4)
    assert x[..., None, 1:].shape == (None, None, 1, 3)
    assert x[:, ::2, ::-2].shape == (None, None, 2)


def test_shapes_that_do_not_fit() -> None:
    x, y = Input((5, 4)), Input((5, 3))
    with pytest.raises(ShapeError, match=r"inputs of shape \(None, 5, 4\), \(None, 5, 3\) do not fit"):
        x + y
    with pytest.raises(ShapeError, match="out of bounds"):
        x[:, 5]
    with pytest.raises(ShapeError, match="too many indices"):
        x[0, 0, 0, 0]
    with pytest.raises(ShapeError, match="is no index"):
        x[:, [0, 1]]
    model = Model([x, y], x @ apply("Swapaxes", y[:, :, :1] * np.ones((1, 4), "float32"), 1, 2))
    assert model.output_shape == (None, 5, 5)


def test_shapes_follow_through_arithmetic() -> None:
    """As TensorFlow's graphs compute a shape: it is known before there is data as far as it can be."""
    x = Input((None, 4))
    shape = apply("Shape", x)
    assert shape.shape == (3,)
    y = apply("Reshape", x, [shape[0], shape[2] * shape[1]])
    assert y.shape == (None, None)
    assert apply("Reshape", x, [shape[0], -1, shape[2] // 2]).shape == (None, None, 2)
    z = apply("Full", 2.5, shape=[shape[0], shape[2]]) + x[:, 0]
    assert z.shape == (None, 4)
    model = Model(x, [y, z, apply("Tile", x, [1, shape[2], 1])])
    data = values(2, 3, 4)
    flat, summed, tiled = model(data)
    assert_close(flat, data.reshape(2, 12))
    assert_close(summed, data[:, 0] + 2.5)
    assert_close(tiled, data.repeat(1, 4, 1))
    with pytest.raises(UnsupportedError, match="depends on the values of a tensor"):
        apply("Reshape", x, [apply("Cast", apply("Max", x), "int32"), 4])


def test_arithmetic_with_shapes_compiles() -> None:
    x = Input((None, 4))
    shape = apply("Shape", x)
    model = Model(x, apply("Reshape", x, [shape[0], shape[1] * shape[2]]) * apply("Cast", shape[1], "float32"))
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    for steps in (3, 5, 6):
        data = values(2, steps, 4)
        assert_close(compiled(data), data.reshape(2, -1) * steps)


def test_constants_follow_the_model() -> None:
    x = Input((3,))
    weights = np.array([1.5, -2.0, 0.25], "float32")
    model = Model(x, apply("Cast", x > 0, "float32") * weights + 1)
    data = values(4, 3)
    wanted = (data > 0).float() * torch.tensor(weights) + 1
    assert_close(model(data), wanted)
    assert model.state_dict() == {}
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert_close(other(data), wanted)
    assert model.double()(data.double()).dtype == torch.float64  # a cast to float32 follows, too
    (multiply,) = [layer for layer in model.layers if layer._kind == "Multiply"]  # type: ignore[union-attr]
    assert next(multiply.buffers()).dtype == torch.float64
    with torch.device("meta"):
        made = Model.from_config(model.get_config())
    assert not any(buffer.is_meta for buffer in made.buffers())
    assert_close(made(data.double()).float(), wanted)


def test_numbers_and_dtypes() -> None:
    ids, half = Input((3,), dtype="int32"), Input((3,), dtype="float16")
    assert [(ids + 1).dtype, (ids * 0.5).dtype, (ids / 2).dtype] == [torch.int32, torch.float32, torch.float32]
    assert [(half * 2.5).dtype, (half + ids).dtype, (half + np.ones(3, "float32")).dtype] == [
        torch.float16, torch.float16, torch.float32
    ]  # fmt: skip
    assert apply("Sum", ids > 1, axis=1).dtype == torch.int32
    assert apply("Mean", ids).dtype == torch.float32
    assert [tensor.dtype for tensor in apply("TopK", half, k=2)] == [torch.float16, torch.int32]


def test_a_function_alone_and_in_a_chain() -> None:
    mean = Operation("Mean", {"x": PLACE, "axis": 1})
    data = values(2, 5, 3)
    assert_close(mean(data), data.mean(1))
    assert_close(mean(data.numpy()), data.mean(1))
    model = Sequential([Input((5, 3)), layers.Dense(3), Operation("Mean", {"x": PLACE, "axis": 1}), layers.Dense(2)])
    assert model.output_shape == (None, 2)
    assert Sequential.from_config(model.get_config()).output_shape == (None, 2)


def test_what_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="there is no operation 'Explode'; known are Absolute, Abs"):
        Operation("Explode", {"x": PLACE})
    with pytest.raises(ArgumentError, match="Mean has no argument 'axes'; it takes x, axis, keepdims"):
        Operation("Mean", {"x": PLACE, "axes": 1})
    with pytest.raises(ArgumentError, match="Clip lacks x_max"):
        Operation("Clip", {"x": PLACE, "x_min": 0})
    with pytest.raises(ArgumentError, match="expected places for one tensor or more, numbered from 0"):
        Operation("Add", {"x1": 1, "x2": 2})
    with pytest.raises(ArgumentError, match="numbered from 0"):
        Operation("Add", {"x1": PLACE, "x2": {"class_name": "__input__", "config": 2}})
    with pytest.raises(ArgumentError, match="an argument of class '__lambda__' is not supported"):
        Operation("Add", {"x1": PLACE, "x2": {"class_name": "__lambda__"}})
    with pytest.raises(ArgumentError, match="expected 1 tensor, got 2"):
        Operation("Mean", {"x": PLACE})([values(2, 3), values(2, 3)])
    with pytest.raises(ArgumentError, match="expected a symbolic tensor"):
        apply("Add", 1, 2)
    with pytest.raises(UnsupportedError, match="Where without values finds places"):
        apply("Where", Input((3,)) > 0)


def test_masks_end_unless_the_tensor_is_the_same() -> None:
    words = Input((4,), dtype="int64")
    x = layers.Embedding(5, 3, mask_zero=True)(words)
    lstm = layers.LSTM(2)
    outputs = [lstm(x), lstm(apply("Cast", x, "float32")), lstm(x * 1.0), lstm(x, mask=words != 0)]
    model = Model(words, outputs)
    with_mask, cast, ended, given = model(torch.tensor([[1, 2, 0, 0], [3, 0, 4, 0]]))
    assert_close(with_mask, cast)
    assert_close(with_mask, given)
    assert (with_mask - ended).abs().max() > 1e-3


def test_summaries_name_the_function() -> None:
    x = Input((3,), name="x")
    shown: list[str] = []
    Model(x, x[:, 0] + 1).summary(print_fn=shown.append)
    assert "(GetItem)" in shown[0]
    assert "(Add)" in shown[0]


def test_deep_graphs() -> None:
    x = Input((3,))
    y = x
    for _ in range(1_000):
        y = y + x
    start = time.process_time()
    model = Model(x, y)
    assert_close(model(torch.ones(1, 3)), torch.full((1, 3), 1001.0))
    again = Model.from_config(model.get_config())
    assert_close(again(torch.ones(1, 3)), torch.full((1, 3), 1001.0))
    copy.deepcopy(model)
    assert time.process_time() - start < 20  # generous: linear work takes two or three


def test_gradients_and_compilation() -> None:
    x = Input((4, 3))
    y = layers.Dense(3)(x)[:, ::-1] * np.array([1.0, 2.0, 3.0], "float32") - apply("Mean", x, axis=1, keepdims=True)
    model = Model(x, apply("Softmax", y, axis=1)).double()
    data = values(2, 4, 3).double().requires_grad_()
    assert torch.autograd.gradcheck(model, (data,))
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    assert_close(compiled(data), model(data))
    program = torch.export.export(model.eval(), (data.detach(),))
    assert_close(program.module()(data.detach()), model(data).detach())
