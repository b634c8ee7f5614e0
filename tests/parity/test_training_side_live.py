"""Penalties and constraints as live Keras has them: `losses`, its own training step, and what follows the step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_numbers
from _keras_worker import KerasWorker

import kerastorch
from kerastorch import Input, Sequential, constraints

from ._compare import BATCH, FEATURES, GRADIENT, TIME, UNITS, difference, make_layer

FRAMEWORKS = ["keras3", "keras2"]
WORDS = 6
MOVED = 2e-4  # every array moves at least so far: a hundred times what rounding moves weights of the order of 0.3


def factor(class_name: str, **arguments: Any) -> dict[str, Any]:
    """A regularizer or constraint as a config, which every Keras reads."""
    return {"class_name": class_name, "config": arguments}


ACTIVITY = {"activity_regularizer": factor("L1L2", l1=0.03, l2=0.07)}
WEIGHTS = {
    "kernel_regularizer": factor("L2", l2=0.11),
    "recurrent_regularizer": factor("L1", l1=0.05),
    "bias_regularizer": factor("L1L2", l1=0.02, l2=0.13),
}
DENSE_WEIGHTS = {key: value for key, value in WEIGHTS.items() if key != "recurrent_regularizer"}
EVERYTHING = {"return_sequences": True, "return_state": True}
PENALISED: dict[str, tuple[str, dict[str, Any]]] = {
    "Dense": ("Dense", {"units": 3, **ACTIVITY, **DENSE_WEIGHTS}),
    "Dense without activity": ("Dense", {"units": 3, **DENSE_WEIGHTS}),
    "Activation": ("Activation", {"activation": "tanh", **ACTIVITY}),
    "Dropout": ("Dropout", {"rate": 0.5, **ACTIVITY}),
    "Flatten": ("Flatten", ACTIVITY),
    "LayerNormalization": ("LayerNormalization", {**ACTIVITY, "gamma_regularizer": factor("L1", l1=0.2)}),
    "LSTM": ("LSTM", {"units": UNITS, **ACTIVITY, **WEIGHTS}),
    "LSTM, three outputs": ("LSTM", {"units": UNITS, **EVERYTHING, **ACTIVITY}),
    "GRU": ("GRU", {"units": UNITS, "reset_after": True, "return_sequences": True, **ACTIVITY, **WEIGHTS}),
    "GRU(reset_after=False)": ("GRU", {"units": UNITS, "reset_after": False, **ACTIVITY, **WEIGHTS}),
    "SimpleRNN": ("SimpleRNN", {"units": UNITS, **ACTIVITY, **WEIGHTS}),
    "Bidirectional": ("Bidirectional", {"layer": factor("LSTM", units=3, **ACTIVITY, **WEIGHTS)}),
    "TimeDistributed": ("TimeDistributed", {"layer": factor("Dense", units=3), **ACTIVITY}),
    "TimeDistributed, inner": ("TimeDistributed", {"layer": factor("Dense", units=3, **ACTIVITY, **DENSE_WEIGHTS)}),
}


# Only Keras 3 drops what a frozen weight costs (a constant); tf-keras's wrappers take no regularizer of their own.
LOSSES = [
    pytest.param(framework, key, frozen, id=f"{framework}-{key}{' frozen' if frozen else ''}")
    for framework, frozen in (("keras3", False), ("keras3", True), ("keras2", False))
    for key in PENALISED
    if (framework, key) not in {("keras2", "TimeDistributed"), ("keras3", "SimpleRNN")}
]


def spelled(framework: str, name: str, config: dict[str, Any]) -> dict[str, Any]:
    """Our arguments for what that framework does."""
    return {**config, "keras2_masks": True} if (framework, name) == ("keras2", "TimeDistributed") else config


def values(losses: list[torch.Tensor]) -> list[float]:
    return [loss.item() for loss in losses]


def penalised_twice(name: str, config: dict[str, Any], weights: list[np.ndarray], x: np.ndarray, frozen: bool) -> Any:
    """Our layer after two passes, of which the second, with `x`, counts."""
    layer = make_layer(name, config, "float32").eval()
    layer.build((None, TIME, FEATURES))
    layer.set_weights(weights)
    layer.trainable = not frozen
    for scale in (3.0, 1.0):
        layer(torch.tensor(x) * scale)
    return layer


@pytest.mark.parametrize(("framework", "key", "frozen"), LOSSES)
def test_losses(keras_worker: KerasWorker, key: str, framework: str, frozen: bool, rng: np.random.Generator) -> None:
    name, config = PENALISED[key]
    x = rng.normal(size=(BATCH, TIME, FEATURES)).astype("float32")
    reference = keras_worker.call(framework, "training:penalties", name, config, x, frozen=frozen)
    layer = penalised_twice(name, spelled(framework, name, config), reference["weights"], x, frozen)
    if framework == "keras3":
        assert_numbers(values(layer.losses), reference["losses"])
        assert layer.get_config().get("activity_regularizer") == reference["config"]
        assert type(layer).from_config(layer.get_config()).activity_regularizer == layer.activity_regularizer
    else:  # in another order: each layer's penalties together
        assert_numbers(sorted(values(layer.losses)), sorted(reference["losses"]))
    assert_numbers(layer.regularization_loss().item(), sum(reference["losses"]))


def test_only_simple_rnn_of_keras3_forgets_its_activity_regularizer(
    keras_worker: KerasWorker, rng: np.random.Generator
) -> None:
    """It takes the argument, does nothing with it, and writes null to its config: a file says what happened."""
    name, config = PENALISED["SimpleRNN"]
    x = rng.normal(size=(BATCH, TIME, FEATURES)).astype("float32")
    reference = keras_worker.call("keras3", "training:penalties", name, config, x)
    assert reference["config"] is None
    layer = penalised_twice(name, config, reference["weights"], x, False)
    assert_numbers(values(layer.losses)[1:], reference["losses"])
    again = penalised_twice(name, {**config, "activity_regularizer": None}, reference["weights"], x, False)
    assert_numbers(values(again.losses), reference["losses"])


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_losses_of_a_model(keras_worker: KerasWorker, framework: str, rng: np.random.Generator) -> None:
    x = rng.normal(size=(BATCH, TIME, FEATURES)).astype("float32")
    reference = keras_worker.call(framework, "training:model_penalties", x)
    model = kerastorch.model_from_json(reference["json"]).eval()
    model.set_weights(reference["weights"])
    shared = model.get_layer("d")

    def compare(ours: list[torch.Tensor], theirs: list[float]) -> None:
        assert_numbers(sorted(values(ours)), sorted(theirs))

    model(torch.tensor(x))
    compare(model.losses, reference["losses"])
    assert len(model.losses) == 4  # twice the shared layer, the nested one, and a kernel
    shared(torch.tensor(x))
    compare(shared.losses, reference["shared"])
    compare(model.losses, reference["after_shared_alone"])


def stack_of(name: str, config: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(name, config), ("Flatten", {}), ("Dense", {"units": 2, "activation": "tanh"})]


def train_ours(
    stack: list[tuple[str, dict[str, Any]]],
    reference: dict[str, Any],
    x: np.ndarray,
    target: np.ndarray,
    steps: int,
    *,
    penalised: bool = True,
    constrained: bool = True,
) -> tuple[Any, list[float]]:
    """The same training as a plain torch loop."""
    model = Sequential([Input(x.shape[1:], dtype=x.dtype.name), *(make_layer(*item, "float32") for item in stack)])
    model.set_weights(reference["weights"])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    if constrained:
        constraints.attach(optimizer, model)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (model(torch.tensor(x)) - torch.tensor(target)).square().mean()
        if penalised:
            loss = loss + model.regularization_loss()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return model, losses


def gaps(reference: dict[str, Any], model: Any) -> list[str]:
    pairs = zip(reference["weights_after"], model.get_weights(), strict=True)
    return [f"weight {i}: {gap}" for i, (a, b) in enumerate(pairs) if (gap := difference(a, b, GRADIENT["float32"]))]


TRAINED = {key: PENALISED[key] for key in ("Dense", "LSTM", "GRU", "GRU(reset_after=False)", "SimpleRNN")}
TRAINED |= {key: PENALISED[key] for key in ("Bidirectional", "TimeDistributed, inner")}
TRAINED["Embedding"] = (
    "Embedding",
    {"input_dim": WORDS, "output_dim": 3, "embeddings_regularizer": factor("L2", l2=0.1), **ACTIVITY},
)


def data(key: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    target = rng.normal(size=(BATCH, 2)).astype("float32")
    if key.startswith("Embedding"):
        return rng.integers(0, WORDS, size=(BATCH, TIME)).astype("int32"), target
    return rng.normal(size=(BATCH, TIME, FEATURES)).astype("float32"), target


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("key", TRAINED)
def test_a_training_step_with_penalties(
    keras_worker: KerasWorker, key: str, framework: str, rng: np.random.Generator
) -> None:
    x, target = data(key, rng)
    name, config = TRAINED[key]
    if (framework, key) == ("keras3", "SimpleRNN"):
        config = {**config, "activity_regularizer": None}
    reference = keras_worker.call(framework, "training:train", stack_of(name, config), x, target, steps=2)
    stack = stack_of(name, spelled(framework, name, config))
    model, losses = train_ours(stack, reference, x, target, 2)
    assert_numbers(losses, reference["losses"])
    assert not (found := gaps(reference, model)), "\n".join(found)
    for before, after in zip(reference["weights"], reference["weights_after"], strict=True):
        assert np.abs(after - before).max() > MOVED
    other, _ = train_ours(stack, reference, x, target, 2, penalised=False)
    assert gaps(reference, other), "without the penalties the same: the case proves nothing"


def test_a_compiled_training_step(keras_worker: KerasWorker, rng: np.random.Generator) -> None:
    """Keras's `fit` runs a graph, in which the penalties are collected in another way."""
    x, target = data("LSTM", rng)
    stack = stack_of(*PENALISED["LSTM"])
    reference = keras_worker.call("keras3", "training:train", stack, x, target, steps=2, eager=False)
    model, losses = train_ours(stack, reference, x, target, 2)
    assert_numbers(losses, reference["losses"])
    assert not (found := gaps(reference, model)), "\n".join(found)


RULES: dict[str, dict[str, Any]] = {
    "MaxNorm": factor("MaxNorm", max_value=0.5, axis=0),
    "MaxNorm axis 1": factor("MaxNorm", max_value=0.3, axis=1),
    "NonNeg": factor("NonNeg"),
    "UnitNorm": factor("UnitNorm", axis=0),
    "MinMaxNorm": factor("MinMaxNorm", min_value=0.6, max_value=0.8, rate=0.7, axis=0),
}
RECURRENT = {
    "LSTM": ("LSTM", {}),
    "GRU": ("GRU", {"reset_after": True}),
    "GRU(reset_after=False)": ("GRU", {"reset_after": False}),
}


def constrained(key: str, rule: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if key == "Dense":
        return "Dense", {"units": 3, "kernel_constraint": rule, "bias_constraint": factor("NonNeg")}
    if key == "Embedding":
        return "Embedding", {"input_dim": WORDS, "output_dim": 3, "embeddings_constraint": rule}
    name, options = RECURRENT[key]
    bias = factor("MaxNorm", max_value=0.3, axis=0)
    return name, {
        "units": UNITS, **options, "kernel_constraint": rule, "recurrent_constraint": rule, "bias_constraint": bias,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("framework", "rule"), [*(("keras3", rule) for rule in RULES), ("keras2", "MaxNorm"), ("keras2", "MinMaxNorm")]
)
@pytest.mark.parametrize("key", [*RECURRENT, "Dense", "Embedding"])
def test_three_steps_under_constraints(
    keras_worker: KerasWorker, key: str, rule: str, framework: str, rng: np.random.Generator
) -> None:
    x, target = data(key, rng)
    stack = stack_of(*constrained(key, RULES[rule]))
    reference = keras_worker.call(framework, "training:train", stack, x, target, steps=3)
    model, losses = train_ours(stack, reference, x, target, 3)
    assert_numbers(losses, reference["losses"])
    assert not (found := gaps(reference, model)), "\n".join(found)
    other, _ = train_ours(stack, reference, x, target, 3, constrained=False)
    assert gaps(reference, other), "without the constraints the same: the case proves nothing"
