"""Configurations of activations, normalisations and small layers that kerastorch and real Keras are compared on.

Keras rounds arguments to float32 in a float64 layer too: in double precision only numbers that are exact in both agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ._compare import BATCH, FEATURES, TIME, Case, variants

KERAS3, KERAS2 = ("keras3",), ("keras2",)
X2, X3, X4 = (BATCH, FEATURES), (BATCH, TIME, FEATURES), (BATCH, 2, TIME, FEATURES)
X5 = (BATCH, 2, 3, TIME, FEATURES)


def _all(layer: str, configs: Sequence[Mapping[str, Any]], **fields: Any) -> list[Case]:
    """Each configuration in float32 and float64, and once with a mask along the edge and while training."""
    cases = []
    for config in configs:
        base = Case(f"{layer} {dict(config)}", layer, config, **fields)
        cases += [base, variants(base, "float64", dtype="float64")]
    return [
        *cases,
        variants(cases[0], "mask", mask="right", pass_mask=False),
        variants(cases[0], "training", training=True),
    ]


ACTIVATION_CASES = [
    *_all(
        "ReLU",
        [
            {},
            {"max_value": 0.75},
            {"max_value": 6.0},
            {"max_value": 0.0},
            {"negative_slope": 0.25},
            {"threshold": 0.5},
            {"max_value": 0.75, "negative_slope": 0.25},
            {"max_value": 0.75, "threshold": 0.5},
            {"negative_slope": 0.25, "threshold": 0.5},
            {"max_value": 1.0, "negative_slope": 0.25, "threshold": 0.5},
        ],
    ),
    Case("LeakyReLU 4-D", "LeakyReLU", shapes=(X4,)),
    *_all("LeakyReLU", [{"negative_slope": 0.0}, {"negative_slope": 0.5}], frameworks=KERAS3),
    *_all("LeakyReLU", [{"alpha": 0.0}, {"alpha": 0.5}], frameworks=KERAS2),
    *_all("ELU", [{}, {"alpha": 0.25}, {"alpha": 2.0}]),
    *_all("ThresholdedReLU", [{}, {"theta": 0.25}, {"theta": 0.0}], frameworks=KERAS2),
    *_all("Softmax", [{}, {"axis": 1}, {"axis": -2}, {"axis": [1]}, {"axis": [1, 2]}, {"axis": (-1, -2)}]),
    *_all("PReLU", [{}, {"shared_axes": [1]}, {"shared_axes": 2}, {"shared_axes": [1, 2]}]),
    *_all("PReLU", [{"shared_axes": (1, 2), "alpha_initializer": "ones"}], shapes=(X4,)),
    *_all("Identity", [{}], frameworks=KERAS3),
    *_all("ActivityRegularization", [{}, {"l1": 0.1, "l2": 0.2}]),
    # A mask that hides values: (TIME,) spreads to the last axis of (BATCH, TIME).
    *(
        Case(f"Softmax mask {mask} {dict(config)} {dtype}", "Softmax", config, ((BATCH, TIME),), mask=mask, dtype=dtype)
        for mask in ("right", "holes", "empty row", "full")
        for config in ({}, {"axis": [0, 1]})
        for dtype in ("float32", "float64")
    ),
    *(
        Case(f"Softmax robust {mask}", "Softmax", {"robust_masking": True}, ((BATCH, TIME),), mask=mask,
             frameworks=KERAS2)
        for mask in ("holes", "empty row")
    ),
]  # fmt: skip

_GROUP = {"groups": 2}
NORMALIZATION_CASES = [
    *_all("GroupNormalization", [_GROUP, {"groups": 4}, {"groups": 1}, {"groups": -1, "epsilon": 0.01}]),
    *_all("GroupNormalization", [{**_GROUP, "scale": False}, {**_GROUP, "center": False}]),
    *_all("GroupNormalization", [{**_GROUP, "scale": False, "center": False}], shapes=(X4,)),
    *_all("GroupNormalization", [{**_GROUP, "axis": 1}, {**_GROUP, "axis": -3}], shapes=(X4,)),
    *_all("GroupNormalization", [{"groups": 3, "axis": 2}, {"groups": 1, "axis": -2}], shapes=(X5,)),
    Case("GroupNormalization 2-D", "GroupNormalization", _GROUP, (X2,)),
    *_all("UnitNormalization", [{}, {"axis": 1}, {"axis": [1, 2]}, {"axis": (-2,)}]),
    *_all("UnitNormalization", [{"axis": [1, -1]}], shapes=(X4,)),
    *(
        Case(f"RMSNormalization {config} {dtype}", "RMSNormalization", config, (X4,), dtype=dtype, frameworks=KERAS3)
        for config in ({}, {"axis": 3}, {"axis": [2, 3]}, {"axis": (-1, -2)}, {"epsilon": 0.1})
        for dtype in ("float32", "float64")
    ),
    # tf-keras and batches with masks: the 3-D ones do not go to its fused kernel. Keras 3 adds 1e-7 to the counts.
    *(
        Case(f"BatchNormalization mask {mask} training", "BatchNormalization", {"momentum": 0.5}, mask=mask,
             training=True, frameworks=KERAS2)
        for mask in ("right", "holes", "empty row", "full")
    ),
    *(
        Case(f"BatchNormalization renorm {clipping} {options} {training}", "BatchNormalization",
             {"renorm": True, "renorm_clipping": clipping, "momentum": 0.8, "renorm_momentum": 0.6, **options},
             (X4,), training=training, calls=3, frameworks=KERAS3)
        for clipping, options in (
            (None, {}), ({"rmax": 1.1, "rmin": 0.9, "dmax": 0.2}, {}), ({"rmax": 0.7}, {"scale": False}),
            ({"dmax": 0.1}, {"center": False, "axis": 1}), ({"rmin": 3.0}, {"scale": False, "center": False}),
        )
        for training in (True, False)
    ),
    Case("BatchNormalization renorm mask", "BatchNormalization", {"renorm": True}, mask="holes", training=True,
         calls=2, frameworks=KERAS3),
    # Keras rounds epsilon to float32 where it is the least deviation: one that float32 holds.
    Case("BatchNormalization renorm float64", "BatchNormalization", {"renorm": True, "epsilon": 2**-10}, training=True,
         dtype="float64", calls=2, frameworks=KERAS3),
]  # fmt: skip

# Keras warns of each.
RMS_SCALING_CASES = [
    Case(f"LayerNormalization rms_scaling {config}", "LayerNormalization", {"rms_scaling": True, **config}, (X4,),
         frameworks=KERAS3)
    for config in ({}, {"axis": 1}, {"axis": [2, 3]}, {"axis": [-1, -3]}, {"scale": False, "epsilon": 0.1})
]  # fmt: skip

PREPROCESSING_CASES = [
    *_all("Rescaling", [{"scale": 0.5}, {"scale": 1 / 256, "offset": -1.0}], frameworks=KERAS3),
    *_all("Rescaling", [{"scale": [1.0, 2.0, 0.5, -1.0], "offset": [0.125, 0.25, -0.5, 0.75]}], frameworks=KERAS3),
    *_all("Rescaling", [{"scale": 2.0, "offset": [[1.0], [2.0], [3.0], [4.0], [5.0]]}], frameworks=KERAS3),
    Case("Rescaling of integers", "Rescaling", {"scale": 0.3, "offset": [1.0, 2.0, 3.0, 4.0]}, integers=255),
    *_all("Normalization", [{}, {"axis": 1}, {"axis": None}, {"axis": [1, 2]}, {"axis": (-1, 1)}], frameworks=KERAS3),
    *_all("Normalization", [{"invert": True}, {"axis": None, "invert": True}], frameworks=KERAS3),
    *_all("Normalization", [{"mean": [1.0, 2.0, -0.5, 0.25], "variance": [0.5, 1.0, 2.0, 0.0]}], frameworks=KERAS3),
    *_all("Normalization", [{"mean": 0.5, "variance": 2.0}, {"axis": None, "mean": 0.5, "variance": 2.0}],
          frameworks=KERAS3),
    *_all("Normalization", [{"axis": [1, 2], "mean": [1.0, 2.0, 3.0, 4.0], "variance": [0.5, 1.0, 2.0, 3.0]}],
          frameworks=KERAS3),
]  # fmt: skip
# In tf-keras masks end at these, and their `compute_mask` fails where there is one: a model shows it.
OLD_CASES = [
    replace(case, frameworks=KERAS2)
    for case in [*PREPROCESSING_CASES, *_all("Identity", [{}])]
    if case.mask is None and "keras2" not in case.frameworks
]
