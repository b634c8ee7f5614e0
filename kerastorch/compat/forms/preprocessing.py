"""Layers that prepare numbers and texts for a model."""

from __future__ import annotations

from collections.abc import Mapping

from .form import TF_ON, Form, keys

FORMS: Mapping[str, Form] = {
    "Rescaling": Form(keys("scale offset"), ("scale",), TF_ON, keeps_mask=True, numbers=keys("scale offset")),
    "Normalization": Form(
        keys("axis mean variance invert"), eras=TF_ON, keeps_mask=True, numbers=keys("mean variance")
    ),
}
