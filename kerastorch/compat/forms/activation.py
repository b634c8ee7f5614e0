"""Activations that are layers."""

from __future__ import annotations

from collections.abc import Mapping

from .form import KERAS2, Form, keys


def _numbers(names: str, **more: object) -> Form:
    return Form(keys(names), keeps_mask=True, numbers=keys(names), **more)  # type: ignore[arg-type]


FORMS: Mapping[str, Form] = {
    "ReLU": _numbers("max_value negative_slope threshold"),
    "LeakyReLU": _numbers("negative_slope", aliases={"alpha": "negative_slope"}),
    "PReLU": Form(keys("alpha_initializer alpha_regularizer alpha_constraint shared_axes"), keeps_mask=True),
    "ELU": _numbers("alpha"),
    "ThresholdedReLU": _numbers("theta", eras=KERAS2),
    "Softmax": Form(keys("axis robust_masking"), call=("mask",), keeps_mask=True),
}
