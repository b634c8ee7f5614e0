"""Rescaling and Normalization; Identity and ActivityRegularization."""

from __future__ import annotations

import copy
import re
from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close, assert_numbers

from kerastorch import Input, Sequential
from kerastorch.errors import ArgumentError, ShapeError
from kerastorch.layers import ActivityRegularization, Identity, Masking, Normalization, Rescaling


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Rescaling("0.5"), "scale: expected a number, got '0.5'."),
        (lambda: Rescaling([1.0, [2.0]]), "is no value: expected a number, or lists of numbers of one shape."),
        (lambda: Rescaling(1.0, offset=True), "offset: expected a number, got True."),
        (lambda: Normalization(mean=1.0), "expected both or neither, got mean=1.0, variance=None."),
        (lambda: Normalization(mean=[1.0, 2.0], variance=1.0), "got shapes (2,) and ()."),
        (lambda: Normalization(None, mean=[1.0], variance=[1.0]), "with at most 0 axes, as axis=None has"),
        (lambda: Normalization(1.5), "axis: expected an integer, got 1.5."),
        (lambda: Normalization(invert=1.0), "invert: expected True or False, got 1.0."),  # type: ignore[arg-type]
    ],
)
def test_arguments_that_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(message)):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (
            Rescaling([1.0, 2.0], name="r"),
            (None, 3),
            "scale of shape (2,) does not spread to input of shape (Non",
        ),
        (Rescaling(1.0, [[[1.0]]], name="r"), (None, 3), "offset of shape (1, 1, 1) does not spread"),
        (Normalization(name="n"), (None, None), "the size of axis 1 must be known, got (None, None)"),
        (Normalization(axis=2, name="n"), (None, 3), "axis 2 is out of bounds for input of shape (None, 3)"),
        (Normalization(mean=[1.0, 2.0], variance=[1.0, 2.0]), (None, 3), "mean of shape (2,) does not fit sizes (3,)"),
    ],
    ids=str,
)
def test_shapes_that_do_not_fit(layer: Any, shape: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=re.escape(message)):
        layer.build(shape)


def test_other_sizes_than_it_was_built_for() -> None:
    layer = Normalization()
    layer.build((None, 3))
    assert layer(torch.zeros(2, 5, 3)).shape == (2, 5, 3)  # only the kept axes are fixed
    with pytest.raises(ShapeError, match=r"expected sizes \(3,\) at axis -1, got \(4,\)"):
        layer(torch.zeros(2, 4))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "adapt was given no data"),
        (np.zeros((0, 3), "float32"), "adapt was given no data"),
        ([[1.0, 2.0]], "expected batches that are arrays or tensors, got one of type 'list'"),
        ("text", "expected an array, a tensor or an iterable of them, got 'str'"),
        (3, "expected an array, a tensor or an iterable of them, got 'int'"),
    ],
)
def test_data_that_nothing_can_be_adapted_to(data: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        Normalization().adapt(data)


def test_given_statistics_are_not_adapted() -> None:
    with pytest.raises(ArgumentError, match="mean and variance are given, so there is nothing to adapt"):
        Normalization(mean=0.0, variance=1.0).adapt(np.zeros((2, 3)))


def test_data_of_other_sizes() -> None:
    layer = Normalization(name="n")
    layer.adapt(np.zeros((2, 3)))
    with pytest.raises(ShapeError, match=r"expected sizes \(3,\) at axis -1, got \(4,\)"):
        layer.adapt(np.zeros((2, 4)))


def test_many_values_far_from_zero() -> None:
    """Sums in float32 would lose the variance."""
    data = 1e4 + np.random.default_rng(0).normal(size=(100_000, 1)).astype("float32")
    layer = Normalization()
    layer.adapt(data)
    assert_numbers(layer.mean.item(), data.astype("float64").mean())
    assert_numbers(layer.variance.item(), data.astype("float64").var())


def test_the_count_stays_a_whole_number() -> None:
    layer = Normalization()
    layer.build((None, 3))
    big = 2**53 + 1
    layer.set_weights([np.zeros(3), np.ones(3), np.asarray(big)])
    for moved in (layer, copy.deepcopy(layer).double(), copy.deepcopy(layer).half(), copy.deepcopy(layer).bfloat16()):
        assert moved.count.dtype == torch.int64
        assert moved.count.item() == big
    assert layer.half().dtype == torch.float16
    assert layer(torch.zeros(2, 3, dtype=torch.float16)).dtype == torch.float16
    assert layer.count_params() == 7
    assert not list(layer.parameters())


def test_given_statistics_and_arrays_follow_the_layer() -> None:
    for layer in (Normalization(mean=[1.0, 2.0], variance=[4.0, 9.0]), Rescaling([1.0, 2.0], offset=[0.1, 0.2])):
        layer.build((None, 2))
        assert layer.get_weights() == []
        x = torch.tensor([[3.0, 5.0]])
        assert_close(layer(x), layer.double()(x.double()))
    model = Sequential([Input((2,)), Normalization(mean=0.1, variance=2.0), Rescaling([1.0, 2.0])])
    again = Sequential.from_config(model.get_config())
    again.load_state_dict(model.state_dict())
    x = torch.randn(3, 2)
    assert torch.equal(again(x), model(x))


def test_integers() -> None:
    image = torch.tensor([[0, 128, 255]], dtype=torch.uint8)
    assert_close(Rescaling(1 / 255)(image), image.float() / 255)
    layer = Normalization(axis=None, mean=1.0, variance=4.0)
    assert layer(torch.tensor([[3, 5]])).tolist() == [[1.0, 2.0]]
    with pytest.raises(ArgumentError, match=r"the input is torch.float64, the weights are torch.float32"):
        layer(torch.zeros(1, 2, dtype=torch.float64))


def test_masks_end_in_tf_keras() -> None:
    x = torch.tensor([[[1.0], [0.0]]])
    options: list[tuple[Any, dict[str, Any]]] = [(Identity, {}), (Rescaling, {"scale": 1.0}), (Normalization, {})]
    for cls, config in options:
        for old in (False, True):
            model = Sequential([Input((2, 1)), Masking(), cls(**config, keras2_masks=old)])
            mask = model(x, with_masks=True)[1]
            assert mask is None if old else mask.tolist() == [[True, False]]


def test_identity_takes_anything() -> None:
    parts = [torch.zeros(2, 3), {"a": torch.ones(1)}]
    layer = Identity()
    assert layer(parts)[1]["a"] is parts[1]["a"]  # type: ignore[index]
    assert layer.compute_output_shape([(2, 3), (4,)]) == [(2, 3), (4,)]


def test_activity_regularization() -> None:
    layer, x = ActivityRegularization(l1=0.5, l2=0.25), torch.tensor([[1.0, -2.0], [3.0, 0.0]], requires_grad=True)
    assert torch.equal(layer(x), x)
    (loss,) = layer.losses
    assert_numbers(loss.item(), (0.5 * 6 + 0.25 * 14) / 2)
    loss.backward()
    assert x.grad is not None
    assert_close(x.grad, (0.5 * x.detach().sign() + 0.5 * x.detach()) / 2)
    assert "activity_regularizer" not in layer.get_config()


def test_adapt_takes_tensors_of_other_libraries() -> None:
    class Foreign:
        shape = (2, 1)

        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            return np.array([[1.0], [3.0]])

    layer = Normalization()
    layer.adapt([Foreign(), (Foreign(), "labels")])
    assert (float(layer.mean), float(layer.variance)) == (2.0, 1.0)
