"""Layers that pool, repeat, pad and crop, in the configs of every Keras."""

from __future__ import annotations

from typing import Any

import pytest
from _compat_made import item, one, read, refused, sequential

from kerastorch.compat import to_spec
from kerastorch.errors import ArgumentError, CorruptFileError, UnsupportedFileError
from kerastorch.models.build import make_layer
from kerastorch.spec import LayerSpec

KERAS1 = "1.2.2"


def _layer_of(class_name: str, version: str, backend: str | None = None, **config: Any) -> Any:
    """The layer that a config of that version makes."""
    spec = to_spec(sequential(item(class_name, "l", **config)), version, backend)[0].layers[0]
    assert isinstance(spec, LayerSpec)
    return make_layer(spec, {})


@pytest.mark.parametrize(
    ("class_name", "given", "wanted"),
    [
        ("MaxPooling1D", {"pool_length": 3, "stride": 2, "border_mode": "same"},
         {"pool_size": (3,), "strides": (2,), "padding": "same", "data_format": "channels_last"}),
        ("AveragePooling1D", {"pool_length": 3, "stride": None, "border_mode": "valid"},
         {"pool_size": (3,), "strides": (3,), "padding": "valid"}),
        ("MaxPooling2D", {"pool_size": [2, 3], "strides": [1, 2], "border_mode": "valid", "dim_ordering": "th"},
         {"pool_size": (2, 3), "strides": (1, 2), "padding": "valid", "data_format": "channels_first"}),
        ("AveragePooling3D", {"pool_size": [2, 3, 1], "strides": None, "border_mode": "same", "dim_ordering": "tf"},
         {"pool_size": (2, 3, 1), "strides": (2, 3, 1), "padding": "same", "data_format": "channels_last"}),
        ("GlobalMaxPooling1D", {}, {"data_format": "channels_last", "keepdims": False}),
        ("GlobalAveragePooling2D", {"dim_ordering": "th"}, {"data_format": "channels_first"}),
        ("UpSampling1D", {"length": 3}, {"size": 3}),
        ("UpSampling2D", {"size": [2, 3], "dim_ordering": "th"}, {"size": (2, 3), "data_format": "channels_first"}),
        ("ZeroPadding1D", {"padding": 2}, {"padding": (2, 2)}),
        ("ZeroPadding1D", {"padding": {"right_pad": 3}}, {"padding": (0, 3)}),
        ("ZeroPadding2D", {"padding": [1, 2], "dim_ordering": "tf"}, {"padding": ((1, 1), (2, 2))}),
        ("ZeroPadding2D", {"padding": [1, 2, 3, 4], "dim_ordering": "th"},
         {"padding": ((1, 2), (3, 4)), "data_format": "channels_first"}),
        ("ZeroPadding2D", {"padding": {"top_pad": 1, "left_pad": 3}, "dim_ordering": "tf"},
         {"padding": ((1, 0), (3, 0))}),
        ("ZeroPadding3D", {"padding": [1, 2, 3], "dim_ordering": "tf"}, {"padding": ((1, 1), (2, 2), (3, 3))}),
        ("Cropping1D", {"cropping": [1, 2]}, {"cropping": (1, 2)}),
        ("Cropping2D", {"cropping": [[1, 2], [3, 4]], "dim_ordering": "th"},
         {"cropping": ((1, 2), (3, 4)), "data_format": "channels_first"}),
        ("SpatialDropout2D", {"p": 0.25, "dim_ordering": "th"}, {"rate": 0.25, "data_format": "channels_first"}),
        ("SpatialDropout3D", {"p": 0.25, "dim_ordering": "tf"}, {"rate": 0.25, "data_format": "channels_last"}),
    ],
)  # fmt: skip
def test_keras_1(class_name: str, given: dict[str, Any], wanted: dict[str, Any]) -> None:
    layer = _layer_of(class_name, KERAS1, **given)
    assert layer._class_name == class_name
    assert {key: getattr(layer, key) for key in wanted} == wanted


@pytest.mark.parametrize(
    ("class_name", "given", "message", "kind"),
    [
        ("MaxPooling2D", {"dim_ordering": "default"}, "'default'; known are tf, th", UnsupportedFileError),
        ("ZeroPadding2D", {"padding": {"up": 1}}, "padding has 'up'; known are top_pad, bottom_pad", CorruptFileError),
    ],
)  # fmt: skip
def test_keras_1_refuses(class_name: str, given: dict[str, Any], message: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=message):
        _layer_of(class_name, KERAS1, **given)


@pytest.mark.parametrize("version", ["2.0.6", "2.2.4", "2.15.0", "3.15.1"])
def test_a_missing_data_format_is_channels_last(version: str) -> None:
    for class_name, given in (
        ("MaxPooling1D", {"pool_size": [2], "strides": [2], "padding": "valid"}),
        ("AveragePooling2D", {"pool_size": [2, 2], "strides": [1, 1], "padding": "same"}),
        ("GlobalAveragePooling1D", {}),
        ("SpatialDropout3D", {"rate": 0.5, "noise_shape": None, "seed": None}),
        ("ZeroPadding2D", {"padding": [[1, 2], [3, 4]]}),
    ):
        assert _layer_of(class_name, version, **given).data_format == "channels_last"


def test_nested_sides_in_every_spelling() -> None:
    def pair(*values: Any) -> dict[str, Any]:
        return {"class_name": "__tuple__", "items": list(values)}

    wanted = {"padding": ((1, 2), (3, 4))}
    assert one("ZeroPadding2D", "2.15.0", padding=pair(pair(1, 2), pair(3, 4))) == wanted
    assert one("ZeroPadding2D", "3.1.0", padding=[[1, 2], [3, 4]]) == wanted
    assert one("Cropping1D", "3.1.0", cropping=[1, 2]) == {"cropping": (1, 2)}
    assert one("Cropping3D", "2.15.0", cropping=2) == {"cropping": 2}
    assert one("UpSampling1D", "3.1.0", size=2) == {"size": 2}
    with pytest.raises(ArgumentError, match=r"layer 'l' \(ZeroPadding2D\): padding\[0\]: expected an integer or 2 of"):
        _layer_of("ZeroPadding2D", "3.1.0", padding=[[1, 2, 3], 1])


def test_the_masks_of_each_keras() -> None:
    assert _layer_of("GlobalAveragePooling1D", "2.15.0").keras2_masks
    assert _layer_of("GlobalAveragePooling1D", "2.3.1").keras2_masks
    assert not _layer_of("GlobalAveragePooling1D", "3.15.1").keras2_masks


@pytest.mark.parametrize(
    ("short", "name"),
    [("MaxPool1D", "MaxPooling1D"), ("AvgPool3D", "AveragePooling3D"), ("GlobalAvgPool2D", "GlobalAveragePooling2D"),
     ("GlobalMaxPool1D", "GlobalMaxPooling1D")],
)  # fmt: skip
@pytest.mark.parametrize("version", ["2.15.0", "3.15.1"])
def test_short_names_are_read(short: str, name: str, version: str) -> None:
    layer = _layer_of(short, version)
    assert type(layer).__name__ == name
    assert layer.get_config()["name"] == "l"


def test_windows_of_theano_are_refused() -> None:
    """Theano pads both sides alike and cuts off what is too much: an even window begins one place earlier."""
    config = {"pool_size": [2, 2], "strides": [2, 2], "border_mode": "same", "dim_ordering": "th"}
    with pytest.raises(UnsupportedFileError, match='with padding "same" the windows of Theano'):
        _layer_of("MaxPooling2D", KERAS1, "theano", **config)
    _layer_of("MaxPooling2D", KERAS1, "theano", **{**config, "border_mode": "valid"})
    _layer_of("MaxPooling2D", KERAS1, "tensorflow", **config)


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("2.2.4", "takes values at other places than TensorFlow 2"),
        ("2.3.1", "takes values at other places than TensorFlow 2, or depends"),
        ("2.1.6-tf", "takes values at other places than TensorFlow 2"),
        ("2.2.4-tf", "means False in TensorFlow 1, True in TensorFlow 2"),
    ],
)
def test_bilinear_before_tensorflow_2_is_refused(version: str, message: str) -> None:
    refused(sequential(item("UpSampling2D", "l", size=[2, 2], interpolation="bilinear")), message, version)
    read(sequential(item("UpSampling2D", "l", size=[2, 2], interpolation="nearest")), version)


@pytest.mark.parametrize("version", ["2.3.0-tf", "2.15.0", "3.1.0"])
def test_bilinear_since_tensorflow_2(version: str) -> None:
    assert _layer_of("UpSampling2D", version, size=[2, 2], interpolation="bilinear").interpolation == "bilinear"


def test_wrong_values() -> None:
    refused(
        sequential(item("GlobalMaxPooling1D", "l", keepdims=2)),
        "keepdims: expected true or false",
        "3.1.0",
        CorruptFileError,
    )
    refused(
        sequential(item("MaxPooling1D", "l", pool_size="ab")), "pool_size: expected a list", "3.1.0", CorruptFileError
    )
    refused(
        sequential(item("Cropping1D", "l", cropping=[1, 2], data_format="channels_first")),
        "Cropping1D 'l': 'data_format'",
        "3.1.0",
    )
