"""Layers in lists, tuples and dicts of a person's own class: torch finds them, Python sees lists, tuples and dicts."""

from __future__ import annotations

import copy
import json
import pickle
from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close
from torch import Tensor, nn

from kerastorch import Input, Model, layers, load_model
from kerastorch.errors import ArgumentError, NotBuiltError


class Net(Model):
    def __init__(self, depth: int = 2) -> None:
        super().__init__()
        self.first = layers.Dense(3)
        self.blocks: list[Any] = []
        for _ in range(depth):
            self.blocks.append(layers.Dense(3))
        self.heads = {"left": layers.Dense(2), "a.b": layers.Dense(2), "keys": layers.Dense(2)}
        self.pair = (layers.Dense(3), [layers.LSTM(3, return_sequences=True)])
        self._last = layers.Dense(1)
        self.sizes = [1, 2]
        self.log: list[float] = []

    def call(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        x = self.pair[1][0](self.pair[0](x))
        return self._last(torch.cat([head(x) for head in self.heads.values()], -1))


def built() -> Net:
    net = Net()
    net(torch.zeros(2, 4, 3))
    return net


def test_torch_finds_them_and_python_sees_what_was_assigned() -> None:
    net = built()
    assert [type(value) for value in (net.sizes, net.blocks[:])] == [list, list]
    assert isinstance(net.blocks, list)
    assert isinstance(net.heads, dict)
    assert len(net.pair) == 2
    assert ((*net.pair,), net.pair + (1,), (1,) + net.pair) == (net.pair, (*net.pair, 1), (1, *net.pair))  # noqa: RUF005
    assert (len(net.blocks), list(net.heads), net.log) == (2, ["left", "a.b", "keys"], [])
    assert net.blocks[-1] is net.blocks[1]
    assert len(net.layers) == len(net.trainable_weights) // 2 == len({id(layer) for layer in net.layers}) == 9
    names = set(net.state_dict())
    assert {"blocks.1.kernel", "blocks.1.weight"} & names
    for prefix in ("first.", "blocks.0.", "heads.left.", "heads.item_1.", "heads.item_2.", "pair.0.", "pair.1.0."):
        assert any(name.startswith(prefix) for name in names), prefix
    other = built()
    other.load_state_dict(net.state_dict())
    x = torch.randn(2, 4, 3)
    assert torch.equal(other(x), net(x))
    net(x).sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())
    net.log.append(0.5)
    assert net.log == [0.5]
    assert json.dumps([net.log, net.sizes]) == "[[0.5], [1, 2]]"
    assert net.get_layer(net._last.name) is net._last
    assert net.double()(x.double()).dtype == torch.float64


def test_the_ways_of_torch() -> None:
    net = built().eval()
    x = torch.randn(2, 4, 3)
    wanted = net(x)
    assert torch.equal(torch.func.functional_call(net, dict(net.named_parameters()), (x,)), wanted)
    assert_close(torch.export.export(net, (x,)).module()(x), wanted)
    assert_close(torch.compile(net, backend="eager", fullgraph=True)(x), wanted)
    for again in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(again(x), wanted)
        assert again.blocks[0] is again.get_submodule("blocks.0") is not net.blocks[0]
        assert again.layers[1] is again.blocks[0]
        again.blocks.append(layers.Dense(3))
        again(x)
        assert len(again.layers) == len(net.layers) + 1


def test_every_change_is_seen() -> None:
    net = Net(0)
    net.blocks += [layers.Dense(1), layers.Dense(2)]
    net.blocks.insert(0, layers.Dense(3))
    net.blocks.extend([[layers.Dense(4)], "no layer"])
    assert list(dict(net.named_modules())["blocks"]._modules) == ["0", "1", "2", "3"]
    assert [layer.units for layer in (net.blocks[0], net.blocks[1], net.blocks[3][0])] == [3, 1, 4]
    net.blocks[3].append(layers.Dense(5))
    assert net.get_submodule("blocks.3.1").units == 5
    del net.blocks[1]
    net.blocks[1] = layers.Dense(6)
    assert net.get_submodule("blocks.1").units == 6
    assert net.blocks.pop() == "no layer"
    net.blocks.reverse()
    assert net.get_submodule("blocks.2").units == 3
    net.heads["new"] = layers.Dense(7)
    net.heads.update(left=layers.Dense(8))
    assert net.get_submodule("heads.left").units == 8
    del net.heads["a.b"]
    assert [layer.units for layer in net.heads.values()] == [8, 2, 7]
    assert net.heads == {key: net.heads[key] for key in ("left", "keys", "new")}
    net.heads = OrderedDict(one=layers.Dense(9))
    net.blocks = [1, 2]
    assert net.blocks == [1, 2]
    assert "blocks" not in dict(net.named_modules())
    assert net.get_submodule("heads.one").units == 9


def test_the_order_is_that_of_time() -> None:
    class Late(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.early: list[Any] = []
            self.middle = layers.Dense(2)
            self.early.append(layers.Dense(3))
            self.grid = [layers.Dense(4), [layers.Dense(5)], layers.Dense(6)]
            self.early.insert(0, layers.Dense(7))

    layer = Late()
    for again in (layer, copy.deepcopy(layer), copy.copy(layer)):
        assert [inner.units for inner in again._sublayers()] == [2, 3, 4, 5, 6, 7]  # type: ignore[union-attr]


def test_what_cannot_be_found_is_refused() -> None:
    net = Net()
    with pytest.raises(ArgumentError, match="layers in a 'set' are not found; keep them in a list, a tuple or a dict"):
        net.some = {layers.Dense(2)}
    both = namedtuple("both", "a b")
    with pytest.raises(ArgumentError, match="layers in a 'both' are not found"):
        net.some = both(layers.Dense(2), 1)
    for name in ("layers", "input", "output", "weights"):
        with pytest.raises(ArgumentError, match=f"Net: the attribute '{name}' is taken"):
            setattr(net, name, layers.Dense(2))
    with pytest.raises(ArgumentError, match="Net: the attribute 'weights' is taken"):
        net.weights = nn.Parameter(torch.zeros(2))

    class Early(layers.Layer):
        def __init__(self) -> None:
            self.sizes: list[int] = []
            self.parts = [layers.Dense(2)]
            super().__init__()

    with pytest.raises(AttributeError, match="cannot assign module before"):
        Early()


def test_a_layer_that_nobody_calls_has_no_weights() -> None:
    class Lazy(Model):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = layers.Dense(2), [layers.LSTM(3)]

        def call(self, x: Tensor) -> Tensor:
            return self.used(x)

    model = Lazy()
    assert model.get_weights() == []
    with pytest.raises(NotBuiltError):
        model.count_params()
    model.build((None, 4))
    assert [array.shape for array in model.get_weights()] == [(4, 2), (2,)]
    assert model.count_params() == 10
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    rows = [line.split() for line in lines[0].splitlines()]
    assert [model.used.name, "(Dense)", "(None,", "2)", "10"] in rows
    assert [model.unused[0].name, "(LSTM)", "?", "0", "(unbuilt)"] in rows
    assert "Total params: 10" in lines[0]


def test_build_runs_the_model_once_and_leaves_no_trace() -> None:
    class Stateful(Model):
        def __init__(self) -> None:
            super().__init__()
            self.norm = layers.BatchNormalization()
            self.rnn = layers.LSTM(3, stateful=True)
            self.calls = 0

        def call(self, x: Tensor) -> Tensor:
            self.calls += 1
            return self.rnn(self.norm(x))

    model = Stateful()
    model.build((2, 4, 3))
    assert model.calls == 1
    assert model.training
    assert model.norm.training
    assert not model.rnn.states[0].any()
    np.testing.assert_array_equal(model.norm.get_weights()[3], np.ones(3))
    assert model(torch.randn(2, 4, 3)).shape == (2, 3)


def test_own_layers_around_recurrent_ones_in_a_graph() -> None:
    class Encoder(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.stack = [layers.Dense(4), layers.Bidirectional(layers.LSTM(3, return_sequences=True))]

        def call(self, x: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
            for layer in self.stack:
                x = layer(x)
            return x * scale, x[:, -1]

    x, scale = Input((None, 3)), Input((1, 1))
    encoder = Encoder()
    sequence, last = encoder(x, scale)
    assert (sequence.shape, last.shape) == ((None, None, 6), (None, 6))
    model = Model([x, scale], [layers.GRU(2)(sequence), last])
    assert {parameter.device.type for parameter in model.parameters()} == {"cpu"}
    outputs = model([torch.randn(2, 5, 3), torch.ones(2, 1, 1)])
    assert [tuple(out.shape) for out in outputs] == [(2, 2), (2, 6)]
    assert [name for name, _ in encoder.named_children()] == ["stack"]
    part, data = Model(model.input, encoder.output[1]), [torch.ones(1, 2, 3), torch.ones(1, 1, 1)]
    assert torch.equal(part(data), model(data)[1])


class Twice(layers.Layer):
    """A layer under two names, and one weight in two layers."""

    def __init__(self, **base: Any) -> None:
        super().__init__(**base)
        self.dense = layers.Dense(3, name="shared")
        self.again = [self.dense, layers.Dense(3, name="other")]
        self.tied, self.by = nn.Linear(3, 3), nn.Linear(3, 3)
        self.tied.weight = self.by.weight

    def call(self, x: Tensor) -> Tensor:
        return self.by(self.tied(self.again[1](self.again[0](self.dense(x)))))


def test_a_layer_under_two_names_keeps_its_values_where_only_shapes_are_computed() -> None:
    own = Twice()
    x = Input((3,))
    model = Model(x, own(x))
    before = {name: value.clone() for name, value in own.state_dict().items()}
    assert not any(value.is_meta for value in before.values())
    assert own.tied.weight is own.by.weight
    assert own.compute_output_shape((None, 3)) == (None, 3)
    for name, value in own.state_dict().items():
        assert torch.equal(value, before[name])
    data = torch.randn(4, 3)
    assert_close(model(data), own(data))


class Holding(layers.Layer):
    def __init__(self, held: Any) -> None:
        super().__init__()
        self.held = held


def test_a_list_that_holds_itself_when_it_is_assigned_is_refused() -> None:
    inner: list[Any] = [layers.Dense(1)]
    inner.append(inner)
    with pytest.raises(ArgumentError, match="a list that holds itself has no end"):
        Holding(inner)


class Cyclic(Model):
    """A model with containers that come to hold themselves, which Keras 3 takes."""

    def __init__(self, **base: Any) -> None:
        super().__init__(**base)
        self.blocks: list[Any] = [layers.Dense(3)]
        self.blocks.append(self.blocks)
        self.named: dict[str, Any] = {"out": layers.Dense(2)}
        self.blocks.append(self.named)
        self.named["around"] = self.blocks
        self.named.update(own=[self.named])

    def call(self, x: Tensor) -> Tensor:
        return self.blocks[1][1][0](self.named["around"][2]["out"](x))


def test_containers_may_come_to_hold_themselves(tmp_path: Any) -> None:
    model, x = Cyclic(), torch.ones(2, 4)
    y = model(x)
    assert model.blocks[1] is model.blocks
    assert model.named["around"] is model.blocks
    assert len(model.weights) == len([*model.parameters()]) == 4
    assert {name.rpartition(".")[2] for name in model.state_dict()} == {"weight", "bias"}
    assert repr(model)
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras", custom_objects={"Cyclic": Cyclic})
    assert torch.equal(again(x), y)
