"""CategoryEncoding, Discretization and Hashing: categories as indices, or as vectors that say which are there."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ... import dtypes
from ...base import check
from ...base.graph import symbolic_leaves
from ...base.layer import Layer
from ...base.weighted import repr_of
from ...errors import ArgumentError, NotBuiltError, quote
from ...registered import register_own
from ...weights import Shape
from .encoding import MODES, encoded, encoded_shape, output_mode
from .hashes import bucket, key_of
from .quantiles import boundaries_of, merged, summary_of
from .texts import as_bytes, is_text


class Categories(Layer):
    """Categories as indices or vectors; abstract.

    Args:
        mode: "int": indices; "one_hot": a vector for each; "multi_hot", "count": one for each row, of which are in it,
            or how often.
        sparse: False.
        modes: Those that the layer has.
        indices: The dtype of indices, where none is given.
        **base: `name`, `dtype` (of what comes out), ...
    """

    _device: Tensor

    def __init__(self, mode: str, sparse: bool, modes: tuple[str, ...], indices: str, **base: Any) -> None:
        dtype = base.pop("dtype", None)
        stated = dtype if dtype is None or isinstance(dtype, (str, torch.dtype)) else dtypes.policy_of(dtype).name
        made = dtypes.any_dtype(stated) if _is_integer(stated) else None
        if made is None:
            base["dtype"] = dtype
        super().__init__(**base)
        self.register_buffer("_device", torch.empty(0, dtype=self.dtype), persistent=False)  # follows .to(device)
        self._built = True
        self.output_mode = output_mode(type(self).__name__, mode, sparse, modes)
        self.sparse = False
        self._indices_dtype = indices
        self._made_dtype = made

    def _depth(self) -> int:
        """The size of a vector."""
        raise NotImplementedError

    def _encode(self, indices: Tensor, weights: Tensor | None = None) -> Tensor:
        dtype = self._compute_output_dtype(indices.dtype)
        if self.output_mode == "int":
            return indices.to(dtype)
        made = encoded(indices, self.output_mode, self._depth(), weights)
        return made if weights is not None else made.to(dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return encoded_shape(input_shape, self.output_mode, None if self.output_mode == "int" else self._depth())

    def _compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        if self._made_dtype is not None:
            return self._made_dtype
        return dtypes.any_dtype(self._indices_dtype) if self.output_mode == "int" else self._computes_in

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        made = {} if self._made_dtype is None else {"dtype": dtypes.dtype_name(self._made_dtype)}
        return {**super().get_config(), **made, "output_mode": self.output_mode, "sparse": False}


@register_own
class CategoryEncoding(Categories):
    """Integers from 0 to `num_tokens - 1` as vectors, as `keras.layers.CategoryEncoding`.

    Args:
        num_tokens: How many categories there are.
        output_mode: "multi_hot", "one_hot" or "count".
        sparse: False.
        **base: `name`, `dtype` (of the vectors), ...

    Example:
        >>> CategoryEncoding(4)(torch.tensor([[0, 1], [3, 3]]))
        tensor([[1., 1., 0., 0.],
                [0., 0., 0., 1.]])
    """

    def __init__(
        self, num_tokens: int | None = None, output_mode: str = "multi_hot", sparse: bool = False, **base: Any
    ) -> None:
        super().__init__(output_mode, sparse, MODES[1:], "int64", **base)
        if num_tokens is None:
            raise ArgumentError("num_tokens: expected how many categories there are; IntegerLookup finds them in data.")
        self.num_tokens = check.positive("num_tokens", num_tokens)

    def _depth(self) -> int:
        return self.num_tokens

    def forward(self, x: Any, count_weights: Any = None) -> Tensor:
        """Encode categories.

        Args:
            x: Integers `(B,)`, `(B, T)`, ...; floats are cut off.
            count_weights: With "count": what each counts, in the shape of x.

        Returns:
            Vectors: `(B, T, num_tokens)` with "one_hot", where T is left out if it is 1; `(B, num_tokens)`, of `(T,)`
            `(num_tokens,)`, with the others.

        Raises:
            ArgumentError: A category is none of these (on the CPU, where it is not compiled: there it counts in no
                vector), or weights come where nothing is counted.
        """
        device = self._device.device
        indices = torch.as_tensor(x, device=device).long()
        weights = None
        if count_weights is not None:
            if self.output_mode != "count":
                raise ArgumentError(
                    f"{repr_of(self)}: count_weights belong to output_mode 'count', this is {quote(self.output_mode)}."
                )
            dtype = self._compute_output_dtype(indices.dtype)
            weights = torch.as_tensor(count_weights, device=indices.device).to(dtype)
        if indices.device.type == "cpu" and indices.numel() and not torch.compiler.is_compiling():
            least, most = int(indices.min()), int(indices.max())
            if least < 0 or most >= self.num_tokens:
                raise ArgumentError(
                    f"{repr_of(self)}: the input holds categories from {least} to {most}, num_tokens={self.num_tokens} "
                    f"allows 0 to {self.num_tokens - 1}; make it the largest category plus one."
                )
        return self._encode(indices, weights)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_tokens": self.num_tokens}


@register_own
class Discretization(Categories):
    """Numbers as the ranges in which they lie, as `keras.layers.Discretization`.

    Args:
        bin_boundaries: Rising numbers: of `[0, 1]` the ranges are below 0, from 0 to below 1, and from 1 on.
        num_bins: Instead: into how many ranges of equal weight `adapt` parts the data.
        epsilon: How exact it is about that: the data are kept as 1 / epsilon numbers.
        output_mode: "int", "one_hot", "multi_hot" or "count".
        sparse: False.
        **base: `name`, `dtype` (of vectors; indices are int32), ...

    Example:
        >>> Discretization([0.0, 1.0, 2.0])(torch.tensor([-1.5, 1.0, 3.4]))
        tensor([0, 2, 3], dtype=torch.int32)
    """

    def __init__(
        self,
        bin_boundaries: Any = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        **base: Any,
    ) -> None:
        if output_mode == "int":
            base["dtype"] = None  # tf-keras states that of the indices, Keras 3 one that nothing has
        super().__init__(output_mode, sparse, MODES, "int32", **base)
        if (num_bins is None) == (bin_boundaries is None):
            given = "both" if num_bins is not None else "neither"
            raise ArgumentError(f"Discretization: expected bin_boundaries or num_bins, got {given} of them.")
        self.num_bins = None if num_bins is None else check.size("num_bins", num_bins, 0)
        self.epsilon = check.number("epsilon", epsilon)
        if not 0 < self.epsilon <= 1:
            raise ArgumentError(f"epsilon: expected a part above 0, up to 1, got {quote(epsilon)}.")
        self.bin_boundaries: list[float] | None = None
        self._summary = summary_of(np.empty(0), self.epsilon)
        if bin_boundaries is not None:
            self._keep(bin_boundaries)

    def _keep(self, boundaries: Any) -> None:
        try:
            array = np.asarray(boundaries, dtype="float64")
        except (TypeError, ValueError):
            array = np.empty((0, 0))
        if array.ndim != 1 or np.isnan(array).any() or (np.diff(array) < 0).any():
            raise ArgumentError(f"bin_boundaries: expected a list of rising numbers, got {quote(boundaries)}.")
        self.bin_boundaries = [float(number) for number in array]

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Find `num_bins` ranges that hold about as many of the data each.

        Args:
            data: An array or a tensor, or an iterable of batches of them.
            batch_size: Keras 2's; it changes nothing.
            steps: Of an iterable, batches at most.

        Raises:
            ArgumentError: The boundaries were given.
        """
        self.reset_state()
        for batch in [data] if isinstance(data, (np.ndarray, Tensor)) else islice(data, steps):
            self.update_state(batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Take a batch into account."""
        if self.num_bins is None:
            raise ArgumentError(f"{repr_of(self)}: its bin_boundaries were given, so there is nothing to adapt.")
        values = data.detach().cpu().numpy() if isinstance(data, Tensor) else np.asarray(data)
        self._summary = merged(summary_of(values, self.epsilon), self._summary, self.epsilon)

    def finalize_state(self) -> None:
        """Make the boundaries of what was seen."""
        if self.num_bins:
            self.bin_boundaries = boundaries_of(self._summary, self.num_bins)

    def reset_state(self) -> None:
        """Forget what was seen; the boundaries stay."""
        self._summary = summary_of(np.empty(0), self.epsilon)

    def _depth(self) -> int:
        return (self.num_bins or 0) if self.bin_boundaries is None else len(self.bin_boundaries) + 1

    def forward(self, x: Any) -> Tensor:
        """Find the range of each number.

        Args:
            x: Numbers of any shape; NaN is in the last range, as in Keras.

        Returns:
            int32 in the same shape, or vectors: `(B, T, bins)` with "one_hot", `(B, bins)` with "multi_hot", "count".

        Raises:
            NotBuiltError: There are no boundaries yet.
        """
        if self.bin_boundaries is None:
            raise NotBuiltError(f"{repr_of(self)} has no bin_boundaries: give them, or call adapt with data.")
        values = torch.as_tensor(x, device=self._device.device)
        dtype = values.dtype if values.is_floating_point() else torch.float32
        boundaries = torch.tensor(self.bin_boundaries, dtype=dtype, device=values.device)
        return self._encode(torch.bucketize(values.to(dtype), boundaries, right=True))

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """Take what tf-keras keeps of the data that it has seen, and make the boundaries of it.

        Raises:
            ArgumentError: It is something else.
        """
        if not store or self.bin_boundaries is not None:
            return
        (summary,) = store.values()
        if len(store) != 1 or np.ndim(summary) != 2 or len(summary) != 2:
            raise ArgumentError(f"{repr_of(self)}: expected one array of two rows, got {quote(dict(store))}.")
        self._summary = np.asarray(summary, "float32")
        if self._summary.size:
            self.finalize_state()

    def get_config(self) -> dict[str, Any]:
        """The arguments, and the boundaries, also those that were found in data."""
        names = ("bin_boundaries", "num_bins", "epsilon")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Make a layer from `get_config()`'s result: with `num_bins` its boundaries are those that were found."""
        found = config.get("bin_boundaries") if config.get("num_bins") is not None else None
        layer = super().from_config(config if found is None else {**config, "bin_boundaries": None})
        if found is not None:
            layer._keep(found)
        return layer


@register_own
class Hashing(Categories):
    """Words or integers as the buckets of a hash, as `keras.layers.Hashing`. It runs on the CPU, outside of graphs.

    Integers are hashed as their decimal digits; floats are cut off first.

    Args:
        num_bins: How many buckets there are, with that of `mask_value`.
        mask_value: A word or integer that has bucket 0, which no other one has then.
        salt: One or two integers: the hash is SipHash with this key; None: FarmHash.
        output_mode: "int", "one_hot", "multi_hot" or "count".
        sparse: False.
        **base: `name`, `dtype` (of what comes out: int64 or int32 with "int"), ...

    Example:
        >>> Hashing(3)([["A"], ["B"], ["C"], ["D"], ["E"]]).tolist()
        [[1], [0], [1], [1], [2]]
    """

    takes_text = True

    def __init__(
        self,
        num_bins: int,
        mask_value: Any = None,
        salt: Any = None,
        output_mode: str = "int",
        sparse: bool = False,
        **base: Any,
    ) -> None:
        if output_mode == "int":
            base["dtype"] = base.get("dtype") or "int64"
        super().__init__(output_mode, sparse, MODES, "int64", **base)
        if output_mode == "int" and self._made_dtype not in _INDICES:
            raise ArgumentError(f"dtype: expected 'int32' or 'int64' for indices, got {quote(base['dtype'])}.")
        self.num_bins = check.positive("num_bins", num_bins)
        self.mask_value = mask_value
        self.salt = key_of(salt)

    def _depth(self) -> int:
        return self.num_bins

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Find the buckets of texts, in arrays, lists or nested lists of strings of any shape, or of integers."""
        data = args[0] if args else kwargs.get("inputs")
        if symbolic_leaves((args, kwargs)) or not is_text(data):
            return super().__call__(*args, **kwargs)
        return self._buckets(as_bytes(data, repr_of(self)))

    def forward(self, x: Any) -> Tensor:
        """Find the buckets of numbers.

        Args:
            x: Integers of any shape; floats are cut off.
        """
        numbers = torch.as_tensor(x)
        digits = [str(number).lower() for number in _whole(numbers).reshape(-1).tolist()]
        words = np.empty(len(digits), dtype=object)
        words[:] = [digit.encode() for digit in digits]
        return self._buckets(words.reshape(tuple(numbers.shape)))

    def _buckets(self, words: np.ndarray) -> Tensor:
        masked = self.mask_value is not None and self.num_bins > 1
        mask = self.mask_value if isinstance(self.mask_value, bytes) else str(self.mask_value).encode()
        buckets = self.num_bins - masked
        found = [0 if masked and word == mask else bucket(word, buckets, self.salt) + masked for word in words.flat]
        indices = torch.tensor(found, dtype=torch.int64, device=self._device.device)
        return self._encode(indices.reshape(words.shape))

    def get_config(self) -> dict[str, Any]:
        names = ("num_bins", "salt", "mask_value")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


_INDICES = (torch.int32, torch.int64)


def _is_integer(dtype: Any) -> bool:
    return "int" in str(dtype) and "mixed" not in str(dtype)


def _whole(numbers: Tensor) -> Tensor:
    return numbers.long() if numbers.is_floating_point() else numbers
