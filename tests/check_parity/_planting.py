"""Faults to be planted in a model: in weights, settings, calls, gradients and the optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import kerastorch as kt
from kerastorch import optimizers

Plant = Callable[[Any], object]
FORWARD = {"gradients": False, "training": False}
GRADIENTS = {"training": False, "self_check": False}
TRAINING = {"layers": False, "states": False, "gradients": False, "self_check": False}


def weights(layer: str, change: Callable[[list[np.ndarray]], Any]) -> Plant:
    """A fault in the arrays of a layer; `change` changes them in place."""

    def plant(model: kt.Model) -> None:
        arrays = model.get_layer(layer).get_weights()
        change(arrays)
        model.get_layer(layer).set_weights(arrays)

    return plant


def setting(layer: str, **values: Any) -> Plant:
    """A fault in the settings of a layer."""

    def plant(model: kt.Model) -> None:
        for name, value in values.items():
            assert hasattr(model.get_layer(layer), name)
            setattr(model.get_layer(layer), name, value)

    return plant


def swap_gates(units: int, one: int, other: int) -> Callable[[list[np.ndarray]], None]:
    def change(arrays: list[np.ndarray]) -> None:
        for array in arrays:
            a, b = (slice(gate * units, (gate + 1) * units) for gate in (one, other))
            array[..., a], array[..., b] = array[..., b].copy(), array[..., a].copy()

    return change


def scale(place: int, factor: float) -> Callable[[list[np.ndarray]], None]:
    def change(arrays: list[np.ndarray]) -> None:
        arrays[place] *= factor

    return change


def exchange(one: int, other: int) -> Callable[[list[np.ndarray]], None]:
    def change(arrays: list[np.ndarray]) -> None:
        arrays[one], arrays[other] = arrays[other], arrays[one]

    return change


def transpose(place: int) -> Callable[[list[np.ndarray]], None]:
    def change(arrays: list[np.ndarray]) -> None:
        arrays[place] = arrays[place].T.copy()

    return change


def hooked(layer: str, change: Callable[[tuple[Any, ...], dict[str, Any]], Any]) -> Plant:
    """A fault in what a layer is called with."""

    def plant(model: kt.Model) -> None:
        model.get_layer(layer).register_forward_pre_hook(lambda _, args, kwargs: change(args, kwargs), with_kwargs=True)

    return plant


def no_mask(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args, {**kwargs, "mask": None}


def shifted_mask(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    mask = kwargs.get("mask")
    return args, {**kwargs, "mask": None if mask is None else torch.roll(mask, 1, dims=1)}


def swapped_states(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args, {**kwargs, "initial_state": list(kwargs["initial_state"])[::-1]}


def gradient(layer: str, weight: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Plant:
    """A fault in the gradient of a weight of torch."""
    return lambda model: getattr(model.get_layer(layer), weight).register_hook(change)


def leave_dropout_on(model: kt.Model) -> None:
    drop = model.get_layer("drop")
    drop.register_forward_pre_hook(lambda _, args, kwargs: (args, {**kwargs, "training": True}), with_kwargs=True)


class WithoutBiases(optimizers.Adam):
    """Leaves biases as they are."""

    def _update(self, grads: Any) -> None:
        names = {part: item.name for item in self._trained for part in item.parts}
        super()._update({part: grad for part, grad in grads.items() if "bias" not in names[part]})


def optimizer(**settings: Any) -> Plant:
    return lambda model: [setattr(model.optimizer, name, value) for name, value in settings.items()]
