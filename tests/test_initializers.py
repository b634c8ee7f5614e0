from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from _close import assert_close
from torch import Tensor

from kerastorch import initializers
from kerastorch.errors import ArgumentError, ShapeError
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
    assert_close(product, 1.7**2 * torch.eye(len(product), dtype=dtype))


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


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_empty_shapes(shape: tuple[int, ...]) -> None:
    for initializer in (Zeros(), GlorotUniform(), HeNormal(), Orthogonal()):
        assert initializer(shape).shape == shape


@pytest.mark.parametrize(
    "initializer", ["zeros", "ones", "glorot_uniform", "orthogonal", "truncated_normal", "identity"]
)
def test_dtypes_by_name(initializer: str) -> None:
    made = initializers.get(initializer)
    assert made is not None
    for name in ("float32", "float64"):
        assert made((3, 3), dtype=name).dtype == getattr(torch, name)
    with pytest.raises(ArgumentError, match="flaot32"):
        made((3, 3), dtype="flaot32")
