"""Layers under every dtype policy, those inside them under another, on data of several dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np

POLICIES = ["float32", "float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16"]
# Of the outer layer, and of those inside it.
PAIRS = [
    ("mixed_bfloat16", "float32"),
    ("float32", "mixed_bfloat16"),
    ("float16", "float32"),
    ("float32", "float16"),
    ("mixed_float16", "mixed_bfloat16"),
    ("float64", "float32"),
]
# Nobody states the dtype of the outer one, which is float32 then.
UNSTATED = [(None, "mixed_bfloat16"), (None, "float16"), (None, "float64")]


def inner(class_name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": config}


def cases() -> dict[str, dict[str, Any]]:
    """The arguments of `workers.dtypes.run_case`, by a name."""
    random = np.random.default_rng(0)
    x, query = random.normal(size=(2, 4, 3)), random.normal(size=(2, 5, 3))
    steps, images = random.normal(size=(2, 3, 4, 3)), random.normal(size=(2, 4, 4, 5, 3))
    ids = random.integers(0, 9, (2, 4, 3)).astype(float)
    found: dict[str, dict[str, Any]] = {}

    def add(
        class_name: str,
        config: dict[str, Any],
        inputs: list[np.ndarray],
        policies: Any = POLICIES,
        dtypes: Any = ("float32", "float64"),
        **options: Any,
    ) -> None:
        for policy in policies:
            for dtype in dtypes:
                case = {
                    "class_name": class_name,
                    "config": config,
                    "policies": policy,
                    "inputs": inputs,
                    "dtype": dtype,
                }
                found[f"{len(found)} {class_name} {config} {policy} on {dtype}"] = {**case, **options}

    one = ("float32",)
    for layer in (inner("Dense", units=2), inner("Activation", activation="tanh"), inner("LayerNormalization")):
        add("TimeDistributed", {"layer": layer}, [x], PAIRS, ("float32", "float16"))
        add("TimeDistributed", {"layer": layer}, [x], UNSTATED, one)
    for layer in (inner("LSTM", units=2), inner("Bidirectional", layer=inner("GRU", units=2))):
        add("TimeDistributed", {"layer": layer}, [steps], PAIRS, one)
    add("TimeDistributed", {"layer": inner("Embedding", input_dim=9, output_dim=2)}, [ids], PAIRS, ("int32",))
    for class_name in ("SimpleRNN", "GRU", "LSTM"):
        add("Bidirectional", {"layer": inner(class_name, units=2)}, [x], PAIRS, ("float32", "float16"))
        options = {"units": 2, "return_sequences": True, "return_state": True}
        add(
            "Bidirectional", {"layer": inner(class_name, **options), "merge_mode": "sum"}, [x], [*PAIRS, *UNSTATED], one
        )
        states = {"return_sequences": True, "return_state": True}
        add("RNN", {"cell": inner(f"{class_name}Cell", units=2), **states}, [x], PAIRS, ("float32", "float16"))
        add("RNN", {"cell": inner(f"{class_name}Cell", units=2), **states}, [x], UNSTATED, one)
        add(class_name, {"units": 2, "return_state": True}, [x])
    cells = [inner("LSTMCell", units=2), inner("GRUCell", units=2)]
    add("RNN", {"cell": inner("StackedRNNCells", cells=cells)}, [x], [*PAIRS, *UNSTATED], one)
    dense = inner("Dense", units=2)
    add("SpectralNormalization", {"layer": dense}, [x], [*PAIRS, *UNSTATED], one)
    for class_name in ("LayerNormalization", "RMSNormalization", "LeakyReLU"):
        add(class_name, {}, [10 * ids], ["float32", None], ("int32",))
    add("GroupNormalization", {"groups": 1}, [10 * ids], ["float32", None], ("int32",))
    add("Activation", {"activation": "tanh"}, [ids], ["float32", None], ("int32",))
    add("ConvLSTM2D", {"filters": 2, "kernel_size": 2}, [images], dtypes=one)
    for class_name, config in (("Dense", {"units": 2}), ("LayerNormalization", {}), ("BatchNormalization", {})):
        add(class_name, config, [x])
    for class_name, config in (("Activation", {"activation": "tanh"}), ("Softmax", {}), ("Flatten", {})):
        add(class_name, config, [x], dtypes=("float64",))
    add("Embedding", {"input_dim": 9, "output_dim": 2}, [ids[..., 0]], dtypes=("int32", "float32"))
    for class_name, config in (("Attention", {"use_scale": True}), ("AdditiveAttention", {})):
        add(class_name, config, [query, x], several=True)
    add("Attention", {"score_mode": "concat"}, [query, x], dtypes=one, several=True)
    add("MultiHeadAttention", {"num_heads": 2, "key_dim": 2}, [query, x], apart=True)
    heads = {"num_query_heads": 4, "num_key_value_heads": 2, "head_dim": 2}
    add("GroupQueryAttention", heads, [query, x], dtypes=one, apart=True)
    for class_name, config in (("Add", {}), ("Concatenate", {}), ("Dot", {"axes": 2})):
        add(class_name, config, [x, x], dtypes=("float64",), several=True)
    return found
