"""`torch.func` over layers and models: calls with other weights, gradients, vmap; and what is refused."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from _close import GRADIENT, apart, assert_close
from _transformed import FUSED, LOOPS, compare, data, every, flat, make
from torch import Tensor
from torch.func import functional_call, grad, jacrev, stack_module_state, vmap

from kerastorch import Input, Sequential, layers
from kerastorch.errors import UnsupportedError

pytestmark = pytest.mark.usefixtures("fresh_compiler")


@every([*FUSED[:5], *LOOPS])
def test_functional_call_and_grad(name: str, config: dict[str, Any]) -> None:
    layer = make(name, config)
    x, mask = data()
    others = {key: torch.randn_like(value) * 0.3 for key, value in layer.named_parameters()}

    def loss(parameters: dict[str, Tensor]) -> Tensor:
        return sum(y.square().sum() for y in flat(functional_call(layer, parameters, (x,), {"mask": mask})))  # type: ignore[return-value]

    found = grad(loss)(others)
    twin = make(name, config)
    twin.load_state_dict({**layer.state_dict(), **others})
    sum(y.square().sum() for y in flat(twin(x, mask=mask))).backward()
    for key, parameter in twin.named_parameters():
        assert_close(found[key], parameter.grad, GRADIENT)


@every([*FUSED[:5], *LOOPS])
def test_vmap_over_inputs_and_masks(name: str, config: dict[str, Any]) -> None:
    layer = make(name, config)
    pairs = [data() for _ in range(4)]
    xs, masks = (torch.stack(parts) for parts in zip(*pairs, strict=True))
    found = vmap(lambda x, mask: layer(x, mask=mask))(xs, masks)
    for index, (x, mask) in enumerate(pairs):
        compare([part[index] for part in flat(found)], layer(x, mask=mask))


def test_gradients_for_each_sample() -> None:
    layer = make("LSTM", {})
    state = dict(layer.named_parameters())
    xs, masks = data(5)

    def loss(parameters: dict[str, Tensor], x: Tensor, mask: Tensor) -> Tensor:
        return functional_call(layer, parameters, (x[None],), {"mask": mask[None]}).square().sum()

    found = vmap(grad(loss), in_dims=(None, 0, 0))(state, xs, masks)
    for index in range(5):
        alone = grad(loss)(state, xs[index], masks[index])
        for key, value in alone.items():
            assert_close(found[key][index], value, GRADIENT)


def test_vmap_over_the_weights_of_an_ensemble() -> None:
    ensemble = [make("GRU", {}) for _ in range(3)]
    parameters, buffers = stack_module_state(ensemble)  # type: ignore[arg-type]
    x, _ = data()
    found = vmap(lambda p, b: functional_call(ensemble[0], (p, b), (x,)))(parameters, buffers)
    compare(list(found), [member(x) for member in ensemble])
    assert not torch.equal(found[0], found[1])


def test_jacobian() -> None:
    layer = make("LSTM", {"return_sequences": False})
    x, _ = data(2, 3)
    expected = torch.autograd.functional.jacobian(layer, x)
    assert_close(jacrev(layer)(x), expected, GRADIENT)  # type: ignore[arg-type]


def test_functional_call_on_a_model() -> None:
    model = Sequential([Input((None, 4)), layers.Masking(), layers.LSTM(5), layers.Dense(2)])
    x, mask = data()
    x = x * mask.unsqueeze(-1)
    other = {key: torch.randn_like(value) for key, value in model.named_parameters()}
    found = functional_call(model, other, (x,))
    assert apart(found, model(x))
    model.load_state_dict(other, strict=False)
    compare(found, model(x))


def test_vmap_inside_a_compiled_function() -> None:
    layer = make("LSTM", {})
    xs = torch.randn(2, 3, 6, 4)
    found = torch.compile(lambda a: vmap(layer)(a), fullgraph=True, backend="eager")(xs)
    compare(list(found), [layer(x) for x in xs])


def test_forward_mode_is_refused() -> None:
    x, _ = data()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.func.jvp loads torch.jit, which warns of itself
        with pytest.raises(NotImplementedError, match="must implement the jvp function"):
            torch.func.jvp(make("LSTM", {}), (x,), (x,))


def test_gradients_of_gradients_are_refused_and_not_zero() -> None:
    layer = make("LSTM", {})
    x, _ = data()

    def inner(a: Tensor) -> Tensor:
        return grad(lambda b: layer(b).sum())(a).square().sum()

    with pytest.raises(UnsupportedError, match=r"kerastorch::lstm: gradients of gradients .* call the layer in eager"):
        grad(inner)(x)
    x.requires_grad_()
    (first,) = torch.autograd.grad(layer(x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), x)
    assert second.abs().max() > 1e-4


def test_grad_inside_a_compiled_function_is_refused() -> None:
    layer = make("LSTM", {})
    x, _ = data()
    function = torch.compile(grad(lambda a: layer(a).sum()), fullgraph=True, backend="eager")
    # Of Dynamo's own class: which one, changed with torch 2.14.
    with pytest.raises(torch._dynamo.exc.TorchDynamoException, match="must override the setup_context staticmethod"):
        function(x)


def test_dropout_under_vmap_needs_a_choice() -> None:
    layer = make("LSTM", {"dropout": 0.5}).train()
    xs = torch.randn(2, 3, 6, 4)
    with pytest.raises(RuntimeError, match="randomness error mode"):
        vmap(layer)(xs)
    assert vmap(layer, randomness="different")(xs).shape == (2, 3, 6, 5)


def test_a_stateful_layer_under_a_transform_is_refused() -> None:
    layer = layers.LSTM(5, stateful=True, name="kept")
    layer.build((3, None, 4))
    with pytest.raises(UnsupportedError, match=r"LSTM 'kept' is stateful: .* Make it with stateful=False"):
        vmap(layer)(torch.randn(2, 3, 6, 4))
    assert layer.states is None
