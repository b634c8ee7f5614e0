"""Lambda and TorchModuleWrapper: what they pass on, their shapes and masks, and what torch sees of them."""

from __future__ import annotations

import copy
import doctest
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import kerastorch as kt
from kerastorch import Input, Model, Sequential, layers, recipes
from kerastorch.errors import ArgumentError, UnsupportedError
from kerastorch.structure import leaves


def test_a_lambda_passes_on_what_the_function_takes() -> None:
    seen: list[Any] = []

    def function(x: Tensor, by: float, training: bool, mask: Any) -> Tensor:
        seen.append((training, mask))
        return x * by

    layer = layers.Lambda(function, arguments={"by": 3.0})
    x, mask = torch.ones(2, 4, 3), torch.ones(2, 4, dtype=torch.bool)
    assert torch.equal(layer(x), x * 3)
    layer.eval()(x, mask=mask)
    layer(x, training=True)
    assert [(training, given is mask) for training, given in seen] == [(True, False), (False, True), (True, False)]
    assert torch.equal(layers.Lambda(torch.relu)(-x), x * 0)  # has no signature


def test_shapes_of_a_lambda() -> None:
    x = Input((None, 3))
    assert layers.Lambda(lambda x: x.sum(1))(x).shape == (None, 3)
    assert layers.Lambda(lambda x: x.repeat(1, 2, 1))(x).shape == (None, None, 3)
    first, second = layers.Lambda(lambda x: (x[:, 0], x.mean(-1)))(x)
    assert (first.shape, second.shape) == ((None, 3), (None, None))
    merged = layers.Lambda(lambda pair: pair[0] + pair[1][:, None])([x, Input((3,))])
    assert merged.shape == (None, None, 3)
    picked = Input((4,), dtype="int64")
    hot = layers.Lambda(lambda n: nn.functional.one_hot(n, 5))(picked)
    assert (hot.shape, hot.dtype) == ((None, 4, 5), torch.int64)
    constant = torch.arange(3.0)
    assert layers.Lambda(lambda x: torch.cat([x, x * constant], -1))(x).shape == (None, None, 6)


def test_stated_shapes_are_taken() -> None:
    def needs_values(x: Tensor) -> Tensor:
        return x[:, : int(x.sum().item()) * 0 + 2]

    x = Input((5, 3))
    with pytest.raises(ArgumentError, match=r"Lambda 'l': its output shape for input \(None, 5, 3\) is not known"):
        layers.Lambda(needs_values, name="l")(x)
    assert layers.Lambda(needs_values, output_shape=(2, 3))(x).shape == (None, 2, 3)
    assert layers.Lambda(needs_values, output_shape=lambda shape: (shape[0], 2, shape[2]))(x).shape == (None, 2, 3)


def test_masks_of_a_lambda() -> None:
    words = Input((5,), dtype="int32")
    embedded = layers.Embedding(4, 3, mask_zero=True)(words)
    x = torch.tensor([[1, 2, 0, 0, 0], [3, 0, 0, 0, 0]])
    rnn = layers.LSTM(2)
    keeping = layers.Lambda(lambda x: x * 2, mask=lambda x, mask: mask)
    kept, lost = rnn(keeping(embedded)), rnn(layers.Lambda(lambda x: x * 2)(embedded))
    model = Model(words, [kept, lost])
    with_mask, without = model(x)
    doubled = model.get_layer(index=1)(x) * 2
    assert torch.equal(with_mask, rnn(doubled, mask=x != 0))
    assert torch.equal(without, rnn(doubled))


class Affine(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))
        self.inner = nn.Linear(3, 2)
        self.register_buffer("shift", torch.tensor(0.5))

    def forward(self, x: Tensor, mask: Any = None, training: bool = False) -> Tensor:
        return self.inner(x * self.weight + self.shift) + (10.0 if training else 0.0) + (0.0 if mask is None else 1.0)


def test_a_torch_module_is_a_layer() -> None:
    module = Affine()
    layer = layers.TorchModuleWrapper(module, name="a")
    x = torch.randn(4, 5, 3)
    assert torch.equal(layer.eval()(x), module(x))
    assert torch.equal(layer(x, mask=torch.ones(4, 5)), module(x, mask=True))
    assert torch.equal(layer.train()(x), module(x, training=True))
    assert layer.output_shape == (None, 5, 2)
    assert set(layer.state_dict()) == {"module.weight", "module.shift", "module.inner.weight", "module.inner.bias"}
    # Its own variables, trained ones first, then those inside; an nn.Linear is a Dense with the kernel turned.
    assert [variable.name for variable in layer.variables] == ["weight", "shift", "kernel", "bias"]
    arrays = layer.get_weights()
    assert [array.shape for array in arrays] == [(3,), (), (3, 2), (2,)]
    layer.set_weights([array + 1 for array in arrays])
    np.testing.assert_array_equal(module.inner.weight.detach().numpy(), arrays[2].T + 1)
    layer.trainable = False
    assert not any(parameter.requires_grad for parameter in module.parameters())


def test_masks_of_a_torch_module() -> None:
    class Keeps(Affine):
        supports_masking = True

    class Halves(Affine):
        def compute_mask(self, inputs: Tensor, mask: Any = None) -> Any:
            return None if mask is None else mask[:, :2]

    x, mask = torch.zeros(2, 4, 3), torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1]], dtype=torch.bool)
    assert layers.TorchModuleWrapper(Affine()).compute_mask(x, mask) is None
    assert layers.TorchModuleWrapper(Keeps()).compute_mask(x, mask) is mask
    assert torch.equal(layers.TorchModuleWrapper(Halves()).compute_mask(x, mask), mask[:, :2])


def test_they_copy_train_and_travel() -> None:
    x = Input((5, 3))
    y = layers.Lambda(recipes.last_step())(layers.TorchModuleWrapper(Affine(), name="affine")(x))
    model = Model(x, y)
    data = torch.randn(3, 5, 3)
    twin = copy.deepcopy(model)
    again = pickle.loads(pickle.dumps(model))
    assert torch.equal(twin(data), model(data))
    assert torch.equal(again(data), model(data))
    with torch.no_grad():
        twin.get_layer("affine").module.weight.zero_()
    assert not torch.equal(twin(data), model(data))
    twin.load_state_dict(model.state_dict())
    assert torch.equal(twin(data), model(data))
    model(data).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    clone = kt.clone_model(model)
    clone.set_weights(model.get_weights())
    assert torch.equal(clone(data), model(data))
    assert clone.get_layer("affine").module is not model.get_layer("affine").module
    assert model.double()(data.double()).dtype == torch.float64


def test_a_sequential_takes_torch_modules() -> None:
    linear = nn.Linear(3, 4)
    model = Sequential([Input((5, 3)), linear, layers.LSTM(2)])
    assert model.layers[0].module is linear
    assert model.output_shape == (None, 2)
    with pytest.raises(ArgumentError, match="expected a kerastorch layer or a torch module, got 'int'"):
        Sequential([3])


def test_no_config_holds_them() -> None:
    for layer in (layers.Lambda(len), layers.TorchModuleWrapper(nn.Linear(2, 2))):
        with pytest.raises(UnsupportedError, match="which no config can hold; write it as a subclass"):
            layer.get_config()


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: layers.Lambda(nn.Linear(2, 2)), "expected a function on tensors, got .*TorchModuleWrapper"),
        (lambda: layers.Lambda(3), "expected a function on tensors, got 3"),
        (lambda: layers.Lambda(Affine), "expected a function on tensors"),
        (lambda: layers.TorchModuleWrapper(len), "expected a torch module that is no layer, got .*Lambda"),
        (lambda: layers.TorchModuleWrapper(layers.Dense(2)), "a torch module that is no layer"),
        (lambda: layers.TorchModuleWrapper(nn.LazyLinear(2), name="w"), "'w': LazyLinear has parameters without a"),
    ],
)
def test_wrong_arguments(make: Any, match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        make()


@pytest.mark.parametrize("cls", [layers.Lambda, layers.TorchModuleWrapper])
def test_the_example_runs(cls: Any) -> None:
    names = {"torch": torch, "Lambda": layers.Lambda, "TorchModuleWrapper": layers.TorchModuleWrapper}
    test = doctest.DocTestParser().get_doctest(cls.__doc__, names, cls.__name__, None, None)
    assert test.examples
    assert doctest.DocTestRunner().run(test).failed == 0


def test_to_torch_gives_a_copy_of_the_module() -> None:
    layer = layers.TorchModuleWrapper(nn.Linear(3, 2))
    module = layer.to_torch()
    assert isinstance(module, nn.Linear)
    assert module is not layer.module
    assert torch.equal(module.weight, layer.module.weight)


def test_leaves_of_shapes_and_dicts() -> None:
    """A torch.Size is a tuple that holds numbers only: code of one's own hands it to torch."""
    assert leaves((torch.Size([2, 3]), {"b": 1, "a": [None]})) == [2, 3, None, 1]
