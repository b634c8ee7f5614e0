from __future__ import annotations

import re
from functools import reduce

import numpy as np
import pytest
import torch
from _close import assert_close
from torch import Tensor

from kerastorch.errors import ArgumentError, ShapeError
from kerastorch.layers import Add, Average, Concatenate, Dot, Maximum, Minimum, Multiply, Subtract

ELEMENTWISE = {
    Add: lambda arrays: reduce(np.add, arrays),
    Multiply: lambda arrays: reduce(np.multiply, arrays),
    Average: lambda arrays: reduce(np.add, arrays) / len(arrays),
    Maximum: lambda arrays: reduce(np.maximum, arrays),
    Minimum: lambda arrays: reduce(np.minimum, arrays),
}
elementwise = pytest.mark.parametrize("cls", ELEMENTWISE, ids=lambda cls: cls._class_name)


def arrays(rng: np.random.Generator, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    return [rng.normal(size=shape).astype("float32") for shape in shapes]


def bools(*rows: str) -> Tensor:
    """Masks as text: `bools("110", "100")`."""
    return torch.tensor([[step == "1" for step in row] for row in rows])


@elementwise
@pytest.mark.parametrize(
    "shapes",
    [
        ((2, 5, 3),),
        ((2, 5, 3), (2, 5, 3)),
        ((2, 5, 3), (2, 1, 3), (2, 5, 1)),
        ((4, 3), (4, 5, 3)),
        ((4, 2, 5, 3), (4, 3)),
    ],
)
def test_elementwise(rng: np.random.Generator, cls: type[Add], shapes: tuple[tuple[int, ...], ...]) -> None:
    inputs = arrays(rng, *shapes)
    rank = max(map(len, shapes))
    full = [x.reshape(x.shape[0], *[1] * (rank - x.ndim), *x.shape[1:]) for x in inputs]
    y = cls()([torch.from_numpy(x) for x in inputs])
    assert_close(y, ELEMENTWISE[cls](full))
    assert cls().compute_output_shape(list(shapes)) == tuple(y.shape)
    assert y.shape[0] == shapes[0][0]


def test_subtract(rng: np.random.Generator) -> None:
    a, b = arrays(rng, (4, 5, 3), (4, 3))
    np.testing.assert_array_equal(Subtract()([a, b]), a - b[:, None])
    np.testing.assert_array_equal(Subtract()([b, a]), b[:, None] - a)


def test_unknown_sizes() -> None:
    shape = Add().compute_output_shape
    assert shape([(None, None, 3), (None, 7, 3)]) == (None, None, 3)  # as Keras states it
    assert shape([(None, 5, 3), (4, 1, 3)]) == (4, 5, 3)
    assert shape([(None, 3), (None, None, 3)]) == (None, None, 3)
    assert Concatenate(1).compute_output_shape([(None, 2, 3), (None, 4, 3)]) == (None, 6, 3)
    assert Concatenate(1).compute_output_shape([(None, 2, 3), (None, None, 3)]) == (None, None, 3)
    assert Dot((2, 1)).compute_output_shape([(None, None, 4), (None, 4, 6)]) == (None, None, 6)


@elementwise
def test_shapes_that_do_not_fit(cls: type[Add]) -> None:
    name = cls._class_name
    message = f"{name} 'm': inputs of shapes [(2, 5, 3), (2, 4, 3)] do not fit: sizes must be equal or 1, counted from"
    with pytest.raises(ShapeError, match=re.escape(message)):
        cls(name="m").build([(2, 5, 3), (2, 4, 3)])
    layer = cls(name="m")
    for batch, call in ((1, layer), (2, layer.build)):
        message = f"{name} 'm': inputs of shapes [({batch}, 3), (4, 3)] do not fit: the batch sizes differ."
        with pytest.raises(ShapeError, match=re.escape(message)):
            call([torch.zeros(batch, 3), torch.zeros(4, 3)] if call is layer else [(batch, 3), (4, 3)])
    layer.build([(None, 3), (None, 3)])
    message = f"{name} 'm': inputs of shapes [(2, 3), (4, 3)] do not fit: the batch sizes differ."
    with pytest.raises(ShapeError, match=re.escape(message)):
        layer([torch.zeros(2, 3), torch.zeros(4, 3)])


@elementwise
def test_one_row_goes_with_all_once_the_layer_is_built(cls: type[Add]) -> None:
    """As in Keras, which compares the batch sizes when it builds the layer and not when the layer runs."""
    layer = cls()
    layer.build([(None, 3), (None, 3)])
    one, four = torch.randn(1, 3), torch.randn(4, 3)
    assert torch.equal(layer([four, one]), layer([four, one.expand(4, 3)]))
    assert layer.compute_output_shape([(1, 3), (4, 3)]) == (4, 3)


def test_a_list_of_inputs_is_wanted() -> None:
    message = "Add 'm' takes a list of inputs, got one of shape (2, 3); call it as layer([a, b])."
    with pytest.raises(ShapeError, match=re.escape(message)):
        Add(name="m")(torch.zeros(2, 3))
    layer = Add(name="m")
    layer([torch.zeros(2, 3), torch.zeros(2, 3)])
    with pytest.raises(ShapeError, match=re.escape("takes a list of inputs, got one of shape (2, 3)")):
        layer(torch.zeros(2, 3))
    with pytest.raises(ShapeError, match=re.escape("takes a list of inputs, got one of shape ()")):
        Add(name="m").build([])
    for cls in (Subtract, lambda name: Dot(1, name=name)):
        layer = cls(name="m")
        with pytest.raises(ShapeError, match=re.escape("'m' takes a list of 2 inputs, got 3: ")):
            layer.build([(2, 3)] * 3)
    with pytest.raises(ArgumentError, match="Add 'm': expected a list of tensors, got 'list'"):
        Add(name="m").forward([torch.zeros(2, 3), 4])


ONE, TWO = bools("1100", "0000"), bools("1010", "0011")


@elementwise
def test_masks(cls: type[Add]) -> None:
    x = [torch.zeros(2, 4, 3)] * 3
    assert torch.equal(cls().compute_mask(x, [ONE, TWO, ONE]), bools("1110", "0011"))
    assert cls().compute_mask(x, [ONE, None, TWO]) is None
    assert cls().compute_mask(x, None) is None
    assert cls().compute_mask(x, [None] * 3) is None
    old = cls(keras2_masks=True)
    assert torch.equal(old.compute_mask(x, [ONE, TWO, ONE]), bools("1000", "0000"))
    assert torch.equal(old.compute_mask(x, [ONE, None, TWO]), bools("1000", "0000"))
    assert old.compute_mask(x, [None] * 3) is None
    with pytest.raises(ArgumentError, match=r"expected a list of 3 masks .* got 2"):
        cls().compute_mask(x, [ONE, TWO])


def test_masks_of_a_concatenation() -> None:
    x = [torch.zeros(2, 4, 3), torch.zeros(2, 4, 5)]
    for new, old in (
        (Concatenate(), Concatenate(keras2_masks=True)),
        (Concatenate(2), Concatenate(2, keras2_masks=True)),
    ):
        assert torch.equal(new.compute_mask(x, [ONE, TWO]), bools("1110", "0011"))
        assert torch.equal(old.compute_mask(x, [ONE, TWO]), bools("1000", "0000"))
        assert torch.equal(new.compute_mask(x, [ONE, None]), bools("1111", "1111"))
        assert torch.equal(old.compute_mask(x, [None, TWO]), TWO)
        assert new.compute_mask(x, [None, None]) is None
    steps = [torch.zeros(2, 4, 3), torch.zeros(2, 2, 3)]
    for layer in (Concatenate(1), Concatenate(-2, keras2_masks=True)):
        assert torch.equal(layer.compute_mask(steps, [ONE, None]), bools("110011", "000011"))
        assert torch.equal(layer.compute_mask(steps, [ONE, bools("01", "10")]), bools("110001", "000010"))
    flat = [torch.zeros(2, 4)] * 2  # masks as deep as the inputs
    assert Concatenate().compute_mask(flat, [ONE, TWO]).tolist() == [True, True]
    assert Concatenate(keras2_masks=True).compute_mask(flat, [ONE, TWO]).tolist() == [False, False]


@pytest.mark.parametrize(("cls", "choose"), [(Maximum, np.maximum), (Minimum, np.minimum)])
def test_the_extremum_of_a_masked_step_is_the_other_inputs(
    rng: np.random.Generator, cls: type[Maximum], choose: np.ufunc
) -> None:
    a, b = arrays(rng, (2, 4, 3), (2, 4, 3))
    one, two = ONE.numpy()[..., None], TWO.numpy()[..., None]
    plain = choose(a, b)
    wanted = np.where(one & ~two, a, np.where(two & ~one, b, np.where(one & two, plain, a)))
    x = [torch.from_numpy(a), torch.from_numpy(b)]
    np.testing.assert_array_equal(cls()(x, mask=[ONE, TWO]), wanted)
    np.testing.assert_array_equal(cls()(x, mask=[ONE, None]), np.where(one, plain, b))
    np.testing.assert_array_equal(cls()(x, mask=[None, TWO]), np.where(two, plain, a))
    np.testing.assert_array_equal(cls(keras2_masks=True)(x, mask=[ONE, TWO]), plain)
    assert np.abs(wanted - plain).max() > 0.1
    row = torch.from_numpy(a[:, 0])  # Keras forgets the mask of an input that it gives more axes
    np.testing.assert_array_equal(cls()([x[1], row], mask=[None, ONE]), choose(b, a[:, :1]))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concatenate(rng: np.random.Generator, axis: int) -> None:
    shapes = [[2, 4, 3] for _ in range(3)]
    for size, shape in zip((2, 1, 5), shapes, strict=True):
        shape[axis] = size
    inputs = arrays(rng, *map(tuple, shapes))
    np.testing.assert_array_equal(Concatenate(axis)(inputs), np.concatenate(inputs, axis))


def test_concatenate_errors() -> None:
    layer = Concatenate(name="c")
    for shapes, why in (
        ([(2, 4, 3), (2, 5, 3)], "sizes other than those of axis -1 must be equal"),
        ([(2, 4, 3), (2, 3)], "they must have the same number of axes"),
    ):
        with pytest.raises(
            ShapeError, match=re.escape(f"Concatenate 'c': inputs of shapes {shapes} do not fit: {why}.")
        ):
            layer.compute_output_shape(shapes)
    with pytest.raises(ShapeError, match="there is no axis 3"):
        Concatenate(3).compute_output_shape([(2, 4, 3), (2, 4, 3)])


@pytest.mark.parametrize(
    ("axes", "shapes", "subscripts"),
    [
        (1, ((4, 3), (4, 3)), "ba,ba->b"),
        (-1, ((4, 5, 3), (4, 6, 3)), "bxa,bya->bxy"),
        ((2, 1), ((4, 5, 3), (4, 3, 6)), "bxa,bay->bxy"),
        ((1, 2), ((4, 3), (4, 5, 3)), "ba,bxa->bx"),
        ([1, 1], ((4, 3, 5), (4, 3)), "bax,ba->bx"),
        ((1, -2), ((4, 3, 2, 5), (4, 6, 3, 2)), "baxy,bzaw->bxyzw"),
    ],
)
@pytest.mark.parametrize("normalize", [False, True])
def test_dot(
    rng: np.random.Generator, axes: object, shapes: tuple[tuple[int, ...], ...], subscripts: str, normalize: bool
) -> None:
    a, b = arrays(rng, *shapes)
    layer = Dot(axes, normalize=normalize)
    one, two = (axes, axes) if isinstance(axes, int) else axes
    unit = [x / np.linalg.norm(x, axis=i, keepdims=True) if normalize else x for x, i in ((a, one), (b, two))]
    wanted = np.einsum(subscripts, *unit)
    wanted = wanted[:, None] if wanted.ndim == 1 else wanted
    assert_close(layer([a, b]), wanted)
    assert layer.compute_output_shape(list(shapes)) == wanted.shape
    assert layer.compute_mask([a, b], [ONE, TWO]) is None


def test_the_cosine_of_a_zero_vector_has_a_gradient() -> None:
    x = torch.zeros(2, 3, requires_grad=True)
    y = Dot(1, normalize=True)([x, torch.ones(2, 3)])
    y.sum().backward()
    assert y.tolist() == [[0.0], [0.0]]
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_dot_errors() -> None:
    for shapes, axes, why in (
        ([(4, 3), (4, 5)], 1, "axis 1 of the first must be as long as axis 1 of the second"),
        ([(4, 3), (4, 3)], 0, "axes=0 must be axes behind the batch axis"),
        ([(4, 3), (4, 3)], (1, 2), "axes=(1, 2) must be axes behind the batch axis"),
        ([(4, 3), (5, 3)], 1, "the batch sizes differ"),
    ):
        with pytest.raises(ShapeError, match=re.escape(f"Dot 'd': inputs of shapes {shapes} do not fit: {why}.")):
            Dot(axes, name="d").build(shapes)
    with pytest.raises(ArgumentError, match="axes: expected an integer or two of them"):
        Dot((1, 2, 3))
    with pytest.raises(ArgumentError, match=r"axes\[1\]: expected an integer"):
        Dot((1, (2, 3)))


def test_the_keras_2_rule_is_in_the_config_only_where_it_is_on() -> None:
    assert "keras2_masks" not in Add().get_config()
    config = Add(keras2_masks=True).get_config()
    assert config["keras2_masks"] is True
    assert Add.from_config(config).keras2_masks


def test_compute_mask_of_no_list_is_told() -> None:
    for merge in (Add(), Concatenate(), Subtract()):
        with pytest.raises(ArgumentError, match=r"compute_mask: expected a list of inputs, got 'Tensor'"):
            merge.compute_mask(torch.ones(2, 3), [None, None])
        with pytest.raises(ArgumentError, match="expected a list of 2 masks"):
            merge.compute_mask([torch.ones(2, 3), torch.ones(2, 3)], torch.ones(2).bool())
