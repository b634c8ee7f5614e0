"""Embedding, Masking, Dense, Dropout, Activation, Identity, and the layers that change shapes only."""

from __future__ import annotations

from collections.abc import Mapping

from .form import LORA, TF_ON, WEIGHT, Form, keys

FORMS: Mapping[str, Form] = {
    "Embedding": Form(
        keys("input_dim output_dim embeddings_initializer embeddings_regularizer embeddings_constraint mask_zero")
        | keys("weights", LORA),
        ("input_dim", "output_dim"),
        ignored=keys("input_length sparse"),  # `sparse` is how TensorFlow stores a gradient
    ),
    "Masking": Form(keys("mask_value")),
    "Dense": Form(keys("units activation use_bias", WEIGHT, LORA), ("units",), keeps_mask=True),
    "Dropout": Form(keys("rate noise_shape seed"), ("rate",), call=("training",), keeps_mask=True),
    "SpatialDropout1D": Form(
        keys("rate seed"), ("rate",), call=("training",), ignored=keys("noise_shape"), keeps_mask=True
    ),
    **dict.fromkeys(
        ("SpatialDropout2D", "SpatialDropout3D"),
        Form(
            keys("rate data_format seed"), ("rate",), call=("training",), ignored=keys("noise_shape"), keeps_mask=True
        ),
    ),
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
