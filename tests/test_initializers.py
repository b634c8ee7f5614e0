from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
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
    compute_fans,
)
from kerastorch.regularizers import L2

Cdf = Callable[[np.ndarray], np.ndarray]
ERF = np.vectorize(math.erf)


def uniform(low: float, high: float) -> Cdf:
    return lambda x: np.clip((x - low) / (high - low), 0, 1)


def normal(mean: float, stddev: float) -> Cdf:
    return lambda x: 0.5 * (1 + ERF((x - mean) / stddev / math.sqrt(2)))


def truncated(mean: float, stddev: float) -> Cdf:
    """Of a normal distribution of `stddev` that is cut at two of them."""
    whole, tail = normal(mean, stddev), 0.5 * (1 - math.erf(math.sqrt(2)))
    return lambda x: np.clip((whole(x) - tail) / (1 - 2 * tail), 0, 1)


def assert_follows(sample: Tensor, cdf: Cdf) -> None:
    """Kolmogorov and Smirnov's test: a right sample fails once in 1000, and the seeds here are fixed."""
    x = np.sort(sample.double().numpy().reshape(-1))
    ranks = np.arange(len(x) + 1) / len(x)
    distance = max(np.abs(cdf(x) - ranks[:-1]).max(), np.abs(cdf(x) - ranks[1:]).max())
    assert distance * math.sqrt(len(x)) < 1.95, f"distance {distance:.4f} over {len(x)} numbers"


KERNEL = (60, 240)  # unlike fans: 60 and 240, mean 150
STD2 = 0.87962566103423978
LAWS: list[tuple[Initializer, Cdf]] = [
    (RandomNormal(0.3, 0.2), normal(0.3, 0.2)),
    (RandomUniform(-0.2, 0.7), uniform(-0.2, 0.7)),
    (TruncatedNormal(0.3, 0.2), truncated(0.3, 0.2)),
    (GlorotUniform(), uniform(-math.sqrt(6 / 300), math.sqrt(6 / 300))),
    (GlorotNormal(), truncated(0, math.sqrt(2 / 300) / STD2)),
    (HeUniform(), uniform(-math.sqrt(6 / 60), math.sqrt(6 / 60))),
    (HeNormal(), truncated(0, math.sqrt(2 / 60) / STD2)),
    (LecunUniform(), uniform(-math.sqrt(3 / 60), math.sqrt(3 / 60))),
    (LecunNormal(), truncated(0, math.sqrt(1 / 60) / STD2)),
    (VarianceScaling(3.0, "fan_out", "untruncated_normal"), normal(0, math.sqrt(3 / 240))),
    (VarianceScaling(0.5, "fan_out", "uniform"), uniform(-math.sqrt(1.5 / 240), math.sqrt(1.5 / 240))),
    (VarianceScaling(0.5, "fan_avg", "truncated_normal"), truncated(0, math.sqrt(0.5 / 150) / STD2)),
]
RANDOM = [initializer for initializer, _ in LAWS] + [Orthogonal(1.7)]
ALL: list[Initializer] = [*RANDOM, Zeros(), Ones(), Constant(0.3), Constant([0.1, 0.2]), Identity(1.5)]


@pytest.mark.parametrize(("initializer", "cdf"), LAWS, ids=[repr(made) for made, _ in LAWS])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_distributions(initializer: Initializer, cdf: Cdf, dtype: torch.dtype) -> None:
    sample = initializer(KERNEL, dtype=dtype)
    assert sample.shape == KERNEL
    assert sample.dtype == dtype
    assert not sample.requires_grad
    assert_follows(sample, cdf)


@pytest.mark.parametrize(("initializer", "cdf"), LAWS[3:], ids=[repr(made) for made, _ in LAWS[3:]])
def test_a_wrong_fan_is_seen(initializer: Initializer, cdf: Cdf) -> None:
    other = (20, 720) if "avg" in repr(initializer) or "Glorot" in repr(initializer) else KERNEL[::-1]
    with pytest.raises(AssertionError, match="distance"):
        assert_follows(initializer(other), cdf)


def test_a_missing_correction_of_the_truncated_normal_is_seen() -> None:
    with pytest.raises(AssertionError, match="distance"):
        assert_follows(HeNormal()(KERNEL), truncated(0, math.sqrt(2 / 60)))
    with pytest.raises(AssertionError, match="distance"):
        assert_follows(HeNormal()(KERNEL), normal(0, math.sqrt(2 / 60)))


def test_moments_and_bounds() -> None:
    shape = (400, 500)  # 200,000 numbers: the standard deviation is known to 0.2 %
    he = HeNormal(seed=1)(shape, dtype=torch.float64)
    assert he.std().item() == pytest.approx(math.sqrt(2 / 400), rel=0.008)
    assert abs(he.mean().item()) < 4 * math.sqrt(2 / 400 / 200_000)
    assert he.abs().max().item() <= 2 * math.sqrt(2 / 400) / STD2
    cut = TruncatedNormal(0.3, 0.2, seed=1)(shape, dtype=torch.float64)
    assert cut.std().item() == pytest.approx(0.2 * STD2, rel=0.008)
    assert -0.1 <= cut.min().item() < -0.099
    assert 0.699 < cut.max().item() <= 0.7
    glorot = GlorotUniform(seed=1)(shape)
    limit = math.sqrt(6 / 900)
    assert 0.999 * limit < glorot.abs().max().item() <= limit * (1 + 1e-6)


@pytest.mark.parametrize(
    ("shape", "fans"),
    [((), (1, 1)), ((7,), (7, 7)), ((3, 5), (3, 5)), ((4, 3, 5), (12, 20)), ((2, 4, 3, 5), (24, 40))],
)
def test_fans(shape: tuple[int, ...], fans: tuple[int, int]) -> None:
    assert compute_fans(shape) == fans


def test_fan_axes() -> None:
    assert compute_fans((3, 5, 7), input_axes=[0, 2], output_axes=[-2]) == (21, 5)
    assert compute_fans((3, 5, 7), input_axes=[0]) == (15, 21)  # as Keras: both or none
    limit = math.sqrt(6 / (60 * 4 + 10))
    assert_follows(GlorotUniform(input_axes=[0, 2], output_axes=[1])((60, 10, 4)), uniform(-limit, limit))
    with pytest.raises(ShapeError, match=r"GlorotUniform: shape \(3, 4\) has no axis 2; correct the fan axes"):
        GlorotUniform(input_axes=[2], output_axes=[0])((3, 4))


def test_convolution_kernels_count_their_window() -> None:
    limit = math.sqrt(3 / (5 * 12))
    assert_follows(LecunUniform()((5, 12, 200)), uniform(-limit, limit))


@pytest.mark.parametrize("shape", [(6, 6), (9, 4), (4, 9), (2, 3, 4), (2, 2, 7)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_orthogonal_is_orthogonal(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    q = Orthogonal(gain=1.7)(shape, dtype=dtype)
    assert q.shape == shape
    assert q.dtype == dtype
    matrix = q.reshape(-1, shape[-1])
    product = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    torch.testing.assert_close(product, 1.7**2 * torch.eye(len(product), dtype=dtype))


def test_orthogonal_is_uniform_over_the_orthogonal_matrices() -> None:
    """Each column is uniform on the sphere, where every coordinate is uniform on [-1, 1] (Archimedes)."""
    drawn = torch.stack([Orthogonal()((3, 3)) for _ in range(2000)])
    for row in range(3):
        for column in range(3):
            assert_follows(drawn[:, row, column], uniform(-1, 1))
    wide = torch.stack([Orthogonal()((2, 3)) for _ in range(2000)])
    for column in range(3):
        assert_follows(wide[:, 1, column], uniform(-1, 1))
    turned = (torch.linalg.det(drawn) > 0).double().mean().item()
    assert turned == pytest.approx(0.5, abs=0.04)  # 3.5 standard deviations


def test_a_qr_without_the_signs_is_seen() -> None:
    naive = torch.stack([torch.linalg.qr(torch.randn(3, 3)).Q for _ in range(2000)])
    with pytest.raises(AssertionError, match="distance"):
        assert_follows(naive[:, 0, 0], uniform(-1, 1))


def test_constants() -> None:
    assert torch.equal(Zeros()((2, 3)), torch.zeros(2, 3))
    assert torch.equal(Ones()((2, 3), dtype=torch.int64), torch.ones(2, 3, dtype=torch.int64))
    assert torch.equal(Identity(1.5)((2, 3)), torch.tensor([[1.5, 0, 0], [0, 1.5, 0]]))
    assert Constant(0.1)((2,), dtype=torch.float64).tolist() == [0.1, 0.1]  # not by way of float32
    assert Constant([0.1, 0.7])((2,), dtype=torch.float64).tolist() == [0.1, 0.7]
    assert Constant(True)((1,), dtype=torch.bool).tolist() == [True]


@pytest.mark.parametrize(
    "value",
    [[1.5, 2.5, 3.5], np.array([1.5, 2.5, 3.5], "float32"), torch.tensor([1.5, 2.5, 3.5], dtype=torch.bfloat16)],
)
def test_constant_arrays_are_broadcast(value: object) -> None:
    made = Constant(value)((2, 3))
    assert made.tolist() == [[1.5, 2.5, 3.5]] * 2
    made[0, 0] = 9.0
    assert Constant(value)((2, 3))[0, 0] == 1.5
    with pytest.raises(ShapeError, match=r"a value of shape \(3,\) cannot fill a variable of shape \(3, 2\); give"):
        Constant(value)((3, 2))
    with pytest.raises(ShapeError, match=r"a value of shape \(3,\) cannot fill a variable of shape \(\)"):
        Constant(value)(())


def test_a_constant_keeps_its_own_copy() -> None:
    array = np.array([1.0, 2.0])
    constant = Constant(array)
    array[0] = 5.0
    assert constant((2,)).tolist() == [1.0, 2.0]


@pytest.mark.parametrize("initializer", ALL, ids=repr)
def test_meta_device_draws_nothing(initializer: Initializer) -> None:
    before = torch.get_rng_state()
    made = initializer((2, 2), dtype=torch.float64, device="meta")
    assert made.is_meta
    assert made.shape == (2, 2)
    assert made.dtype == torch.float64
    with torch.device("meta"):
        assert initializer((2, 2)).is_meta
    assert torch.equal(torch.get_rng_state(), before)
    huge = initializer((2, 2) if np.shape(getattr(initializer, "value", 0)) else (10**7, 10**7), device="meta")
    assert huge.is_meta


def seeded(initializer: Initializer, seed: int) -> Initializer:
    return type(initializer).from_config({**initializer.get_config(), "seed": seed})


@pytest.mark.parametrize("initializer", RANDOM, ids=repr)
def test_seeds_and_generators(initializer: Initializer) -> None:
    fixed = seeded(initializer, 7)
    before = torch.get_rng_state()
    first = fixed((5, 4))
    assert torch.equal(first, fixed((5, 4)))
    assert torch.equal(first, fixed((5, 4), generator=torch.Generator().manual_seed(3)))
    assert torch.equal(torch.get_rng_state(), before)  # a stream of its own
    assert not torch.equal(first, seeded(initializer, 8)((5, 4)))

    assert not torch.equal(initializer((5, 4)), initializer((5, 4)))
    torch.manual_seed(3)
    drawn = initializer((5, 4))
    torch.manual_seed(3)
    assert torch.equal(drawn, initializer((5, 4)))
    given = initializer((5, 4), generator=torch.Generator().manual_seed(11))
    assert torch.equal(given, initializer((5, 4), generator=torch.Generator().manual_seed(11)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("initializer", [HeNormal(seed=5), Orthogonal(seed=5), RandomUniform(seed=5)], ids=repr)
def test_half_precision_is_drawn_in_single(initializer: Initializer, dtype: torch.dtype) -> None:
    half = initializer((8, 4), dtype=dtype)
    assert half.dtype == dtype
    assert torch.equal(half, initializer((8, 4)).to(dtype))


def test_the_default_dtype_is_torchs() -> None:
    assert Zeros()((1,)).dtype == GlorotUniform()((1, 1)).dtype == torch.get_default_dtype()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("initializer", ALL, ids=repr)
def test_on_a_gpu(initializer: Initializer) -> None:
    made = initializer((2, 2), device="cuda")
    assert made.is_cuda
    if initializer in RANDOM:
        assert torch.equal(seeded(initializer, 7)((2, 2), device="cuda").cpu(), seeded(initializer, 7)((2, 2)))
        on_cpu = torch.Generator().manual_seed(3)
        assert initializer((2, 2), device="cuda", generator=on_cpu).is_cuda


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
        (lambda: initializers.get(0.5), ArgumentError, r"'0.5' is no initializer: expected a name such as 'Zeros'"),
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
            r"RandomNormal: stddev is '-1', expected a finite number >= 0",
        ),
        (lambda: RandomNormal(mean=float("nan")), ArgumentError, r"mean is 'nan', expected a finite number\."),
        (lambda: RandomUniform(0.5, 0.1), ArgumentError, r"maxval is '0.1', expected a finite number >= 0.5"),
        (lambda: VarianceScaling(0), ArgumentError, r"scale is '0', expected a finite number > 0"),
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
        (lambda: VarianceScaling(distribution=None), ArgumentError, r"distribution is 'None'"),
        (lambda: GlorotUniform(seed=True), ArgumentError, r"seed is 'True', expected an integer of 64 bits"),
        (lambda: GlorotUniform(seed=2**64), ArgumentError, r"seed is '18446744073709551616'"),
        (lambda: GlorotUniform(seed={"class_name": "SeedGenerator"}), ArgumentError, r"seed is .*SeedGenerator"),
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


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_empty_shapes(shape: tuple[int, ...]) -> None:
    for initializer in (Zeros(), GlorotUniform(), HeNormal(), Orthogonal()):
        assert initializer(shape).shape == shape
