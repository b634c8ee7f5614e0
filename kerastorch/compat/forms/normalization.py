"""Normalisation."""

from __future__ import annotations

from collections.abc import Mapping

from .form import TF_ON, Form, keys

_NORM = (
    "axis epsilon center scale beta_initializer gamma_initializer beta_regularizer gamma_regularizer "
    "beta_constraint gamma_constraint"
)

FORMS: Mapping[str, Form] = {
    "BatchNormalization": Form(
        keys(
            _NORM,
            "momentum moving_mean_initializer moving_variance_initializer renorm renorm_clipping renorm_momentum",
            "synchronized",
        ),
        call=("training", "mask"),
        old=keys("virtual_batch_size adjustment"),
        old_keys=keys("fused"),
        keeps_mask=True,
    ),
    "LayerNormalization": Form(keys(_NORM, "rms_scaling"), keeps_mask=True),
    "RMSNormalization": Form(keys("axis epsilon"), eras=frozenset({"keras3"})),
    # `groups` is a number and no size: it may be -1.
    "GroupNormalization": Form(
        keys(_NORM, "groups"), eras=TF_ON, call=("mask",), keeps_mask=True, numbers=keys("groups")
    ),
    "SpectralNormalization": Form(
        keys("layer power_iterations"), ("layer",), call=("training",), eras=frozenset({"keras3"})
    ),
    "UnitNormalization": Form(keys("axis"), eras=TF_ON, keeps_mask=True),
}
# Layers whose axis may be a list.
SEVERAL_AXES = keys("BatchNormalization LayerNormalization RMSNormalization UnitNormalization Normalization Softmax")
