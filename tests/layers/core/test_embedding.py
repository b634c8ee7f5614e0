from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from kerastorch.errors import ArgumentError, ShapeError, UnsupportedError
from kerastorch.layers import Embedding


@pytest.fixture
def table(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(9, 4)).astype("float32")


def with_table(table: np.ndarray, **options: object) -> Embedding:
    layer = Embedding(*table.shape, **options)
    layer.build((None, 7))
    layer.set_weights([table])
    return layer


@pytest.mark.parametrize("dtype", ["int64", "int32", "int16", "uint8", "float32", "float64", "bool"])
def test_numbers(rng: np.random.Generator, table: np.ndarray, dtype: str) -> None:
    words = rng.integers(0, 9, size=(3, 7)).astype(dtype)
    layer = with_table(table)
    wanted = table[words.astype(int)]
    np.testing.assert_array_equal(layer(words).detach(), wanted)
    np.testing.assert_array_equal(layer(torch.from_numpy(words)).detach(), wanted)


def test_fractions_are_cut_as_in_keras(table: np.ndarray) -> None:
    np.testing.assert_array_equal(with_table(table)(torch.tensor([[1.9, 0.2]])).detach()[0], table[[1, 0]])


def test_large_float_indices_are_not_rounded_to_a_narrow_dtype() -> None:
    layer = Embedding(5000, 2, dtype="float16")
    layer.build((None, 1))
    with torch.no_grad():
        layer.weight[4001] = 7.0  # float16 has no 4001
    assert layer(np.array([[4001.0]])).unique().tolist() == [7.0]


def test_mask(table: np.ndarray) -> None:
    words = torch.tensor([[3, 0, 1], [0, 0, 0]])
    mask = with_table(table, mask_zero=True).compute_mask(words)
    assert mask.tolist() == [[True, False, True], [False, False, False]]
    assert with_table(table).compute_mask(words) is None
    assert Embedding(9, 4, mask_zero=True).supports_masking
    assert not Embedding(9, 4).supports_masking


@pytest.mark.parametrize("bad", [9, -1])
def test_an_index_outside_the_table(table: np.ndarray, bad: int) -> None:
    message = (
        f"Embedding 'words': the input holds indices from {min(bad, 0)} to {max(bad, 3)}, input_dim=9 allows 0 to 8; "
        "make it the largest index plus one."
    )
    with pytest.raises(ArgumentError, match=re.escape(message)):
        with_table(table, name="words")(torch.tensor([[0, 3, bad]]))


def test_initial_weights(table: np.ndarray) -> None:
    for given in (table, [table]):
        layer = Embedding(9, 4, weights=given)
        assert layer.built
        np.testing.assert_array_equal(layer.get_weights()[0], table)
        assert "weights" not in layer.get_config()
    with pytest.raises(ShapeError, match=r"expected \(8, 4\), got \(9, 4\)"):
        Embedding(8, 4, weights=[table])


def test_input_length() -> None:
    layer = Embedding(9, 4, input_length=7, name="words")
    assert layer.compute_output_shape((None, None)) == (None, 7, 4)
    assert layer.get_config()["input_length"] == 7
    assert "input_length" not in Embedding(9, 4).get_config()
    assert Embedding(9, 4).compute_output_shape((None, None)) == (None, None, 4)
    assert Embedding(9, 4, input_length=[None, 2]).compute_output_shape((3, 5, None)) == (3, 5, 2, 4)
    message = "Embedding 'words': input_length=7 does not fit input of shape (None, 6); leave input_length out"
    with pytest.raises(ShapeError, match=re.escape(message)):
        layer.compute_output_shape((None, 6))


def test_a_fresh_table_is_uniform_around_zero() -> None:
    layer = Embedding(2000, 10)
    layer.build((None, 7))
    values = layer.weight.detach()
    assert values.abs().max() <= 0.05
    assert values.abs().max() > 0.0499
    assert abs(values.var().item() / (0.1**2 / 12) - 1) < 0.05


def test_what_is_not_supported_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="sparse=True is not supported"):
        Embedding(9, 4, sparse=True)
    with pytest.raises(UnsupportedError, match="lora_rank"):
        Embedding(9, 4, lora_rank=2)
    with pytest.raises(UnsupportedError, match="quantization_config"):
        Embedding(9, 4, quantization_config={"a": 1})
    Embedding.from_config({"input_dim": 9, "output_dim": 4, "sparse": False, "use_one_hot_matmul": True})


@pytest.mark.parametrize("options", [{"output_dim": 0}, {"output_dim": 4, "mask_zero": 2}])
def test_wrong_arguments(options: dict[str, object]) -> None:
    with pytest.raises(ArgumentError, match=f"^{list(options)[-1]}: expected"):
        Embedding(9, **options)
