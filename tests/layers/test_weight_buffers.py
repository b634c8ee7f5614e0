"""A weight that is not trained is a buffer to torch, whatever looks at it, and has Keras's methods to its layer."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close
from torch import Tensor, nn

from kerastorch.base.weight_tensors import WeightBuffer, WeightParameter
from kerastorch.layers import Dense, Layer

pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit.trace"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),  # of the check of a shape in `assign`
]


class Shift(Layer):
    """`x * kernel + shift`, with a counter: two buffers, one of which torch's own method has made."""

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight(input_shape[-1:], "uniform", name="kernel")
        self.shift = self.add_weight(input_shape[-1:], "uniform", name="shift", trainable=False)
        self.register_buffer("calls", torch.tensor(2.0))

    def call(self, x: Any) -> Any:
        return x * self.kernel + self.shift + self.calls


class Counting(Shift):
    def call(self, x: Any) -> Any:
        self.shift.assign_add(torch.ones(3))
        return super().call(x)


X = torch.randn(2, 3, generator=torch.Generator().manual_seed(7))


def made(cls: type[Layer] = Shift) -> Any:
    layer = cls(name="shift")
    layer.build((None, 3))
    return layer


def check_tables(module: nn.Module) -> None:
    assert [name for name, _ in module.named_parameters()] == ["kernel"]
    assert {name: type(tensor) for name, tensor in module.named_buffers()} == {"shift": Tensor, "calls": Tensor}


def check(layer: Any) -> None:
    check_tables(layer)
    assert type(layer.kernel) is WeightParameter
    for name in ("shift", "calls"):
        held, view = layer._buffers[name], getattr(layer, name)
        assert isinstance(view, WeightBuffer)
        assert not isinstance(view, nn.Parameter)
        assert view is getattr(layer, name)
        assert view.data_ptr() == held.data_ptr()
        assert (view.name, view.path) == (name, f"shift/{name}")
        view.assign(torch.full_like(held, 5.0))
        assert held.eq(5.0).all()
    assert [variable.name for variable in layer.trainable_weights] == ["kernel"]
    assert [variable.name for variable in layer.non_trainable_weights] == ["shift", "calls"]


def pickled(layer: Any) -> Any:
    return pickle.loads(pickle.dumps(layer))


def set_to_itself(layer: Any) -> Any:
    layer.shift = layer.shift
    return layer


def set_to_another(layer: Any) -> Any:
    layer.shift = made().shift
    layer.calls = torch.tensor(3.0)
    return layer.float()


def given_a_state(**options: bool) -> Callable[[Any], Any]:
    def given(layer: Any) -> Any:
        other = made()
        layer.load_state_dict(other.state_dict(keep_vars=True), **options)
        assert torch.equal(layer(X), other(X))
        return layer

    return given


WAYS = {
    "made": lambda layer: layer,
    "copied": copy.deepcopy,
    "pickled": pickled,
    "moved": lambda layer: layer.double().float(),
    "set to itself": set_to_itself,
    "set to another": set_to_another,
    "loaded": given_a_state(),
    "assigned": given_a_state(assign=True),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_buffer_stays_one(way: str) -> None:
    check(WAYS[way](made()))


def test_a_copy_is_its_own() -> None:
    layer = made()
    before = layer.shift.numpy()
    for other in (copy.deepcopy(layer), pickled(layer)):
        other.shift.assign_add(torch.ones(3))
    alone = copy.deepcopy(layer.shift)
    alone.assign_add(torch.ones(3))
    assert (alone.numpy() == before + 1).all()
    assert alone.path is None
    assert (layer.shift.numpy() == before).all()


def test_what_is_written_is_a_plain_tensor() -> None:
    file = io.BytesIO()
    layer = made()
    torch.save({"state": layer.state_dict(keep_vars=True), "view": layer.shift}, file)
    file.seek(0)
    read = torch.load(file, weights_only=True)
    assert type(read["view"]) is Tensor
    assert type(read["state"]["shift"]) is Tensor
    assert type(read["state"]["kernel"]) is nn.Parameter
    assert torch.equal(read["view"], layer.shift)


def test_new_data_is_the_buffers_too() -> None:
    layer, wanted = made(), torch.tensor([1.5, -2.0, 3.25])
    layer.shift.data = wanted.clone()
    assert torch.equal(layer._buffers["shift"], wanted)
    assert torch.equal(layer.shift.data, wanted)


def test_a_buffer_takes_no_parameters_place() -> None:
    layer = made()
    with pytest.raises(TypeError, match=r"cannot assign .* as parameter 'kernel'"):
        layer.kernel = layer.shift
    check(layer)


def test_it_is_no_parameter_of_another_module() -> None:
    module = nn.Linear(1, 1, bias=False)
    module.mine = made().shift
    assert [name for name, _ in module.named_parameters()] == ["weight"]
    with pytest.raises(TypeError, match=r"cannot assign .* to parameter 'other'"):
        module.register_parameter("other", made().shift)


def test_torch_s_graphs_have_it_as_a_buffer() -> None:
    layer = made()
    program = torch.export.export(layer, (X,))
    assert program.graph_signature.parameters == ("kernel",)
    assert sorted(program.graph_signature.buffers) == ["calls", "shift"]
    check_tables(program.module())
    traced = torch.jit.trace(layer, X)
    again = made()
    for graph in (program.module(), traced):
        assert_close(graph(X), layer(X))
        graph.load_state_dict(again.state_dict())
        assert_close(graph(X), again(X))


class Around(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = made()

    def forward(self, x: Any) -> Any:
        return x * self.inner.shift


def test_numpy_takes_what_torch_s_own_takes() -> None:
    layer = Dense(2)
    layer.build((None, 3))
    assert np.array_equal(layer.bias.numpy(force=True), layer.bias.numpy())


def test_torch_s_symbolic_trace_takes_it() -> None:
    module = Around()
    assert_close(torch.fx.symbolic_trace(module)(X), X * module.inner._buffers["shift"])


def test_a_compiled_call_assigns(fresh_compiler: None) -> None:
    layer = made(Counting)
    other = copy.deepcopy(layer)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    for _ in range(2):
        assert_close(compiled(X), other(X))
    assert_close(layer.shift, other.shift)
    traced = torch.jit.trace(layer, X, check_trace=False)
    before = layer.shift.numpy()
    traced(X)
    assert_close(layer.shift, before + 1)
