"""Recipes: each against the Keras function that it stands for, and which ones are named for which shapes."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from _close import apart
from _keras_worker import KerasWorker

from kerastorch import recipes
from kerastorch.errors import ArgumentError

X = np.random.default_rng(0).normal(size=(3, 4, 5)).astype("float32")
Y = np.random.default_rng(1).normal(size=(3, 4, 5)).astype("float32")
N = np.array([[0, 3, 1], [2, 5, -1]], "int32")
# Recipe, inputs, and the same with `k` as keras.ops or tf_keras.backend where both have it, else TensorFlow's `tf`.
CASES: list[tuple[recipes.Recipe, Any, str]] = [
    (recipes.sum_over(1), X, "tf.reduce_sum(x, 1)"),
    (recipes.sum_over((1, 2), keepdims=True), X, "tf.reduce_sum(x, (1, 2), keepdims=True)"),
    (recipes.mean_over(-1), X, "tf.reduce_mean(x, -1)"),
    (recipes.max_over(1), X, "tf.reduce_max(x, 1)"),
    (recipes.min_over([1, 2]), X, "tf.reduce_min(x, [1, 2])"),
    (recipes.argmax(), X, "tf.argmax(x, -1)"),
    (recipes.softmax(1), X, "tf.nn.softmax(x, 1)"),
    (recipes.l2_normalize(), X, "tf.nn.l2_normalize(x, -1)"),
    (recipes.l2_normalize(1), X * 0, "tf.nn.l2_normalize(x, 1)"),
    (recipes.last_step(), X, "x[:, -1]"),
    (recipes.step(2), X, "x[:, 2]"),
    (recipes.slice_of(1, None), X, "x[:, 1:]"),
    (recipes.slice_of(0, -1, 2, axis=-1), X, "x[..., 0:-1:2]"),
    (recipes.reverse(), X, "tf.reverse(x, [1])"),
    (recipes.expand_dims(), X, "tf.expand_dims(x, -1)"),
    (recipes.expand_dims(1), X, "tf.expand_dims(x, 1)"),
    (recipes.squeeze(1), X[:, :1], "tf.squeeze(x, 1)"),
    (recipes.reshape((-1, 10)), X, "tf.reshape(x, (-1, 10))"),
    (recipes.permute((0, 2, 1)), X, "tf.transpose(x, (0, 2, 1))"),
    (recipes.repeat_elements(2, 1), X, "tf.repeat(x, 2, 1)"),
    (recipes.identity(), X, "x"),
    (recipes.scale(0.5, 2.0), X, "x * 0.5 + 2.0"),
    (recipes.add(3), X, "x + 3"),
    (recipes.cast("int64"), X * 10, "tf.cast(x, 'int64')"),
    (recipes.one_hot(4), N, "tf.one_hot(x, 4)"),
    (recipes.one_hot(6, "int32"), N.astype("float32"), "tf.one_hot(tf.cast(x, 'int32'), 6, dtype='int32')"),
    (recipes.concat(1), [X, Y], "tf.concat(x, 1)"),
    (recipes.stack(2), [X, Y], "tf.stack(x, 2)"),
    (recipes.pick(1), [X, Y], "x[1]"),
    (recipes.multiply(), [X, Y, X], "x[0] * x[1] * x[2]"),
    (recipes.matmul(), [X, Y.transpose(0, 2, 1).copy()], "tf.matmul(x[0], x[1])"),
    (recipes.absolute_difference(), [X, Y], "tf.abs(x[0] - x[1])"),
]


def run(recipe: recipes.Recipe, inputs: Any) -> np.ndarray:
    given = [torch.from_numpy(x) for x in inputs] if isinstance(inputs, list) else torch.from_numpy(inputs)
    return recipe(given).numpy()


def test_recipes_compute_what_the_keras_functions_compute(keras_worker: KerasWorker) -> None:
    answers = keras_worker.call(
        "keras3", "own:compute", [expression for _, _, expression in CASES], [inputs for _, inputs, _ in CASES]
    )
    for (recipe, inputs, _), wanted in zip(CASES, answers, strict=True):
        ours = run(recipe, inputs)
        assert ours.dtype == wanted.dtype, recipe
        assert apart(ours, wanted) is None, (recipe, apart(ours, wanted))


def test_every_recipe_is_compared() -> None:
    names = {
        name
        for name, value in vars(recipes).items()
        if callable(value) and value.__module__ == recipes.Recipe.__module__
    }
    assert names - {"Recipe"} == {recipe.name for recipe, _, _ in CASES}


@pytest.mark.parametrize("recipe", [recipe for recipe, _, _ in CASES], ids=repr)
def test_a_recipe_shows_how_it_was_made_and_travels(recipe: recipes.Recipe) -> None:
    assert eval(repr(recipe), vars(recipes)) == recipe
    assert pickle.loads(pickle.dumps(recipe)) == copy.deepcopy(recipe) == recipe


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: recipes.sum_over("1"), "axis: expected an integer"),
        (lambda: recipes.sum_over(()), "axis: expected an integer"),
        (lambda: recipes.step(True), "expected an integer"),
        (lambda: recipes.cast("complex64"), "dtype: expected one of"),
        (lambda: recipes.one_hot(3, "string"), "dtype: expected one of"),
        (lambda: recipes.slice_of(stride=-1), r"for -1 use reverse\(axis\)"),
        (lambda: run(recipes.squeeze(1), X), r"squeeze\(axis=1\): expected size 1 there"),
    ],
)
def test_wrong_arguments(make: Any, match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        make()


def names(inputs: list[Any], output: Any) -> list[str]:
    return [repr(recipe) for recipe in recipes.fitting(inputs, output)]


def test_recipes_that_fit() -> None:
    found = names([(None, 7, 12)], (None, 12))
    assert found == ["last_step()", "sum_over(axis=1)", "mean_over(axis=1)", "max_over(axis=1)"]
    assert "sum_over(axis=2)" in names([(None, None, 12)], (None, None))
    assert "expand_dims(axis=2)" in names([(None, 7)], (None, 7, 1))
    assert names([(None, 7)], (None, 7, 5)) == ["one_hot(classes=5)"]
    assert names([(None, 7, 1)], (None, 7))[-1] == "squeeze(axis=2)"
    assert names([(None, 7, 3)], (None, 3, 7)) == ["permute(axes=(0, 2, 1))"]
    assert "concat(axis=2)" in names([(None, 7, 3), (None, 7, 2)], (..., 5))
    assert names([(None, 7, 3), (None, 3, 4)], (None, 7, 4)) == ["matmul()"]
    assert names([(None, 7, 3)], (None, 9, 9)) == []
    assert names([(None, None, 3)], (None, 7, 3)) == []  # a size that is open is not 7
    assert "last_step()" in names([(None, 7, 3)], (..., 3))
