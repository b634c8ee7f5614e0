"""Five families of models, and the faults that are planted in each, one at a time, with what each is called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from _planting import (
    FORWARD,
    GRADIENTS,
    TRAINING,
    Plant,
    WithoutBiases,
    exchange,
    gradient,
    hooked,
    leave_dropout_on,
    optimizer,
    scale,
    setting,
    shifted_mask,
    swap_gates,
    swapped_states,
    transpose,
    weights,
)

import kerastorch as kt
from kerastorch import activations, layers, losses, optimizers

OTHER = "the model here has other weights than the reference: "


@dataclass(frozen=True)
class Fault:
    """A fault that is planted.

    Attributes:
        plant: Plants it.
        layer: Where it is; empty where it is in the training alone.
        name: How the diagnosis begins; None where nothing that is known explains it.
        options: What is compared.
    """

    plant: Plant
    layer: str
    name: str | None
    options: dict[str, bool]


def made(inputs: Any, outputs: Any, rate: float = 0.01) -> kt.Model:
    """A compiled model with random weights, all of them distinct."""
    model = kt.Model(inputs, outputs)
    rng = np.random.default_rng(3)
    model.set_weights([rng.uniform(0.1, 0.9, array.shape) for array in model.get_weights()])
    model.compile(optimizers.Adam(rate), "mse")
    return model


def lstm_stack() -> kt.Model:
    words = kt.Input((7,), dtype="int32")
    x = layers.Embedding(20, 4, mask_zero=True, name="words")(words)
    x = layers.LSTM(4, return_sequences=True, name="first")(x)
    x = layers.Dropout(0.3, name="drop")(x)
    x = layers.LSTM(3, recurrent_activation="hard_sigmoid", name="second")(x)
    return made(words, layers.Dense(2, activation="sigmoid", name="out")(x))


def gru_normalized() -> kt.Model:
    inputs = kt.Input((7, 3))
    x = layers.GRU(4, return_sequences=True, name="first")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Dropout(0.3, name="drop")(x)
    x = layers.GRU(4, reset_after=False, name="second")(x)
    return made(inputs, layers.Dense(4, activation="tanh", name="out")(x))


def both_directions() -> kt.Model:
    words = kt.Input((7,), dtype="int32")
    x = layers.Embedding(20, 4, mask_zero=True, name="words")(words)
    first = layers.Bidirectional(layers.LSTM(3, return_sequences=True), name="first")(x)
    other = layers.Bidirectional(layers.SimpleRNN(3, return_sequences=True), merge_mode="sum", name="other")(x)
    x = layers.Concatenate(name="joined")([first, other])
    x = layers.LayerNormalization(name="norm")(x)
    x = layers.Dropout(0.3, name="drop")(x)
    x = layers.Bidirectional(layers.GRU(3), merge_mode="ave", name="second")(x)
    return made(words, layers.Dense(2, activation="softmax", name="out")(x))


def seq2seq() -> kt.Model:
    source, target = kt.Input((6,), dtype="int32"), kt.Input((5, 3))
    x = layers.Embedding(20, 4, mask_zero=True, name="words")(source)
    _, *states = layers.LSTM(4, return_state=True, name="first")(x)
    x = layers.Dropout(0.3, name="drop")(target)
    x = layers.LSTM(4, return_sequences=True, name="second")(x, initial_state=states)
    return made([source, target], layers.TimeDistributed(layers.Dense(3, activation="softmax"), name="out")(x))


def conv_lstm() -> kt.Model:
    inputs = kt.Input((4, 5, 5, 2))
    x = layers.ConvLSTM2D(3, 3, padding="same", return_sequences=True, name="first")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Dropout(0.3, name="drop")(x)
    x = layers.ConvLSTM2D(2, 2, recurrent_activation="hard_sigmoid", name="second")(x)
    return made(
        inputs, layers.Dense(2, activation="sigmoid", name="out")(layers.GlobalAveragePooling2D(name="mean")(x))
    )


# ---------------------------------------------------------------------------- the faults


def cell(layer: str, plant: Plant, name: str) -> Fault:
    """A fault that shows in the layer itself; the diagnosis names the layer."""
    return Fault(plant, layer, f"{layer}: {name}", FORWARD)


def arrays(layer: str, change: Callable[[list[np.ndarray]], Any], names: str) -> Fault:
    """Other weights, that no other setting explains."""
    return Fault(weights(layer, change), layer, f"{OTHER}{layer} ({names})", FORWARD)


def in_gradient(layer: str, weight: str, change: Callable[[torch.Tensor], torch.Tensor], name: str) -> Fault:
    return Fault(gradient(layer, weight, change), layer, f"{layer}: {name}", GRADIENTS)


def in_training(plant: Plant, name: str) -> Fault:
    return Fault(plant, "", name, TRAINING)


def early_mask(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    mask = kwargs.get("mask")
    return args, {**kwargs, "mask": None if mask is None else torch.roll(mask, -1, dims=1)}


def inverted_mask(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    mask = kwargs.get("mask")
    return args, {**kwargs, "mask": None if mask is None else ~mask}


def inner(layer: str, part: str, change: Callable[[list[np.ndarray]], Any]) -> Plant:
    """A fault in the weights of one direction."""

    def plant(model: kt.Model) -> None:
        held = getattr(model.get_layer(layer), part)
        found = held.get_weights()
        change(found)
        held.set_weights(found)

    return plant


def within(layer: str, **values: Any) -> Plant:
    """A fault in the settings of what a wrapper holds."""

    def plant(model: kt.Model) -> None:
        for part in model.get_layer(layer).modules():
            for name, value in values.items():
                if hasattr(part, name):
                    setattr(part, name, value)

    return plant


def backwards(layer: str) -> Plant:
    def plant(model: kt.Model) -> None:
        for part in model.get_layer(layer).modules():
            if hasattr(part, "go_backwards"):
                part.go_backwards = not part.go_backwards

    return plant


# Those that every family can have.
IN_TRAINING = {
    "the learning rate twice": in_training(
        optimizer(learning_rate=0.02), "the optimizer: learning_rate 0.01 in the place of 0.02"
    ),
    "epsilon of the optimizer": in_training(
        optimizer(epsilon=1e-3), "the optimizer: epsilon 1e-07 in the place of 0.001"
    ),
    "another optimizer": in_training(
        lambda model: model.compile(optimizers.RMSprop(0.01), "mse"), "the optimizer: Adam in the place of RMSprop"
    ),
    "biases that are not updated": in_training(
        lambda model: model.compile(WithoutBiases(0.01), "mse"), "the optimizer: it does not update "
    ),
    "another loss": in_training(
        lambda model: model.compile(model.optimizer, "mae"), "the loss: mse in the place of mae"
    ),
    "another reduction": in_training(
        lambda model: model.compile(model.optimizer, losses.MeanSquaredError(reduction="sum")), "the loss is 0.25 times"
    ),
    "dropout left on": in_training(leave_dropout_on, "drop: its outputs are drawn at random"),
}
MOMENTUM = in_training(setting("norm", momentum=0.9), "norm: momentum 0.99 in the place of 0.9")
OF_MASKS = {
    "masks that do not arrive": cell("first", setting("words", mask_zero=False), "the mask, which"),
    "a mask one step late": cell("first", hooked("first", shifted_mask), "the mask one step early"),
    "a mask one step early": cell("first", hooked("first", early_mask), "the mask one step late"),
    "a mask inverted": cell("first", hooked("first", inverted_mask), "the mask inverted"),
}


def unexplained(layer: str, other: str) -> dict[str, Fault]:
    """Five that no hypothesis covers, in two layers of a family."""

    def plants(layer: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Plant:
        return hooked(layer, lambda args, kwargs: ((change(args[0]), *args[1:]), kwargs))

    return {
        "an input of one hundredth more": Fault(plants(layer, lambda x: x * 1.01), layer, None, FORWARD),
        "an input shifted": Fault(plants(other, lambda x: x + 0.01), other, None, FORWARD),
        "the last row doubled": Fault(plants(layer, lambda x: torch.cat([x[:-1], x[-1:] * 2])), layer, None, FORWARD),
        "the last step cut off": Fault(
            plants(layer, lambda x: torch.cat([x[:, :-1], x[:, -1:] * 0], 1)), layer, None, FORWARD
        ),
        "rounding to bfloat16": Fault(plants(other, lambda x: x.bfloat16().to(x)), other, None, FORWARD),
    }


def keras2(x: torch.Tensor) -> torch.Tensor:
    return torch.clamp(0.2 * x + 0.5, 0, 1)


FAMILIES: dict[str, tuple[Callable[[], kt.Model], dict[str, Fault]]] = {
    "LSTM stack": (
        lstm_stack,
        {
            "i and f": cell("first", weights("first", swap_gates(4, 0, 1)), "gates i and f exchanged"),
            "c and o": cell("second", weights("second", swap_gates(3, 2, 3)), "gates c and o exchanged"),
            "i and c": cell("second", weights("second", swap_gates(3, 0, 2)), "gates i and c exchanged"),
            "no bias": arrays("first", scale(2, 0.0), "bias"),
            "the bias twice": cell("second", weights("second", scale(2, 2.0)), "half the bias"),
            "half the bias": cell("first", weights("first", scale(2, 0.5)), "the bias twice"),
            "backwards": cell("second", backwards("second"), "the other direction of time"),
            "hard_sigmoid of Keras 2": cell(
                "second", setting("second", recurrent_activation=keras2), "recurrent_activation hard_sigmoid of Keras 3"
            ),
            "another activation": cell("first", setting("first", activation=torch.relu), "activation tanh"),
            "hard gates": cell(
                "first", setting("first", recurrent_activation=activations.hard_sigmoid), "recurrent_activation sigmoid"
            ),
            "another word": arrays("words", lambda held: held[0].__setitem__(3, 0.5), "embeddings"),
            **OF_MASKS,
            "half a gradient": in_gradient("first", "bias_ih_l0", lambda grad: grad / 2, "the gradients times 2, of "),
            "no gradient": in_gradient("first", "weight_hh_l0", torch.zeros_like, "no gradient flows to "),
            **IN_TRAINING,
        },
    ),
    "GRU and BatchNormalization": (
        gru_normalized,
        {
            "z and r": cell("first", weights("first", swap_gates(4, 0, 1)), "gates z and r exchanged"),
            "z and h": cell("second", weights("second", swap_gates(4, 0, 2)), "gates z and h exchanged"),
            "reset before": cell("first", setting("first", reset_after=False), "the other reset_after"),
            "reset after": cell("second", setting("second", reset_after=True), "the other reset_after"),
            "no bias": arrays("second", scale(2, 0.0), "bias"),
            "the bias twice": cell("first", weights("first", scale(2, 2.0)), "half the bias"),
            "backwards": cell("second", backwards("second"), "the other direction of time"),
            "another activation": cell("second", setting("second", activation=torch.sigmoid), "activation tanh"),
            "hard gates": cell(
                "first", setting("first", recurrent_activation=activations.hard_sigmoid), "recurrent_activation sigmoid"
            ),
            "epsilon": cell("norm", setting("norm", epsilon=1e-5), "epsilon 0.001"),
            "gamma and beta": arrays("norm", exchange(0, 1), "gamma, beta"),
            "moments": arrays("norm", exchange(2, 3), "moving_mean, moving_variance"),
            "a kernel transposed": cell("out", weights("out", transpose(0)), "a square kernel transposed"),
            "another permutation": arrays("out", lambda held: held[0].__setitem__(0, held[0][1]), "kernel"),
            "the sign of a gradient": in_gradient(
                "first", "weight_hh_l0", torch.neg, "the sign of the gradients turned"
            ),
            "a gradient clipped": in_gradient(
                "first", "weight_ih_l0", lambda grad: grad.clamp(-1e-3, 1e-3), "the gradients clipped here"
            ),
            **IN_TRAINING,
            "momentum": MOMENTUM,
        },
    ),
    "both directions": (
        both_directions,
        {
            "i and f": cell(
                "first",
                lambda model: [
                    inner("first", part, swap_gates(3, 0, 1))(model) for part in ("forward_layer", "backward_layer")
                ],
                "gates i and f exchanged (",
            ),
            "c and o, forward": cell(
                "first",
                inner("first", "forward_layer", swap_gates(3, 2, 3)),
                "gates c and o exchanged in the forward layer",
            ),
            "z and r, backward": cell(
                "second",
                inner("second", "backward_layer", swap_gates(3, 0, 1)),
                "gates z and r exchanged in the backward layer",
            ),
            "directions": cell(
                "first",
                weights("first", lambda held: held.__setitem__(slice(0, 6), held[3:6] + held[0:3])),
                "the weights of both directions exchanged",
            ),
            "backwards": cell("other", backwards("other"), "the other direction of time"),
            "another merge": cell("other", setting("other", merge_mode="ave"), "merge_mode sum"),
            "sum in the place of the average": cell("second", setting("second", merge_mode="sum"), "merge_mode ave"),
            "no bias": arrays("other", scale(2, 0.0), "bias"),
            "the bias twice, backward": cell(
                "first", inner("first", "backward_layer", scale(2, 2.0)), "half the bias in the backward layer"
            ),
            "reset before": cell("second", within("second", reset_after=False), "the other reset_after"),
            "another activation": cell("other", within("other", activation=torch.sigmoid), "activation tanh"),
            "hard gates": cell(
                "first", within("first", recurrent_activation=activations.hard_sigmoid), "recurrent_activation sigmoid"
            ),
            "kernels transposed": cell(
                "other",
                lambda model: [
                    inner("other", part, transpose(1))(model) for part in ("forward_layer", "backward_layer")
                ],
                "a square kernel transposed",
            ),
            "epsilon": cell("norm", setting("norm", epsilon=1e-6), "epsilon 0.001"),
            # Without the mask of the words two layers differ at once: each is named.
            **{text: fault for text, fault in OF_MASKS.items() if text != "masks that do not arrive"},
            **IN_TRAINING,
        },
    ),
    "seq2seq": (
        seq2seq,
        {
            "states exchanged": cell("second", hooked("second", swapped_states), "the initial states exchanged"),
            "i and f": cell("first", weights("first", swap_gates(4, 0, 1)), "gates i and f exchanged"),
            "c and o": cell("second", weights("second", swap_gates(4, 2, 3)), "gates c and o exchanged"),
            "f and o": cell("first", weights("first", swap_gates(4, 1, 3)), "gates f and o exchanged"),
            "no bias": arrays("second", scale(2, 0.0), "bias"),
            "the bias twice": cell("first", weights("first", scale(2, 2.0)), "half the bias"),
            "backwards": cell("first", backwards("first"), "the other direction of time"),
            "another activation": cell("second", setting("second", activation=torch.sigmoid), "activation tanh"),
            "hard gates": cell(
                "first", setting("first", recurrent_activation=activations.hard_sigmoid), "recurrent_activation sigmoid"
            ),
            "a linear output": cell("out", within("out", activation=activations.linear), "activation softmax"),
            "a kernel transposed": arrays("out", lambda held: held[0].__setitem__(0, held[0][1]), "kernel"),
            **OF_MASKS,
            "states detached": Fault(
                hooked(
                    "second",
                    lambda args, kwargs: (
                        args,
                        {**kwargs, "initial_state": [state.detach() for state in kwargs["initial_state"]]},
                    ),
                ),
                "second",
                "second: no gradient flows to input 1, input 2 (the initial states are detached)",
                GRADIENTS,
            ),
            **IN_TRAINING,
            "another reduction": replace(IN_TRAINING["another reduction"], name="the loss is 0.05 times"),
        },
    ),
    "ConvLSTM": (
        conv_lstm,
        {
            "i and f": cell("first", weights("first", swap_gates(3, 0, 1)), "gates i and f exchanged"),
            "c and o": cell("second", weights("second", swap_gates(2, 2, 3)), "gates c and o exchanged"),
            "i and o": cell("first", weights("first", swap_gates(3, 0, 3)), "gates i and o exchanged"),
            "f and c": cell("second", weights("second", swap_gates(2, 1, 2)), "gates f and c exchanged"),
            "no bias": arrays("first", scale(2, 0.0), "bias"),
            "the bias twice": cell("second", weights("second", scale(2, 2.0)), "half the bias"),
            "backwards": cell("second", backwards("second"), "the other direction of time"),
            "hard_sigmoid of Keras 2": cell(
                "second", setting("second", recurrent_activation=keras2), "recurrent_activation hard_sigmoid of Keras 3"
            ),
            "another activation": cell("first", setting("first", activation=torch.relu), "activation tanh"),
            "hard gates": cell(
                "first", setting("first", recurrent_activation=activations.hard_sigmoid), "recurrent_activation sigmoid"
            ),
            "epsilon": cell("norm", setting("norm", epsilon=1e-5), "epsilon 0.001"),
            "gamma and beta": arrays("norm", exchange(0, 1), "gamma, beta"),
            "another output": cell("out", setting("out", activation=activations.tanh), "activation sigmoid"),
            **IN_TRAINING,
            "momentum": MOMENTUM,
        },
    ),
}
UNEXPLAINED = {family: unexplained("second" if family == "both directions" else "first", "out") for family in FAMILIES}
