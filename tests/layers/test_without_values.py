"""Layers and models made where tensors have no values: on the meta device, in a FakeTensorMode, by tools that do so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

import kerastorch as kt
from kerastorch import Input, Model, Sequential, layers


def chain() -> Sequential:
    return Sequential(
        [Input((5, 3)), layers.Bidirectional(layers.LSTM(4)), layers.BatchNormalization(), layers.Dense(2)]
    )


def unbuilt() -> Sequential:
    return Sequential([layers.GRU(4), layers.Dense(2)])


@contextmanager
def parameters_on_meta() -> Iterator[None]:
    """What `accelerate.init_empty_weights()` does: it makes each parameter of its class and with its attributes."""
    old = nn.Module.register_parameter

    def register(self: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        old(self, name, parameter)
        if parameter is not None:
            held = self._parameters[name]
            assert held is not None
            options = {**held.__dict__, "requires_grad": parameter.requires_grad}
            self._parameters[name] = type(held)(held.to("meta"), **options)

    nn.Module.register_parameter = register  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.Module.register_parameter = old  # type: ignore[method-assign]


PLACES: dict[str, Callable[[], Any]] = {
    "meta": lambda: torch.device("meta"),
    "fake": FakeTensorMode,
    "parameters": parameters_on_meta,
}


@pytest.mark.parametrize("make", [chain, unbuilt])
@pytest.mark.parametrize("place", PLACES)
def test_made_without_values(place: str, make: Callable[[], Model]) -> None:
    with PLACES[place]():
        model = make()
        if place == "fake":
            assert tuple(model(torch.zeros(2, 5, 3)).shape) == (2, 2)
    if place == "fake":
        assert all(isinstance(parameter, FakeTensor) for parameter in model.parameters())
        return
    model(torch.zeros(2, 5, 3, device="meta"))
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}
    wanted = {name: tuple(value.shape) for name, value in make_whole(make).state_dict().items()}
    assert {name: tuple(value.shape) for name, value in model.state_dict().items()} == wanted


def make_whole(make: Callable[[], Model]) -> Model:
    model = make()
    model(torch.zeros(2, 5, 3))
    return model


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_file_read_without_values(tmp_path: Path, ending: str) -> None:
    model, path, x = make_whole(chain).eval(), tmp_path / f"m{ending}", torch.ones(2, 5, 3)
    kt.save_model(model, path)
    with torch.device("meta"):
        structures = [kt.load_model(path), kt.load_model(path, device="meta")]
    for empty in structures:
        assert {tensor.device.type for tensor in empty.state_dict().values()} == {"meta"}
        empty.load_state_dict(model.state_dict(), assign=True)
        np.testing.assert_array_equal(empty(x).detach().numpy(), model(x).detach().numpy())
    with FakeTensorMode():
        fake = kt.load_model(path)
        assert tuple(fake(torch.zeros(2, 5, 3)).shape) == (2, 2)
