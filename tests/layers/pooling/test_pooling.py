from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close

from kerastorch import layers
from kerastorch.errors import ArgumentError, ShapeError
from kerastorch.layers import (
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    GlobalAveragePooling1D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
)

POOLING = [MaxPooling1D, MaxPooling2D, MaxPooling3D, AveragePooling1D, AveragePooling2D, AveragePooling3D]
of_each_rank = pytest.mark.parametrize("cls", POOLING, ids=lambda cls: cls._class_name)


def random(cls: Any, *, first: bool = False) -> torch.Tensor:
    image = (7, 5, 6)[: cls.SPATIAL]
    shape = (2, 3, *image) if first else (2, *image, 3)
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


def windows(x: np.ndarray, size: int, stride: int, before: int, count: int) -> list[np.ndarray]:
    """The part of each window along axis 1 that lies in x."""
    return [x[:, max(0, i * stride - before) : i * stride - before + size] for i in range(count)]


@pytest.mark.parametrize(
    ("size", "stride", "before", "count"),
    [(2, 2, 0, 4), (3, 2, 1, 4), (3, 1, 1, 7), (4, 1, 1, 7), (2, 3, 0, 3), (4, 3, 1, 3)],
)
def test_same_padding(rng: np.random.Generator, size: int, stride: int, before: int, count: int) -> None:
    x = rng.normal(size=(2, 7, 3)).astype("float32") - 3  # zeros would be the largest
    parts = windows(x, size, stride, before, count)
    largest = MaxPooling1D(size, stride, "same")(torch.tensor(x))
    np.testing.assert_array_equal(largest, np.stack([part.max(1) for part in parts], 1))
    mean = AveragePooling1D(size, stride, "same")(torch.tensor(x))
    assert_close(mean, np.stack([part.mean(1) for part in parts], 1))  # float32, <= 4 values


@of_each_rank
@pytest.mark.parametrize("options", [{}, {"pool_size": 3, "strides": 2, "padding": "same"}, {"padding": "same"}])
def test_channels_first_is_the_same_moved(cls: Any, options: dict[str, Any]) -> None:
    x = random(cls)
    last = cls(**options)(x)
    moved = cls(**options, data_format="channels_first")(x.movedim(-1, 1))
    assert_close(moved.movedim(1, -1), last)  # float32, <= 27 values


@of_each_rank
def test_the_channels_last_are_not_copied_to_the_front(cls: Any) -> None:
    """The output is in memory as it stands: torch's kernels ran over the channels last."""
    if cls is AveragePooling3D:
        pytest.skip("torch's mean over volumes has the channels first only")
    assert cls(2)(random(cls)).is_contiguous()
    assert cls(2, data_format="channels_first")(random(cls, first=True)).is_contiguous()


@of_each_rank
def test_unknown_sizes(cls: Any) -> None:
    shape = (None,) * (cls.SPATIAL + 1)
    assert cls(2).compute_output_shape((*shape, 3)) == (*shape, 3)
    assert cls(3, 2, "same").compute_output_shape((2, *(9,) * cls.SPATIAL, None)) == (2, *(5,) * cls.SPATIAL, None)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_dtypes(dtype: torch.dtype, padding: str) -> None:
    x = torch.arange(-14, 0).reshape(1, 7, 2).to(dtype)
    largest = MaxPooling1D(2, padding=padding)(x)
    assert largest.dtype == dtype
    assert largest[0, :, 1].tolist() == [-11, -7, -3, *([-1] if padding == "same" else [])]
    mean = AveragePooling1D(2, padding=padding)(x)
    assert mean.dtype == (dtype if dtype.is_floating_point else torch.float32)
    assert mean[0, :, 1].tolist() == [-12, -8, -4, *([-1] if padding == "same" else [])]
    assert GlobalAveragePooling1D()(x).tolist() == [[-8.0, -7.0]]
    assert GlobalMaxPooling1D()(x).tolist() == [[-2, -1]]


def test_empty_batches() -> None:
    for layer in (MaxPooling1D(2), AveragePooling1D(2, padding="same"), GlobalAveragePooling1D(), GlobalMaxPooling1D()):
        x = torch.zeros(0, 7, 3)
        assert layer(x).shape == (0, *layer.compute_output_shape((None, 7, 3))[1:])


def test_the_mask_of_a_mean() -> None:
    layer = GlobalAveragePooling1D(data_format="channels_first", keepdims=True)
    x = torch.tensor([[[1.0, 2.0, float("nan")], [3.0, 5.0, float("inf")]]], requires_grad=True)
    mask = torch.tensor([[True, True, False]])
    y = layer(x, mask=mask)
    assert y.tolist() == [[[1.5], [4.0]]]
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[[0.5, 0.5, 0.0], [0.5, 0.5, 0.0]]]
    assert layer.compute_mask(x, mask) is None
    message = "GlobalAveragePooling1D 'g': expected a mask (batch, timesteps) = (1, 3), got (3, 1)."
    with pytest.raises(ShapeError, match=re.escape(message)):
        GlobalAveragePooling1D("channels_first", name="g")(x, mask=mask.T)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MaxPooling1D(0), r"pool_size\[0\]: expected an integer >= 1, got 0"),
        (lambda: MaxPooling1D(2.0), "pool_size"),
        (lambda: MaxPooling2D((2, 2, 2)), "pool_size: expected an integer or 2 of them, got 3"),
        (lambda: MaxPooling2D(2, strides=0), r"strides\[0\]: expected an integer >= 1"),
        (lambda: MaxPooling2D(2, padding="causal"), "padding: expected one of .*'valid', 'same'"),
        (lambda: MaxPooling2D(2, data_format="NHWC"), "data_format: expected one of"),
        (lambda: GlobalMaxPooling2D(keepdims=2), "keepdims: expected True or False"),
        (lambda: MaxPooling1D(2, dilation=1), "MaxPooling1D has no argument 'dilation'"),
    ],
)
def test_arguments(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (MaxPooling1D(3, name="p"), (2, 2, 4), "a window of (3,) does not fit into input of shape (2, 2, 4)"),
        (MaxPooling2D(2, name="p"), (2, 7, 4), "expected input of shape (batch, rows, columns, channels) with 4 axes"),
        (AveragePooling3D(2, name="p"), (2, 7, 7, 1, 4), "a window of (2, 2, 2) does not fit"),
        (GlobalMaxPooling2D(name="p"), (2, 7, 0, 4), "there is nothing to pool in input of shape (2, 7, 0, 4)"),
    ],
    ids=lambda value: getattr(value, "_class_name", ""),
)
def test_shapes_that_do_not_fit(layer: Any, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ShapeError, match=re.escape(message)):
        layer.build(shape)
    with pytest.raises(ShapeError, match=re.escape(message)):
        layer(torch.zeros(shape))
    with pytest.raises(ShapeError, match=re.escape(message)):
        layer.compute_output_shape(shape)


def test_other_names() -> None:
    for kind, short in (("Max", "Max"), ("Average", "Avg")):
        for rank in (1, 2, 3):
            for prefix in ("", "Global"):
                cls = getattr(layers, f"{prefix}{kind}Pooling{rank}D")
                assert getattr(layers, f"{prefix}{short}Pool{rank}D") is cls
                assert cls._class_name == f"{prefix}{kind}Pooling{rank}D"


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("size", "stride"), [(3, 1), (2, 2), (3, 2)])
@pytest.mark.parametrize("cls", [MaxPooling1D, AveragePooling1D], ids=lambda cls: cls._class_name)
def test_export_with_any_number_of_steps(cls: Any, size: int, stride: int, padding: str) -> None:
    layer = cls(size, stride, padding)
    layer.build((None, None, 3))
    dims = {0: torch.export.Dim("batch", min=2, max=64), 1: torch.export.Dim("time", min=6, max=64)}
    program = torch.export.export(layer, (torch.randn(2, 8, 3),), dynamic_shapes={"x": dims})
    for steps in (11, 12):
        x = torch.randn(5, steps, 3)
        assert_close(program.module()(x), layer(x))  # float32, 3 values
