"""Embedding, Masking, Dense, Dropout, Activation, Identity, and the layers that change shapes only."""

from __future__ import annotations

from collections.abc import Mapping

from .form import LORA, RANDOM, TF_ON, WEIGHT, Form, keys


def _spatial_dropout(extra: str) -> Form:
    ignored = keys("noise_shape")
    return Form(keys("rate seed", extra), ("rate",), call=("training",), ignored=ignored, old=RANDOM, keeps_mask=True)


FORMS: Mapping[str, Form] = {
    "Embedding": Form(
        keys("input_dim output_dim embeddings_initializer embeddings_regularizer embeddings_constraint mask_zero")
        | keys("weights", LORA),
        ("input_dim", "output_dim"),
        ignored=keys("input_length sparse"),  # `sparse` is how TensorFlow stores a gradient
    ),
    "Masking": Form(keys("mask_value")),
    "Dense": Form(keys("units activation use_bias", WEIGHT, LORA), ("units",), keeps_mask=True),
    "Dropout": Form(keys("rate noise_shape seed"), ("rate",), call=("training",), keeps_mask=True, old=RANDOM),
    "SpatialDropout1D": _spatial_dropout(""),
    **dict.fromkeys(("SpatialDropout2D", "SpatialDropout3D"), _spatial_dropout("data_format")),
    "Activation": Form(keys("activation"), ("activation",), keeps_mask=True),
    "Identity": Form(frozenset(), eras=TF_ON, keeps_mask=True),
    "RepeatVector": Form(keys("n"), ("n",)),
    "Flatten": Form(keys("data_format")),
    "Reshape": Form(keys("target_shape"), ("target_shape",)),
    "Permute": Form(keys("dims"), ("dims",)),
    "Operation": Form(keys("function arguments"), ("function", "arguments")),
    "InputLayer": Form(
        keys("batch_shape dtype optional ragged"), old=keys("input_tensor type_spec"), unless=keys("sparse")
    ),
}
