"""Noise while training, and penalties on what passes through."""

from __future__ import annotations

from collections.abc import Mapping

from .form import RANDOM, Form, keys

FORMS: Mapping[str, Form] = {
    "GaussianNoise": Form(
        keys("stddev seed"), ("stddev",), call=("training",), keeps_mask=True, old=RANDOM, numbers=keys("stddev")
    ),
    "GaussianDropout": Form(keys("rate seed"), ("rate",), call=("training",), keeps_mask=True, old=RANDOM),
    "AlphaDropout": Form(keys("rate noise_shape seed"), ("rate",), call=("training",), keeps_mask=True, old=RANDOM),
    "ActivityRegularization": Form(keys("l1 l2"), keeps_mask=True, numbers=keys("l1 l2")),
}
