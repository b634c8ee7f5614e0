"""kerastorch.ops: Keras's functions under their names, on symbolic tensors and on data."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
from _close import assert_close
from _keras_worker import KerasWorker

from kerastorch import Input, Model, layers, ops
from kerastorch.base.graph import SymbolicTensor
from kerastorch.errors import ArgumentError, ShapeError


def test_the_arguments_are_keras_s(keras_worker: KerasWorker) -> None:
    names = [name for name in dir(ops) if name not in ("einsum", "shape")]
    theirs = keras_worker.call("keras3", "operations:signatures", names)
    assert len(names) > 170
    filled_in = {("isclose", "rtol"): 1e-5, ("isclose", "atol"): 1e-8, ("select", "default"): 0}
    for name, wanted in theirs.items():
        found = [
            (key, "required" if item.default is item.empty else filled_in.get((name, key), item.default))
            for key, item in inspect.signature(getattr(ops, name)).parameters.items()
        ]
        assert found == wanted, name


def test_on_data() -> None:
    x = torch.arange(24.0).reshape(2, 3, 4)
    assert_close(ops.mean(x, axis=1), x.mean(1))
    assert_close(ops.einsum("btf,fu->btu", x, np.ones((4, 2), "float32")), x @ torch.ones(4, 2))
    assert_close(ops.concatenate([x, x.numpy()], axis=-1), torch.cat([x, x], -1))
    assert_close(ops.where(x > 5, x, -1.0), torch.where(x > 5, x, -1.0))
    assert_close(ops.take(x, [0, -1], axis=1), x[:, [0, -1]])
    assert_close(ops.get_item(x, (slice(None), -1)), x[:, -1])
    assert_close(ops.full((2, 3), 1.5), torch.full((2, 3), 1.5))
    assert_close(ops.isclose(x, x + 1e-9), torch.ones_like(x, dtype=torch.bool))
    assert ops.arange(5).tolist() == [0, 1, 2, 3, 4]
    assert ops.shape(x) == (2, 3, 4)


def test_on_symbolic_tensors() -> None:
    words, x = Input((None,), dtype="int32"), Input((None, 4))
    kept = ops.not_equal(words, 0)
    assert isinstance(kept, SymbolicTensor)
    pooled = ops.sum(x * ops.expand_dims(ops.cast(kept, "float32"), -1), axis=1)
    flat = ops.reshape(x, (ops.shape(x)[0], -1))
    assert flat.shape == (None, None)
    model = Model(
        [words, x], [layers.LSTM(3)(x, mask=kept), pooled, ops.einsum("btf,bt->bf", x, ops.cast(kept, "float32"))]
    )
    data = [torch.tensor([[1, 2, 0], [3, 0, 4]]), torch.randn(2, 3, 4)]
    _, ours, again = model(data)
    assert_close(ours, (data[1] * (data[0] != 0)[..., None]).sum(1))
    assert_close(ours, again)


def test_what_is_not_there() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'explode'"):
        _ = ops.explode
    with pytest.raises(TypeError, match="unexpected keyword argument 'axes'"):
        ops.mean(torch.zeros(3), axes=1)
    with pytest.raises(ArgumentError, match="axis 2 is out of bounds for 1 axis"):
        ops.mean(torch.zeros(3), axis=2)


def test_loops_in_a_graph() -> None:
    """A loop over what nobody knows yet is a layer; Keras has an operation there."""
    x = Input(batch_shape=(2, 4, 3))
    steps = ops.transpose(x, (1, 0, 2))
    last, sums = ops.scan(lambda carry, step: (carry + step, carry), 0 * x[:, 0], steps)
    every = ops.map(lambda step: ops.max(step, -1), steps)
    mapped = ops.vectorized_map(lambda row: ops.sum(row), x)
    grown = ops.associative_scan(ops.add, x, axis=1)
    chosen = ops.switch(1, [lambda part: part, lambda part: 2 * part], x)
    model = Model(x, [last, every, mapped, grown, chosen])
    assert (every.shape, mapped.shape, grown.shape, sums.shape) == ((4, 2), (2,), (2, 4, 3), (4, 2, 3))
    assert ops.map(lambda step: ops.max(step, -1), Input((None, 3))).shape == (None, None)
    given = torch.arange(24.0).reshape(2, 4, 3)
    total, largest, whole, cumulated, doubled = model(given)
    assert torch.equal(total, given.sum(1))
    assert torch.equal(largest, given.amax(-1).T)
    assert torch.equal(whole, given.sum((1, 2)))
    assert torch.equal(cumulated, given.cumsum(1))
    assert torch.equal(doubled, 2 * given)
    with pytest.raises(ArgumentError, match=r"its output shape for input .* is not known.*Define compute_output_shape"):
        ops.while_loop(lambda value: ops.sum(value) < 3, lambda value: value + 1, x)


def test_sizes_that_numpy_made_and_lists_of_tensors() -> None:
    x = ops.ones((2, 3, 4))
    assert ops.reshape(x, (-1, np.prod(x.shape[1:]))).shape == (2, 12)
    assert ops.slice(x, np.array([1, 0, 2]), np.array([1, 2, 2])).shape == (1, 2, 2)
    assert ops.sum(x, axis=np.int64(1)).shape == (2, 4)
    assert ops.convert_to_tensor([]).dtype == torch.float32
    assert torch.equal(ops.convert_to_tensor((1, ops.convert_to_tensor(2), 3)), torch.tensor([1, 2, 3]).int())
    assert torch.equal(ops.convert_to_tensor([[1.5, torch.tensor(2.0)]]), torch.tensor([[1.5, 2.0]]))
    with pytest.raises(ShapeError, match=r"axis 1 of \(None, None, 3\) is not known.*give num"):
        ops.unstack(Input((None, 3)), axis=1)
    parts = ops.unstack(Input((None, 3)), 2, axis=1)
    assert [part.shape for part in parts] == [(None, 3)] * 2
    with pytest.raises(ArgumentError, match=r"Unstack: num is 2, and axis 0 of shape \(3, 4\) has 3 items"):
        ops.unstack(ops.ones((3, 4)), 2)
    half = ops.moments(torch.tensor([60000.0, -60000.0], dtype=torch.float16), axes=[0])
    assert half[1].item() == 65504.0  # Keras's bound: 3.6e9 is beyond float16


def test_variables_are_taken_as_their_values() -> None:
    layer = layers.LayerNormalization()
    layer.build((None, 3))
    layer.set_weights([np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.25, -1.0])])
    x = torch.tensor([[1.0, 2.0, -1.0]])
    for found in (ops.add(ops.multiply(x, layer.gamma), layer.beta), ops.multiply(layer.gamma, x) + layer.beta):
        assert found.tolist() == [[1.5, 4.25, -4.0]]
    ops.sum(ops.matmul(x, ops.expand_dims(layer.gamma, -1))).backward()
    assert layer.weight.grad.tolist() == [1.0, 2.0, -1.0]
