"""Dropout by given masks: with the same masks live Keras and kerastorch give the same outputs and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from _keras_worker import KerasWorker

from ._compare import BATCH, FEATURES, FORWARD, GRADIENT, TIME, UNITS, difference, flat, make_layer, mask_of, numpy

LAYERS: dict[str, tuple[str, dict[str, Any]]] = {
    "LSTM": ("LSTM", {}),
    "GRU": ("GRU", {"reset_after": True}),
    "GRU(reset_after=False)": ("GRU", {"reset_after": False}),
    "SimpleRNN": ("SimpleRNN", {}),
}
GATES = {"LSTM": 4, "GRU": 3, "SimpleRNN": 1}
RATES: dict[str, dict[str, float]] = {
    "dropout": {"dropout": 0.3},
    "recurrent_dropout": {"recurrent_dropout": 0.4},
    "both": {"dropout": 0.3, "recurrent_dropout": 0.4},
}
OPTIONS: dict[str, dict[str, Any]] = {
    "everything": {"return_sequences": True, "return_state": True},
    "backwards, relu, no bias": {
        "go_backwards": True,
        "return_sequences": True,
        "activation": "relu",
        "use_bias": False,
    },
}


def draw(rng: np.random.Generator, name: str, rates: dict[str, float], implementation: int) -> dict[str, np.ndarray]:
    """Masks with zeros, in which every kept value is another one: a mask at the wrong gate or feature shows."""
    count = GATES[name] if implementation == 1 else 1
    sizes = {"dropout": FEATURES, "recurrent_dropout": UNITS}
    made = {}
    for key in rates:
        values = rng.uniform(0.5, 2.0, size=(count, BATCH, sizes[key]))
        made[key] = (values * (rng.random(values.shape) > 0.3)).astype("float32")
    return made


def freeze(layer: Any, masks: dict[str, np.ndarray]) -> None:
    """Put given masks, in Keras's order of the gates, in the place of our layer's noise."""
    by_rate = {getattr(layer, key): torch.tensor(value) for key, value in masks.items()}
    layer._dropout_masks = lambda like, rate: by_rate[rate]


def run(layer: Any, reference: dict[str, Any], x: np.ndarray, mask: np.ndarray | None) -> list[str]:
    """Every difference to Keras's outputs and gradients."""
    source = torch.tensor(x, requires_grad=True)
    layer.zero_grad()
    outputs = flat(layer.train()(source, **({} if mask is None else {"mask": torch.tensor(mask)})))
    sum((y * torch.tensor(u)).sum() for y, u in zip(outputs, reference["upstream"], strict=True)).backward()
    pairs = [
        ("output", reference["outputs"], [numpy(y) for y in outputs], FORWARD["float32"]),
        ("gradient of x", reference["grads_sources"], [numpy(source.grad)], GRADIENT["float32"]),
        ("gradient of weight", reference["grads_variables"], layer.get_gradients(), GRADIENT["float32"]),
    ]
    gaps = [
        (f"{what} {index}", difference(a, b, tolerance))
        for what, theirs, mine, tolerance in pairs
        for index, (a, b) in enumerate(zip(theirs, mine, strict=True))
    ]
    return [f"{what}: {gap}" for what, gap in gaps if gap]


def built(name: str, config: dict[str, Any], weights: list[np.ndarray]) -> Any:
    layer = make_layer(name, config, "float32")
    layer.build((None, TIME, FEATURES))
    layer.set_weights(weights)
    return layer


def implementations(name: str, rates: dict[str, float]) -> tuple[int, ...]:
    """`recurrent_dropout` switches a gated layer to 1; SimpleRNN has one mask in any case."""
    return (2,) if name == "SimpleRNN" else (1,) if "recurrent_dropout" in rates else (1, 2)


CASES = [
    pytest.param(framework, key, rates, implementation, id=f"{framework}-{key}-{rates}-{implementation}")
    for framework in ("keras3", "keras2")
    for key, (name, _) in LAYERS.items()
    for rates in RATES
    for implementation in implementations(name, RATES[rates])
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize(("framework", "key", "rates", "implementation"), CASES)
def test_given_masks(
    keras_worker: KerasWorker, framework: str, key: str, rates: str, implementation: int, options: str,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    name, config = LAYERS[key]
    config = {"units": UNITS, **config, **OPTIONS[options], **RATES[rates]}
    x = rng.normal(size=(BATCH, TIME, FEATURES)).astype("float32")
    masks = draw(rng, name, RATES[rates], implementation)
    mask = mask_of("holes") if options == "everything" else None
    keras_config = dict(config)
    if name != "SimpleRNN":
        keras_config["implementation"] = config["implementation"] = implementation
        if framework == "keras3":
            keras_config["use_cudnn"] = False  # Keras 3.15 itself fails on implementation 1 with dropout and "auto"
    if framework == "keras2":
        keras_config["unroll"] = True  # where it could use cuDNN, tf-keras has no masks for single gates
    reference = keras_worker.call(framework, "training:frozen_dropout", name, keras_config, x, [masks], mask=mask)

    layer = built(name, config, reference["weights"])
    freeze(layer, masks)
    assert not (found := run(layer, reference, x, mask)), "\n".join(found)
    for which in masks:  # the masks count, and so does their order
        planted = {**masks, which: np.roll(masks[which], 1, axis=0 if len(masks[which]) > 1 else 2)}
        freeze(layer, planted)
        assert run(layer, reference, x, mask), f"another order of the {which} masks goes unseen"


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
@pytest.mark.parametrize("key", ["LSTM", "GRU"])
def test_the_kernel_of_all_steps(keras_worker: KerasWorker, framework: str, key: str, rng: np.random.Generator) -> None:
    """Both frameworks' defaults: one mask of the inputs for all gates and steps, and the fused kernel."""
    name, config = LAYERS[key]
    config = {"units": UNITS, **config, **OPTIONS["everything"], **RATES["dropout"]}
    x = rng.normal(size=(BATCH, TIME, FEATURES)).astype("float32")
    masks = draw(rng, name, RATES["dropout"], 2)
    mask = mask_of("right")
    reference = keras_worker.call(framework, "training:frozen_dropout", name, config, x, [masks], mask=mask)
    layer = built(name, config, reference["weights"])
    freeze(layer, masks)
    assert layer.kernel_choice(training=True).path == "fused"
    assert not (found := run(layer, reference, x, mask)), "\n".join(found)


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
@pytest.mark.parametrize("key", LAYERS)
def test_bidirectional(keras_worker: KerasWorker, framework: str, key: str, rng: np.random.Generator) -> None:
    """Each direction has masks of its own."""
    name, config = LAYERS[key]
    inner = {"units": UNITS, **config, "return_sequences": True, **RATES["both"]}
    x = rng.normal(size=(BATCH, TIME, FEATURES)).astype("float32")
    masks = [draw(rng, name, RATES["both"], implementations(name, RATES["both"])[0]) for _ in range(2)]
    config = {"layer": {"class_name": name, "config": inner}}
    reference = keras_worker.call(framework, "training:frozen_dropout", "Bidirectional", config, x, masks)
    layer = built("Bidirectional", config, reference["weights"])
    for direction, its_masks in zip(layer._directions, masks, strict=True):
        freeze(direction, its_masks)
    assert not (found := run(layer, reference, x, None)), "\n".join(found)
    for direction, its_masks in zip(layer._directions, masks[::-1], strict=True):
        freeze(direction, its_masks)
    assert run(layer, reference, x, None), "the other direction's masks go unseen"
