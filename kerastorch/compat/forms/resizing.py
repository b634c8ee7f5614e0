"""Upsampling, padding and cropping."""

from __future__ import annotations

from collections.abc import Mapping

from .form import Form, keys

_PADDING = Form(keys("padding data_format"))
_CROPPING = Form(keys("cropping data_format"))

FORMS: Mapping[str, Form] = {
    "UpSampling1D": Form(keys("size")),
    "UpSampling2D": Form(keys("size data_format interpolation")),
    "UpSampling3D": Form(keys("size data_format")),
    "ZeroPadding1D": _PADDING,
    "ZeroPadding2D": _PADDING,
    "ZeroPadding3D": _PADDING,
    "Cropping1D": Form(keys("cropping")),
    "Cropping2D": _CROPPING,
    "Cropping3D": _CROPPING,
}
