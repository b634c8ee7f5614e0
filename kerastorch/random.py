"""`keras.random`: random tensors with Keras's distributions, and one seed for everything that draws numbers.

The streams are torch's, so the numbers differ from those that Keras draws from the same seed. As in Keras an integer
seed gives the same numbers at each call, a `SeedGenerator` other ones at each call, and None draws from torch's global
generator, which `set_seed` seeds.
"""

from __future__ import annotations

import random as _python
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ._random_initializers import truncated_normal_
from .base import check
from .dtypes import any_dtype
from .errors import ArgumentError, quote
from .namespaces import Namespace as _Namespace
from .seeds import SeedGenerator


def set_seed(seed: int) -> None:
    """Seed Python's, numpy's and torch's (all devices') generators, as `keras.utils.set_random_seed`.

    Args:
        seed: From 0 to 2**32 - 1.
    """
    seed = check.integer("seed", seed, 0)
    _python.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


Seed = int | SeedGenerator | None


def _device(of: Tensor | None = None) -> torch.device:
    return torch.get_default_device() if of is None else of.device


def _number(seed: Any) -> int:
    """The integer of a seed, or the next one of a `SeedGenerator`."""
    if isinstance(seed, SeedGenerator):
        return seed.next()
    if isinstance(seed, bool) or not hasattr(seed, "__index__"):
        raise ArgumentError(f"seed: expected an integer, a SeedGenerator or None, got {quote(seed)}.")
    return int(seed)


def _generator(seed: Any, device: torch.device) -> torch.Generator | None:
    """The generator of one call; None is torch's global one. On `meta` nothing is drawn."""
    if seed is None or device.type == "meta":
        return None
    return torch.Generator(device).manual_seed(_number(seed))


def _floats(dtype: Any) -> torch.dtype:
    found = any_dtype(dtype)
    if not found.is_floating_point:
        raise ArgumentError(f"dtype: expected a dtype of floats, got {quote(dtype)}.")
    return found


def normal(
    shape: Sequence[int], mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Seed = None
) -> Tensor:
    """Normally distributed numbers: `keras.random.normal`.

    Args:
        shape: Of the result.
        mean: Their mean.
        stddev: Their standard deviation.
        dtype: A dtype of floats; `floatx()` if None.
        seed: An integer, a `SeedGenerator`, or None.
    """
    made = torch.empty(tuple(shape), dtype=_floats(dtype), device=_device())
    return made.normal_(generator=_generator(seed, made.device)).mul_(stddev).add_(mean)


def truncated_normal(
    shape: Sequence[int], mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Seed = None
) -> Tensor:
    """`normal`, without numbers beyond two standard deviations from the mean: `keras.random.truncated_normal`."""
    made = torch.empty(tuple(shape), dtype=_floats(dtype), device=_device())
    return truncated_normal_(made, mean, stddev, _generator(seed, made.device))


def uniform(
    shape: Sequence[int], minval: float = 0.0, maxval: float = 1.0, dtype: Any = None, seed: Seed = None
) -> Tensor:
    """Numbers from minval up to maxval, which is left out; also whole ones: `keras.random.uniform`.

    Args:
        shape: Of the result.
        minval: The least.
        maxval: The bound.
        dtype: `floatx()` if None.
        seed: An integer, a `SeedGenerator`, or None.
    """
    if not any_dtype(dtype).is_floating_point:
        return randint(shape, int(minval), int(maxval), dtype, seed)
    made = torch.empty(tuple(shape), dtype=_floats(dtype), device=_device())
    return made.uniform_(generator=_generator(seed, made.device)).mul_(maxval - minval).add_(minval)


def randint(shape: Sequence[int], minval: int, maxval: int, dtype: Any = "int32", seed: Seed = None) -> Tensor:
    """Whole numbers from minval up to maxval, which is left out: `keras.random.randint`."""
    device = _device()
    drawn = torch.randint(
        int(minval), int(maxval), tuple(shape), generator=_generator(seed, device), dtype=torch.int64, device=device
    )
    return drawn.to(any_dtype(dtype))


def categorical(logits: Any, num_samples: int, dtype: Any = "int32", seed: Seed = None) -> Tensor:
    """Class numbers, drawn by unnormalised log probabilities: `keras.random.categorical`.

    Args:
        logits: `(B, classes)`.
        num_samples: How many numbers for each row.
        dtype: Of the result.
        seed: An integer, a `SeedGenerator`, or None.

    Returns:
        `(B, num_samples)`.
    """
    probabilities = torch.as_tensor(logits).float().softmax(-1)
    generator = _generator(seed, probabilities.device)
    return torch.multinomial(probabilities, num_samples, True, generator=generator).to(any_dtype(dtype))


def dropout(inputs: Any, rate: float, noise_shape: Sequence[int | None] | None = None, seed: Seed = None) -> Tensor:
    """Set a part of the values to 0 and divide the others by what is left: `keras.random.dropout`. It always acts.

    Args:
        inputs: A tensor.
        rate: The part, from 0 to 1.
        noise_shape: The shape of the choice, which is repeated along axes of size 1; None is the size of the input.
        seed: An integer, a `SeedGenerator`, or None.
    """
    x = torch.as_tensor(inputs)
    rate = check.rate("rate", rate)
    if rate in (0.0, 1.0):
        return x if rate == 0 else torch.zeros_like(x)
    sizes = [*x.shape] if noise_shape is None else list(noise_shape)
    sizes = [x.shape[axis] if size is None else size for axis, size in enumerate(sizes)]
    kept = torch.empty(sizes, device=x.device).bernoulli_(1 - rate, generator=_generator(seed, x.device))
    return torch.where(kept.bool(), x / (1 - rate), torch.zeros_like(x))


def shuffle(x: Any, axis: int = 0, seed: Seed = None) -> Tensor:
    """The parts of x along an axis in random order: `keras.random.shuffle`."""
    x = torch.as_tensor(x)
    order = torch.randperm(x.shape[axis], generator=_generator(seed, x.device), device=x.device)
    return x.index_select(axis, order)


def gamma(shape: Sequence[int], alpha: Any, dtype: Any = None, seed: Seed = None) -> Tensor:
    """Gamma distributed numbers with scale 1: `keras.random.gamma`.

    Args:
        shape: Of the result.
        alpha: The shape parameter, a number or a tensor that is repeated to `shape`.
        dtype: A dtype of floats; `floatx()` if None.
        seed: An integer, a `SeedGenerator`, or None.
    """
    wanted = _floats(dtype)
    device = _device(alpha if isinstance(alpha, Tensor) else None)
    shapes = torch.as_tensor(alpha, dtype=wanted, device=device).expand(tuple(shape)).contiguous()
    # torch draws these from its global generator alone.
    with torch.random.fork_rng([device] if device.type == "cuda" else [], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(_number(seed))
        return torch.distributions.Gamma(shapes, torch.ones_like(shapes)).sample()


def beta(shape: Sequence[int], alpha: Any, beta: Any, dtype: Any = None, seed: Seed = None) -> Tensor:
    """Beta distributed numbers: `keras.random.beta`.

    Args:
        shape: Of the result.
        alpha: The first parameter, a number or a tensor.
        beta: The second one.
        dtype: A dtype of floats; `floatx()` if None.
        seed: An integer, a `SeedGenerator`, or None.
    """
    if isinstance(seed, int):  # two different draws from one seed
        seed = SeedGenerator(seed)
    first = gamma(shape, alpha, dtype, seed)
    return first / (first + gamma(shape, beta, dtype, seed))


def binomial(shape: Sequence[int], counts: Any, probabilities: Any, dtype: Any = None, seed: Seed = None) -> Tensor:
    """How many of `counts` tries succeed: `keras.random.binomial`.

    Args:
        shape: Of the result.
        counts: A number or a tensor.
        probabilities: Of success, a number or a tensor.
        dtype: A dtype of floats; `floatx()` if None.
        seed: An integer, a `SeedGenerator`, or None.
    """
    wanted, sizes = _floats(dtype), tuple(shape)
    given = next((item for item in (counts, probabilities) if isinstance(item, Tensor)), None)
    device = _device(given)
    tries = torch.as_tensor(counts, dtype=wanted, device=device).expand(sizes).contiguous()
    chances = torch.as_tensor(probabilities, dtype=wanted, device=device).expand(sizes).contiguous()
    return torch.binomial(tries, chances, generator=_generator(seed, device))


_namespace = _Namespace(
    __name__,
    globals(),
    homes=("random",),
)


if not TYPE_CHECKING:  # which would take every name for one that is there

    def __getattr__(name: str) -> Any:
        return _namespace.get(name)


def __dir__() -> list[str]:
    return _namespace.names()
