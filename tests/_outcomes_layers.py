"""What layers over time, wrappers and attention do with every kind of call: a set of outcomes, see `_outcomes.py`.

Everything is in whole numbers and float64, with linear or relu6 activations: results are exact, and kept as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from zlib import crc32

import numpy as np
import torch
from _outcomes import plain
from torch import Tensor, nn

import kerastorch as kt
from kerastorch import layers
from kerastorch.base.attached_masks import mask_on
from kerastorch.errors import KerasTorchError
from kerastorch.structure import leaves, map_structure

B, T, F, U = 2, 3, 2, 2  # F == U: what is turned or exchanged keeps its shape
KEPT = 4  # of so many calls about one is kept
LINEAR: dict[str, Any] = {"activation": "linear", "dtype": "float64", "name": "l"}
GATED: dict[str, Any] = {**LINEAR, "recurrent_activation": "relu6"}
MASKS = {
    "right": [[1, 1, 0], [1, 1, 1]],
    "left": [[0, 1, 1], [0, 0, 1]],
    "holes": [[1, 0, 1], [0, 1, 0]],
    "none at all": [[0, 0, 0], [0, 0, 0]],
}


class Cell(layers.AbstractRNNCell):
    """A cell of somebody's own with two states of different sizes, the second of which counts."""

    def __init__(self, units: int = U, **base: Any) -> None:
        super().__init__(**base)
        self.units = units

    @property
    def state_size(self) -> Any:
        return [self.units, 1]

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")

    def call(self, inputs: Tensor, states: Any) -> Any:
        hidden, count = states
        hidden = inputs @ self.kernel + 2 * hidden + count
        return hidden, [hidden, count + 1]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


class Masked(layers.Layer):
    """A layer that computes with the mask that it gets, and hands on another."""

    supports_masking = True

    def call(self, x: Tensor, mask: Any = None, training: bool = False) -> Tensor:
        used = x if mask is None else x * (1 + mask.to(x.dtype)).reshape(*mask.shape, *[1] * (x.ndim - mask.ndim))
        return used + 100 * training

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None if mask is None else ~mask


class Module(nn.Module):
    def forward(self, x: Tensor, y: Tensor | None = None, mask: Tensor | None = None) -> Any:
        out = x if y is None else 10 * x + y
        return out if mask is None else out + 1000 * mask.to(x.dtype)[..., None]


def _each(name: str, cls: Any, base: dict[str, Any], inner: Any = None) -> Iterator[tuple[str, Callable[[], Any]]]:
    """A recurrent layer with each of the options, and with some pairs of them."""
    for options in (
        {},
        {"return_sequences": True},
        {"return_state": True},
        {"return_sequences": True, "return_state": True, "go_backwards": True},
        {"return_sequences": True, "zero_output_for_mask": True},
        {"zero_output_for_mask": True, "go_backwards": True, "unroll": True},
        {"stateful": True, "return_sequences": True},
        {"stateful": True, "return_state": True, "go_backwards": True},
    ):
        made = {**base, **options}
        yield f"{name} {_said(options)}", lambda made=made: cls(**made) if inner is None else cls(inner(), **made)


def _said(options: dict[str, Any]) -> str:
    return " ".join(f"{key}={value}" if value is not True else key for key, value in options.items())


@cache
def made() -> dict[str, Callable[[], Any]]:
    found: dict[str, Callable[[], Any]] = {}
    lstm, gru = {"units": U, **GATED}, {"units": U, **GATED, "reset_after": False}
    found |= dict(_each("LSTM", layers.LSTM, lstm))
    found |= dict(_each("LSTM no bias", layers.LSTM, {**lstm, "use_bias": False}))
    found |= dict(_each("GRU", layers.GRU, {**gru, "reset_after": True}))
    found |= dict(_each("GRU reset before", layers.GRU, gru))
    found |= dict(_each("SimpleRNN", layers.SimpleRNN, {"units": U, **LINEAR}))
    named = {**GATED, "name": "c"}
    plain_rnn = {"dtype": "float64", "name": "l"}
    cells: dict[str, Callable[[], Any]] = {
        "LSTMCell": lambda: layers.LSTMCell(U, **named),
        "own": lambda: Cell(dtype="float64", name="c"),
        "stack": lambda: layers.StackedRNNCells(
            [
                layers.GRUCell(U, **named),
                layers.LSTMCell(3, **{**named, "name": "d"}),
                layers.SimpleRNNCell(1, activation="linear", dtype="float64", name="e"),
            ],
            dtype="float64",
            name="s",
        ),
    }
    for label, cell in cells.items():
        found |= dict(_each(f"RNN {label}", layers.RNN, plain_rnn, cell))

    def both(inner: dict[str, Any], cls: Any = layers.LSTM, **options: Any) -> Callable[[], Any]:
        base = {**GATED, "name": "i"} if cls is not layers.SimpleRNN else {**LINEAR, "name": "i"}
        return lambda: layers.Bidirectional(cls(U, **base, **inner), dtype="float64", name="l", **options)

    everything = {"return_sequences": True, "return_state": True}
    for mode in ("concat", "sum", "mul", "ave", None):
        found[f"Bidirectional {mode}"] = both({}, merge_mode=mode)
        found[f"Bidirectional {mode} everything"] = both(everything, merge_mode=mode)
        found[f"Bidirectional {mode} SimpleRNN sequences"] = both(
            {"return_sequences": True}, layers.SimpleRNN, merge_mode=mode
        )
    found["Bidirectional stateful"] = both({"stateful": True, **everything})
    found["Bidirectional stateful GRU sum"] = both({"stateful": True}, layers.GRU, merge_mode="sum")
    found["Bidirectional of one that goes backwards"] = both({"go_backwards": True, "return_sequences": True})
    found["Bidirectional of two"] = lambda: layers.Bidirectional(
        layers.LSTM(U, return_sequences=True, **GATED),
        backward_layer=layers.GRU(3, return_sequences=True, go_backwards=True, **{**GATED, "name": "k"}),
        dtype="float64",
        name="both",
    )
    found["Bidirectional of RNN"] = lambda: layers.Bidirectional(
        layers.RNN(Cell(dtype="float64", name="c"), return_state=True, dtype="float64", name="i"),
        merge_mode="sum",
        dtype="float64",
        name="l",
    )
    inner: dict[str, Callable[[], Any]] = {
        "Dense": lambda: layers.Dense(3, dtype="float64", name="i"),
        "LSTM": lambda: layers.LSTM(U, **{**GATED, "name": "i"}),
        "LSTM everything": lambda: layers.LSTM(U, **{**GATED, "name": "i"}, **everything),
        "Masked": lambda: Masked(dtype="float64", name="i"),
        "Masking": lambda: layers.Masking(2.0, dtype="float64", name="i"),
        "TimeDistributed": lambda: layers.TimeDistributed(Masked(dtype="float64", name="j"), dtype="float64", name="i"),
        "Lambda": lambda: layers.Lambda(lambda x, mask=None: x if mask is None else -x, dtype="float64", name="i"),
        "Sequential": lambda: kt.Sequential(
            [layers.Masking(2.0, name="m"), layers.SimpleRNN(U, **{**LINEAR, "name": "r"})], name="i"
        ),
    }
    for label, make in inner.items():
        for keras2 in (False, True):
            found[f"TimeDistributed {label}{' of Keras 2' if keras2 else ''}"] = lambda make=make, keras2=keras2: (
                layers.TimeDistributed(make(), keras2_masks=keras2, dtype="float64", name="l")
            )
    found["Masking"] = lambda: layers.Masking(2.0, dtype="float64", name="l")
    found["Masking of nothing"] = lambda: layers.Masking(dtype="float64", name="l")
    found["Masked"] = lambda: Masked(dtype="float64", name="l")
    found["Lambda"] = lambda: layers.Lambda(lambda x: x[:, -1], dtype="float64", name="l")
    found["Lambda with a mask"] = lambda: layers.Lambda(
        lambda x, mask=None, training=None: (x if mask is None else x * mask[..., None].to(x.dtype)) + bool(training),
        mask=lambda x, mask: None if mask is None else ~mask,
        dtype="float64",
        name="l",
    )
    found["Lambda with arguments"] = lambda: layers.Lambda(
        lambda x, scale: x * scale, (T, F), arguments={"scale": 3}, mask="given", dtype="float64", name="l"
    )
    found["module"] = lambda: layers.TorchModuleWrapper(Module(), "l", dtype="float64")
    for rank, image in ((1, (4,)), (2, (3, 4))):
        cls = getattr(layers, f"ConvLSTM{rank}D")
        base = {"filters": U, "kernel_size": 2, **GATED}
        for options in (
            {},
            {"return_sequences": True, "return_state": True, "padding": "same"},
            {"return_sequences": True, "go_backwards": True, "strides": 2},
            {"stateful": True, "return_state": True, "zero_output_for_mask": True, "use_bias": False},
        ):
            key = f"ConvLSTM{rank}D {_said(options)} {image}"
            found[key] = lambda cls=cls, base=base, options=options: cls(**base, **options)
    return found


# ---------------------------------------------------------------- the calls


def numbers(*shape: int, at: int = 0) -> Tensor:
    """Whole numbers from -2 to 3, another row at each `at`."""
    drawn = np.random.default_rng(5 + at).integers(-2, 4, shape)
    return torch.tensor(drawn, dtype=torch.float64)


def shape_of(name: str) -> tuple[int, ...]:
    if name.startswith("ConvLSTM"):
        return (B, T, *image_of(name), F)
    return (
        (B, 4, T, F)
        if name.startswith(("TimeDistributed LSTM", "TimeDistributed S", "TimeDistributed T"))
        else (B, T, F)
    )


def image_of(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in name[name.rindex("(") :].strip("(),").replace(" ", "").split(","))


def ready(make: Callable[[], Any], shape: tuple[int, ...]) -> Any:
    layer = make()
    layer.build(shape)
    layer.set_weights([numbers(*array.shape, at=at).numpy() for at, array in enumerate(layer.get_weights())])
    return layer.eval()


def state_shapes(layer: Any, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    directions = layer._directions if isinstance(layer, layers.Bidirectional) else [layer]
    if not hasattr(directions[0], "_state_sizes"):
        return []
    return [(B, *map(int, size)) for each in directions for size in each._state_sizes]


def result(layer: Any, output: Any) -> dict[str, Any]:
    masks = [mask_on(tensor) for tensor in leaves(output) if isinstance(tensor, Tensor)]
    kept = getattr(layer, "states", None)
    return {
        "output": shown(output),
        "masks": [None if mask is None else shown(mask) for mask in masks],
        "states": shown(kept) if kept is not None else None,
    }


def shown(value: Any) -> Any:
    return map_structure(lambda each: [str(each.dtype)[6:], each.tolist()] if isinstance(each, Tensor) else each, value)


Call = Callable[[Any, Tensor], Any]


def calls(shape: tuple[int, ...]) -> dict[str, Call]:
    """Name -> what is done with a layer and an input of its shape."""
    found: dict[str, Call] = {"alone": lambda layer, x: layer(x)}
    found["training"] = lambda layer, x: layer(x, training=True)
    found["twice"] = lambda layer, x: [layer(x), layer(x + 1)]
    steps = shape[1]
    for name, mask in MASKS.items():
        given = torch.tensor(mask, dtype=torch.bool)
        given = torch.cat([given, given[:, :1]], 1) if steps == 4 else given
        found[f"mask {name}"] = lambda layer, x, given=given: layer(x, mask=given)
        found[f"mask {name} of numbers"] = lambda layer, x, given=given: layer(x, mask=given.float())
        found[f"mask {name} (B, T, 1)"] = lambda layer, x, given=given: layer(x, mask=given[..., None])
        found[f"mask {name} in a list"] = lambda layer, x, given=given: layer(x, mask=[given])
        found[f"computed mask {name}"] = lambda layer, x, given=given: layer.compute_mask(x, given)
    inner = torch.tensor([[[1, 0, 1], [1, 1, 0], [0, 0, 0], [0, 1, 1]], [[0, 1, 0], [1, 1, 1], [1, 0, 0], [0, 0, 1]]])
    found["mask of each step's steps"] = lambda layer, x: layer(x, mask=inner.bool()[:, :steps])
    found["computed mask of each step's steps"] = lambda layer, x: layer.compute_mask(x, inner.bool()[:, :steps])
    found["computed mask of none"] = lambda layer, x: layer.compute_mask(x)
    found["mask of another length"] = lambda layer, x: layer(x, mask=torch.ones(B, steps + 1, dtype=torch.bool))
    found["mask of another batch"] = lambda layer, x: layer(x, mask=torch.ones(B + 1, steps, dtype=torch.bool))

    def states(layer: Any, **more: int) -> list[Tensor]:
        return [numbers(*size, at=20 + at + more.get("at", 0)) for at, size in enumerate(state_shapes(layer, shape))]

    found["initial_state"] = lambda layer, x: layer(x, initial_state=states(layer))
    found["initial_state behind the mask"] = lambda layer, x: layer(x, None, states(layer))
    found["states behind the input"] = lambda layer, x: layer([x, *states(layer)])
    found["initial_state and a mask"] = lambda layer, x: layer(
        x, initial_state=states(layer), mask=torch.tensor(MASKS["holes"], dtype=torch.bool)
    )
    found["forward alone"] = lambda layer, x: layer.forward(x)
    found["forward of a list"] = lambda layer, x: layer.forward([x, *states(layer)])
    found["forward by position"] = lambda layer, x: layer.forward(
        x, torch.tensor(MASKS["right"], dtype=torch.bool), states(layer), True
    )
    found["a state less"] = lambda layer, x: layer(x, initial_state=states(layer)[:-1])
    found["a state more"] = lambda layer, x: layer(x, initial_state=[*states(layer), x])
    found["states of another batch"] = lambda layer, x: layer(x, initial_state=[each[:1] for each in states(layer)])
    found["states of another size"] = lambda layer, x: layer(x, initial_state=[each[..., :1] for each in states(layer)])
    found["states of another rank"] = lambda layer, x: layer(x, initial_state=[each[0] for each in states(layer)])

    def after(do: Callable[[Any], Any]) -> Call:
        def call(layer: Any, x: Tensor) -> Any:
            layer(x)
            done = do(layer)
            return [done, layer(x)]

        return call

    found["reset_state"] = after(lambda layer: layer.reset_state())
    found["reset_state to values"] = after(lambda layer: layer.reset_state(states(layer, at=7)))
    found["reset_states to values"] = after(lambda layer: layer.reset_states(states=states(layer, at=8)))
    found["states ="] = after(lambda layer: setattr(layer, "states", states(layer, at=9)))
    found["reset_state to too few"] = after(lambda layer: layer.reset_state(states(layer, at=7)[1:]))
    found["another batch"] = lambda layer, x: [layer(x), layer(x[:1])]
    found["get_initial_state"] = lambda layer, x: layer.get_initial_state(3)
    found["get_initial_state of inputs"] = lambda layer, x: layer.get_initial_state(inputs=x.float())
    found["get_initial_state of nothing"] = lambda layer, x: layer.get_initial_state()
    found["another rank"] = lambda layer, x: layer(x[0])
    found["one axis more"] = lambda layer, x: layer(x[None])
    found["another size"] = lambda layer, x: layer(torch.cat([x, x], -1))
    found["one step"] = lambda layer, x: layer(x[:, :1])
    found["no step"] = lambda layer, x: layer(x[:, :0])
    found["no rows"] = lambda layer, x: layer(x[:0])
    found["single precision"] = lambda layer, x: layer(x.float())
    found["whole numbers"] = lambda layer, x: layer(x.long())
    found["an array"] = lambda layer, x: layer(x.numpy())
    found["two tensors"] = lambda layer, x: layer(x, x)
    found["a list of two"] = lambda layer, x: layer([x, x])

    def gradients(layer: Any, x: Tensor, **options: Any) -> Any:
        x = x.clone().requires_grad_()
        first = next(each for each in leaves(layer(x, **options)) if each.requires_grad)
        (first * numbers(*first.shape, at=3)).sum().backward()
        return [x.grad, *(torch.as_tensor(each) for each in layer.get_gradients() if each is not None)]

    found["gradients"] = gradients
    found["gradients with a mask"] = lambda layer, x: gradients(
        layer, x, mask=torch.tensor(MASKS["right"], dtype=torch.bool)
    )
    return found


def said(layer: Any, shape: tuple[int, ...]) -> dict[str, Callable[[], Any]]:
    """Name -> what a layer says of itself."""
    open_shape = (None, *shape[1:])
    return {
        "config": lambda: layer.get_config(),
        "weights": lambda: [[each.path, list(each.shape), each.trainable] for each in layer.weights],
        "output shape": lambda: layer.compute_output_shape(shape),
        "open output shape": lambda: layer.compute_output_shape(open_shape),
        "open steps": lambda: layer.compute_output_shape((None, None, *shape[2:])),
        "output shape of another rank": lambda: layer.compute_output_shape(shape[1:]),
        "output shape of another size": lambda: layer.compute_output_shape((*shape[:-1], 7)),
        "built again": lambda: layer.build((*shape[:-1], 7)),
        "symbolic": lambda: [each.shape for each in leaves(layer(kt.Input(batch_shape=shape)))],
        "symbolic, open": lambda: [each.shape for each in leaves(layer(kt.Input(shape[1:])))],
        "symbolic states": lambda: [
            each.shape
            for each in leaves(
                layer(
                    kt.Input(batch_shape=shape),
                    initial_state=[kt.Input(batch_shape=size) for size in state_shapes(layer, shape)],
                )
            )
        ],
        "symbolic states of another size": lambda: (
            leaves(
                layer(kt.Input(batch_shape=shape), initial_state=[kt.Input((5,)) for _ in state_shapes(layer, shape)])
            )[0].shape
        ),
        "kernel": lambda: layer.kernel_choice()[0],
        "another one": lambda: type(layer).from_config(layer.get_config()).get_config() == layer.get_config(),
        "frozen": lambda: [setattr(layer, "trainable", False), [each.trainable for each in layer.weights]],
    }


@cache
def called() -> dict[str, Callable[[], Any]]:
    cases: dict[str, Callable[[], Any]] = {}
    for name, make in made().items():
        shape = shape_of(name)
        for label, call in calls(shape).items():

            def run(make: Any = make, shape: Any = shape, call: Call = call) -> Any:
                layer = ready(make, shape)
                x = numbers(*shape, at=11)
                return plain(result(layer, call(layer, x)))

            cases[f"{name}: {label}"] = run
        for label in said(None, shape):
            cases[f"{name}: {label}"] = lambda make=make, shape=shape, label=label: plain(
                shown(said(ready(make, shape), shape)[label]())
            )
        cases[f"{name}: unbuilt"] = lambda make=make, shape=shape: shown(make()(numbers(*shape)).shape)
    chosen = (key for key in cases if crc32(key.encode()) % KEPT == 0 or key.endswith(": forward of a list"))
    return {key: told(cases[key]) for key in chosen}


def told(case: Callable[[], Any]) -> Callable[[], Any]:
    """Of an error that is not ours the kind alone: Python and torch word theirs otherwise in each version."""

    def made() -> Any:
        try:
            return case()
        except KerasTorchError:
            raise
        except Exception as error:  # noqa: BLE001 - one outcome for each, so that all are compared
            return {"fails": type(error).__name__}

    return made
