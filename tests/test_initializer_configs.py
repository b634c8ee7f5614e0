"""Initializers by name and by config, in every spelling of Keras, and what is refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from test_initializers import ALL, RANDOM, seeded
from torch import Tensor

from kerastorch import initializers
from kerastorch.errors import ArgumentError, KerasTorchError, ShapeError, UnsupportedError
from kerastorch.initializers import (
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Identity,
    Initializer,
    LecunNormal,
    LecunUniform,
    Ones,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
    Zeros,
)
from kerastorch.random import SeedGenerator
from kerastorch.regularizers import L2
from kerastorch.saving import deserialize_keras_object, serialize_keras_object

NAMES = {
    "zeros": Zeros(),
    "ones": Ones(),
    "constant": Constant(0.0),
    "random_normal": RandomNormal(0.0, 0.05),
    "random_uniform": RandomUniform(-0.05, 0.05),
    "truncated_normal": TruncatedNormal(0.0, 0.05),
    "variance_scaling": VarianceScaling(1.0, "fan_in", "truncated_normal"),
    "glorot_uniform": GlorotUniform(),
    "glorot_normal": GlorotNormal(),
    "he_uniform": HeUniform(),
    "he_normal": HeNormal(),
    "lecun_uniform": LecunUniform(),
    "lecun_normal": LecunNormal(),
    "orthogonal": Orthogonal(1.0),
    "identity": Identity(1.0),
}


@pytest.mark.parametrize(("name", "initializer"), NAMES.items())
def test_names(name: str, initializer: Initializer) -> None:
    camel = type(initializer).__name__
    assert initializers.get(name) == initializers.get(camel) == initializers.get(type(initializer)) == initializer
    assert initializers.get({"class_name": camel, "config": {}}) == initializer
    assert getattr(initializers, name) is type(initializer)


def test_other_names() -> None:
    assert initializers.get("IdentityInitializer") == Identity()
    assert initializers.get({"class_name": "OrthogonalInitializer", "config": {"gain": 2.0}}) == Orthogonal(2.0)
    assert VarianceScaling(distribution="Normal") == VarianceScaling(distribution="truncated_normal")
    assert initializers.get(None) is None
    assert initializers.serialize(None) is None


@pytest.mark.parametrize("initializer", [*ALL, *(seeded(initializer, 7) for initializer in RANDOM)], ids=repr)
def test_configs_go_both_ways(initializer: Initializer) -> None:
    config = initializers.serialize(initializer)
    assert config is not None
    assert {*config} == {"module", "class_name", "config", "registered_name"}
    again = initializers.get(json.loads(json.dumps(config)))
    assert again == initializer
    assert hash(again) == hash(initializer)
    assert copy.deepcopy(initializer) == initializer
    assert not [other for other in ALL if other == initializer and repr(other) != repr(initializer)]


def test_equality_is_by_kind_and_config() -> None:
    assert GlorotUniform() != GlorotNormal()
    assert GlorotUniform(seed=1) != GlorotUniform(seed=2)
    assert Constant([1.0, 2.0]) != Constant([1.0, 3.0])
    assert Constant(1.0) != Ones()
    assert Constant(np.ones(2)) != Constant(1.0)


def test_configs_as_keras_files_have_them() -> None:
    tf1 = {"class_name": "GlorotUniform", "config": {"seed": None, "dtype": "float32"}}
    assert initializers.get(tf1) == GlorotUniform()
    keras2 = {
        "class_name": "VarianceScaling",
        "config": {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform", "seed": 3},
    }
    assert initializers.get(keras2) == VarianceScaling(1.0, "fan_avg", "uniform", 3)
    keras3 = {
        "module": "keras.initializers",
        "class_name": "GlorotUniform",
        "config": {"seed": None, "input_axes": None, "output_axes": None},
        "registered_name": None,
        "shared_object_id": 140386293,
    }
    assert initializers.get(keras3) == GlorotUniform()
    array = {"class_name": "__numpy__", "config": {"value": [[1.0, 2.0]], "dtype": "float64"}}
    assert initializers.get({"class_name": "Constant", "config": {"value": array}}) == Constant(np.array([[1.0, 2.0]]))


def test_only_what_says_something_is_written() -> None:
    config = {"module": "keras.initializers", "class_name": "GlorotUniform", "config": {"seed": None}}
    assert initializers.serialize(GlorotUniform()) == {**config, "registered_name": None}
    assert GlorotUniform(input_axes=(0, 1), output_axes=(2,)).get_config() == {
        "seed": None,
        "input_axes": [0, 1],
        "output_axes": [2],
    }


def test_an_array_or_a_function_of_your_own() -> None:
    array = np.array([[1.5, 2.5]], "float32")
    for own in (array, torch.tensor(array), lambda shape, dtype=None: torch.tensor(array, dtype=dtype)):
        made = initializers.get(own)
        assert made is not None
        assert made((1, 2), dtype=torch.float64).tolist() == [[1.5, 2.5]]
        assert made((1, 2), device="meta").is_meta
        with pytest.raises(ShapeError, match=r"gives shape \(1, 2\), expected \(2, 2\); .*Constant"):
            made((2, 2))
        with pytest.raises(UnsupportedError, match="not one of the built-in initializers"):
            initializers.serialize(made)
        assert initializers.get(made) is made
    made = initializers.get(array)
    assert made is not None
    made((1, 2))[0, 0] = 9.0
    assert array[0, 0] == 1.5


def test_a_class_of_your_own() -> None:
    class Half(Initializer):
        def values(self, to: initializers.Target) -> Tensor:
            return torch.full(to.shape, 0.5, dtype=to.dtype, device=to.device)

    half = Half()
    assert initializers.get(half) is half
    assert half((2,)).tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: initializers.get("glorot_unifrom"),
            ArgumentError,
            r"Unknown initializer 'glorot_unifrom'; did you mean 'glorot_uniform'\?",
        ),
        (lambda: initializers.get("STFT"), UnsupportedError, r"needs scipy's windows"),
        (lambda: initializers.get(0.5), ArgumentError, r"0.5 is no initializer: expected a name such as 'Zeros'"),
        (lambda: initializers.get(L2()), ArgumentError, r"'L2\(l2=0.01\)' is no initializer"),
        (
            lambda: initializers.get({"class_name": "Mine", "config": {}, "module": "mine"}),
            UnsupportedError,
            r"'Mine' is not one of Keras's own",
        ),
        (
            lambda: initializers.get({"class_name": "Zeros", "config": {}, "module": "kerasque"}),
            UnsupportedError,
            r"module 'kerasque'",
        ),
        (
            lambda: initializers.get({"class_name": "Zeros", "config": {"seed": 1}}),
            ArgumentError,
            r"Zeros has no argument 'seed': it takes no arguments",
        ),
        (
            lambda: RandomNormal(stddev=-1),
            ArgumentError,
            r"RandomNormal: stddev is -1, expected a finite number >= 0",
        ),
        (lambda: RandomNormal(mean=float("nan")), ArgumentError, r"mean is nan, expected a finite number\."),
        (lambda: RandomUniform(0.5, 0.1), ArgumentError, r"maxval is 0.1, expected a finite number >= 0.5"),
        (lambda: VarianceScaling(0), ArgumentError, r"scale is 0, expected a finite number > 0"),
        (
            lambda: VarianceScaling(mode="fan"),
            ArgumentError,
            r"mode is 'fan', expected one of 'fan_in', 'fan_out', 'fan_avg'",
        ),
        (
            lambda: VarianceScaling(distribution="cauchy"),
            ArgumentError,
            r"distribution is 'cauchy', expected one of 'uniform'",
        ),
        (lambda: VarianceScaling(distribution=None), ArgumentError, r"distribution is None"),
        (lambda: GlorotUniform(seed=True), ArgumentError, r"seed is True, expected an integer of 64 bits"),
        (lambda: GlorotUniform(seed=2**64), ArgumentError, r"seed is 18446744073709551616"),
        (lambda: GlorotUniform(seed={"class_name": "SeedGenerator"}), ArgumentError, r"no config of a SeedGenerator"),
        (lambda: Constant("1"), ArgumentError, r"'1' is no value: expected a number, or lists of numbers of one shape"),
        (lambda: Constant([[1.0], [2.0, 3.0]]), ArgumentError, r"is no value: expected a number, or lists"),
        (lambda: Constant({"class_name": "os"}), ArgumentError, r"is no value: expected a number or an array"),
        (lambda: Constant(np.array(["a"])), ArgumentError, r"expected a number or an array of real numbers"),
        (lambda: Constant(10**400), ArgumentError, r"is no value"),
        (lambda: Orthogonal()((3,)), ShapeError, r"Orthogonal: expected two axes or more, got \(3,\); use another"),
        (lambda: Orthogonal()((3,), device="meta"), ShapeError, r"two axes or more"),
        (lambda: Identity()((2, 2, 2)), ShapeError, r"Identity: expected a matrix, got shape \(2, 2, 2\)"),
        (lambda: Zeros()((2, -1)), ShapeError, r"Zeros: expected sizes of 0 or more, got shape \(2, -1\)"),
        (
            lambda: HeNormal()((2, 2), dtype=torch.int32),
            ArgumentError,
            r"HeNormal draws real numbers, got dtype torch.int32",
        ),
    ],
)
def test_what_is_refused(make: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        make()
    assert isinstance(caught.value, KerasTorchError)


def test_numpy_numbers_become_plain() -> None:
    assert RandomNormal(np.float32(0.5), np.float64(0.25), np.int64(3)).get_config() == {  # type: ignore[arg-type]
        "mean": 0.5,
        "stddev": 0.25,
        "seed": 3,
    }


def test_a_seed_generator_as_a_seed() -> None:
    """Other numbers at each call, the same ones from an equal generator, and Keras's config."""
    drawn = RandomNormal(seed=SeedGenerator(3, name="numbers"))
    first, second = drawn((3, 4)), drawn((3, 4))
    assert not torch.equal(first, second)
    config = {"seed": 3, "name": "numbers"}
    stated = {"module": "keras.random", "class_name": "SeedGenerator", "config": config, "registered_name": None}
    assert drawn.get_config() == {"mean": 0.0, "stddev": 0.05, "seed": stated}
    for again in (
        RandomNormal.from_config(drawn.get_config()),
        deserialize_keras_object(serialize_keras_object(drawn)),
    ):
        assert torch.equal(again((3, 4)), first)
        assert torch.equal(again((3, 4)), second)
    generator = deserialize_keras_object(serialize_keras_object(SeedGenerator(5)))
    assert generator.next() == SeedGenerator(5).next()
    for wrong in (
        {"class_name": "Other", "config": {}},
        {**stated, "config": {"path": "/etc"}},
        {**stated, "config": 3},
    ):
        with pytest.raises(ArgumentError, match="This is no config of a SeedGenerator"):
            GlorotUniform(seed=wrong)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="SeedGenerator: seed is -1, expected an integer from 0 to"):
        GlorotUniform(seed={**stated, "config": {"seed": -1}})  # type: ignore[arg-type]
