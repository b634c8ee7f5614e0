"""Every weight has memory of its own: what writes a module to a file takes two that share some for one."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_model, save_model
from test_all_layers import data, distinct, each_example, make, run
from torch import Tensor, nn

import kerastorch as kt
from kerastorch import Input, Model, Sequential, layers
from kerastorch.base.layer import Example, Layer
from kerastorch.structure import leaves


def tensors(module: nn.Module) -> dict[str, Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def check_apart(module: nn.Module) -> None:
    """Each parameter and buffer is contiguous, and the whole of its storage."""
    held = tensors(module)
    shared = {name for name, tensor in held.items() if tensor.untyped_storage().nbytes() != tensor.nbytes}
    assert not shared
    assert all(tensor.is_contiguous() for tensor in held.values())
    places = [tensor.untyped_storage()._cdata for tensor in held.values()]
    assert len(set(places)) == len(places)


def all_gated() -> Model:
    x = Input((None, 3))
    a = layers.Bidirectional(layers.GRU(4, return_sequences=True))(x)
    b = layers.CuDNNLSTM(4, return_sequences=True)(a)
    c = layers.RNN([layers.GRUCell(3), layers.LSTMCell(2)], return_sequences=True)(b)
    return Model(x, layers.Dense(2)(layers.CuDNNGRU(3)(c)))


@each_example
@pytest.mark.parametrize("way", ["build", "call", "set_weights", "double", "copy", "state dict"])
def test_no_two_weights_of_a_layer_share_memory(cls: type[Layer], example: Example, way: str) -> None:
    layer = make(cls, example, build=way != "call")
    if way == "call":
        run(layer, data(example))
    elif way == "set_weights":
        layer.set_weights(distinct(layer))
    elif way == "double":
        layer.double()
    elif way == "copy":
        layer = copy.deepcopy(layer)
    elif way == "state dict":
        layer.load_state_dict(copy.deepcopy(layer.state_dict()))
    check_apart(layer)


@each_example
def test_safetensors_write_and_read_a_layer(cls: type[Layer], example: Example, tmp_path: Path) -> None:
    layer, other = make(cls, example), make(cls, example)
    if not layer.state_dict():
        pytest.skip("the layer has no weights")
    layer.set_weights(distinct(layer))
    save_model(layer, str(tmp_path / "w.safetensors"))
    load_model(other, str(tmp_path / "w.safetensors"))
    for got, wanted in zip(other.get_weights(), layer.get_weights(), strict=True):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_model_from_a_file_has_its_weights_apart(ending: str, tmp_path: Path) -> None:
    model = Sequential([Input((None, 3)), layers.GRU(4, return_sequences=True), layers.LSTM(3), layers.Dense(2)])
    kt.save_model(model, tmp_path / f"m.{ending}")
    loaded = kt.load_model(tmp_path / f"m.{ending}")
    check_apart(loaded)
    save_model(loaded, str(tmp_path / "w.safetensors"))


def test_a_model_of_all_gated_layers_and_its_counterpart_in_torch_are_apart(tmp_path: Path) -> None:
    model = all_gated()
    check_apart(model)
    save_model(model, str(tmp_path / "w.safetensors"))
    check_apart(model.layers[1].to_torch())
    check_apart(kt.from_torch(nn.GRU(3, 4, batch_first=True)))


def test_states_that_are_kept_have_memory_of_their_own() -> None:
    for layer in (layers.LSTM(4, stateful=True), layers.GRU(4, stateful=True), layers.SimpleRNN(4, stateful=True)):
        out = layer(torch.randn(2, 5, 3))
        check_apart(layer)
        out.detach().zero_()
        assert layer.states is not None
        assert layer.states[0].abs().min() > 0


class Repeating(Layer):
    """Weights that an initializer makes as views of one tensor."""

    def build(self, input_shape: Any) -> None:
        table = torch.randn(4, 3)

        class Rows(kt.initializers.Initializer):
            def values(self, to: Any) -> Tensor:
                return table[: to.shape[0]]

        self.a = self.add_weight((2, 3), initializer=Rows())
        self.b = self.add_weight((2, 3), initializer=Rows())
        self.c = self.add_weight((2, 3), initializer=lambda shape, dtype=None: table[:2], trainable=False)

    def call(self, x: Tensor) -> Tensor:
        return x @ self.a.t() + x @ self.b.t() + x @ self.c.t()


def test_what_an_initializer_cuts_out_of_one_tensor_is_apart() -> None:
    layer = Repeating()
    layer(torch.randn(2, 3))
    check_apart(layer)


@pytest.mark.parametrize("cls", [layers.GRU, layers.CuDNNLSTM, layers.CuDNNGRU, layers.GRUCell])
def test_each_bias_is_trained_by_itself(cls: Any) -> None:
    """A step of each half is that of the whole variable, and none reaches into the other."""
    layer = cls(4)
    layer.build((None, 3) if cls is layers.GRUCell else (None, 5, 3))
    layer.set_weights([array.round() for array in distinct(layer)])  # whole numbers: adding 1 is exact
    before = layer.get_weights()[-1]
    end = "" if cls is layers.GRUCell else "_l0"
    assert tuple(before.shape) == {layers.GRU: (2, 12), layers.GRUCell: (2, 12)}.get(cls, (2 * layer.CELL.count * 4,))
    with torch.no_grad():
        getattr(layer, f"bias_ih{end}").add_(1)
    changed = layer.get_weights()[-1] - before
    np.testing.assert_array_equal(np.split(changed.reshape(-1), 2)[0], np.ones(layer.CELL.count * 4, "float32"))
    np.testing.assert_array_equal(np.split(changed.reshape(-1), 2)[1], np.zeros(layer.CELL.count * 4, "float32"))


def test_a_state_dict_with_shared_memory_loads() -> None:
    """As versions before this rule wrote it with torch.save, which keeps the sharing."""
    layer = layers.GRU(4)
    layer.build((None, 5, 3))
    both = torch.randn(2, 12)
    state = {**layer.state_dict(), "bias_ih_l0": both[0], "bias_hh_l0": both[1]}
    layer.load_state_dict(state)
    check_apart(layer)
    np.testing.assert_array_equal(layer.get_weights()[2][:, 4:8], both.numpy()[:, :4])
    assert [tuple(leaf.shape) for leaf in leaves(layer.get_weights())] == [(3, 12), (4, 12), (2, 12)]
