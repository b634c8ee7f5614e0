"""Layers that only Keras 1 had; the standalone Keras 2 still read them, with the arguments of Keras 1."""

from __future__ import annotations

from collections.abc import Mapping

from .form import STANDALONE, Form, keys

_WEIGHT = "init W_regularizer b_regularizer W_constraint b_constraint bias"

FORMS: Mapping[str, Form] = {
    "Highway": Form(keys("activation", _WEIGHT), eras=STANDALONE, ignored=keys("transform_bias")),
    "MaxoutDense": Form(keys("output_dim nb_feature", _WEIGHT), ("output_dim",), STANDALONE),
}
