"""Arguments that layers need not have: read while they say nothing, refused by name where they say something."""

from __future__ import annotations

from typing import Any

import pytest

from kerastorch.compat import to_spec
from kerastorch.errors import LoadError

# Argument -> the values that say nothing, and one that says something.
HARMLESS: dict[str, tuple[list[Any], Any]] = {
    "activity_regularizer": ([None], None),
    "weights": ([None], [1.0]),
    "lora_rank": ([None], 2),
    "lora_alpha": ([None], 2),
    "quantization_config": ([None], "int8"),
    "renorm": ([False], True),
    "renorm_clipping": ([None], {"rmax": 3.0}),
    "renorm_momentum": ([0.99], 0.9),
    "fused": ([None, True], False),
    "synchronized": ([False], True),
    "rms_scaling": ([False], True),
    "seed": ([None], 3),
    "noise_shape": ([None], [1, 2]),
    "output_padding": ([None], 1),
    "num_constants": ([None, 0], 1),
    "attention_axes": ([None], [1]),
    "output_shape": ([None], [2]),
    "sliding_window": ([None], 3),
    "flash_attention": ([None], True),
    "use_gate": ([False], True),
    "softmax_robust_masking": ([False], True),
    "gptq_unpacked_column_size": ([None], 4),
    "strides": ([None], 2),
    "data_format": ([None], "channels_first"),
    "time_major": ([False, None], True),
    "enable_caching_device": ([False, True, None], 3),
    "return_runtime": ([False, None], True),
    "reverse_state_order": ([False, None], True),
    "virtual_batch_size": ([None], 3),
    "adjustment": ([None], "f"),
    "sparse": ([False, None], True),
    "rng_type": ([None, "stateful", "stateless", "legacy_stateful"], "philox"),
}


CELLS = ("LSTMCell", "GRUCell", "SimpleRNNCell")
# Of these the arguments are; the others are given to a Masking, which has none of them.
CLASSES: dict[str, tuple[str, dict[str, Any]]] = {
    **dict.fromkeys(("time_major", "enable_caching_device", "return_runtime"), ("LSTM", {"units": 2})),
    "rng_type": ("Dropout", {"rate": 0.5}),
    "reverse_state_order": ("StackedRNNCells", {"cells": [{"class_name": "GRUCell", "config": {"units": 2}}]}),
    **dict.fromkeys(("virtual_batch_size", "adjustment"), ("BatchNormalization", {"axis": [-1]})),
    "sparse": ("InputLayer", {"batch_input_shape": [None, 4, 3]}),
}


def config_of(class_name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The config of a layer as it is read."""
    item = {"class_name": class_name, "config": {"name": "m", **arguments}}
    if class_name == "StackedRNNCells":
        item = {"class_name": "RNN", "config": {"name": "m", "cell": item}}
    start = {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, 4, 3], "dtype": "float32"}}
    layers = [item] if class_name == "InputLayer" else [start, item]
    spec, _, _ = to_spec({"class_name": "Sequential", "config": {"name": "s", "layers": layers}}, "2.15.0")
    found: Any = spec.layers[-1]
    return dict(found.config["cell"].config if class_name == "StackedRNNCells" else found.config)


@pytest.mark.parametrize("key", HARMLESS)
def test_what_says_nothing_is_dropped(key: str) -> None:
    class_name, arguments = CLASSES.get(key, ("Masking", {"mask_value": 0.5}))
    without = config_of(class_name, arguments)
    for value in HARMLESS[key][0]:
        assert config_of(class_name, {**arguments, key: value}) == without


@pytest.mark.parametrize("key", [key for key, (_, telling) in HARMLESS.items() if telling is not None])
def test_what_says_something_is_refused(key: str) -> None:
    class_name, arguments = CLASSES.get(key, ("Masking", {"mask_value": 0.5}))
    with pytest.raises(LoadError, match=key):
        config_of(class_name, {**arguments, key: HARMLESS[key][1]})


@pytest.mark.parametrize(
    ("class_name", "arguments"),
    [
        *((name, {"units": 2}) for name in ("LSTM", "GRU")),
        *(("RNN", {"cell": {"class_name": name, "config": {"units": 2}}}) for name in CELLS),
        *((name, {"rate": 0.5}) for name in ("Dropout", "SpatialDropout1D", "GaussianDropout", "AlphaDropout")),
        ("GaussianNoise", {"stddev": 0.5}),
    ],
)
def test_the_kind_of_random_numbers_is_dropped_from_every_layer_that_draws_some(
    class_name: str, arguments: dict[str, Any]
) -> None:
    """tf.keras writes it where its newer generator is switched on."""
    kind: dict[str, Any] = {"rng_type": "stateful"}
    if class_name == "RNN":
        cell = arguments["cell"]
        told = {"cell": {**cell, "config": {**cell["config"], **kind}}}
    else:
        told = {**arguments, **kind}
    assert config_of(class_name, told) == config_of(class_name, arguments)
