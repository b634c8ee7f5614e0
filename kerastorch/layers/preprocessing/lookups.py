"""StringLookup and IntegerLookup: words, or integers, as the indices of a vocabulary, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...base.graph import symbolic_leaves
from ...errors import ArgumentError, NotBuiltError, quote
from ...registered import register_own
from .encoding import DROPPED
from .hashes import bucket
from .index_lookup import NO_WORDS, IndexLookup
from .texts import Texts, as_bytes, is_text, mapped, text_encoding


@register_own
class StringLookup(IndexLookup):
    """Words as integers, or integers as words, as `keras.layers.StringLookup`. It runs on the CPU, outside of graphs.

    It is called with arrays or lists of text, and returns tensors; with `invert` with integers, and returns an array of
    text. In a model it stands behind an `Input(dtype="string")`.

    Args:
        max_tokens: See `IndexLookup`, also for the others.
        num_oov_indices: Indices for unknown words, which are spread over them by FarmHash.
        mask_token: The word of masked steps.
        oov_token: What stands for an unknown word.
        vocabulary: The words, or the path of a file with one on each line.
        idf_weights: What each word counts.
        invert: Whether indices become words.
        output_mode: "int", "one_hot", "multi_hot", "count" or "tf_idf".
        pad_to_max_tokens: Whether vectors have `max_tokens` places.
        sparse: False.
        encoding: Of the words that `get_vocabulary` and `invert` show.
        oov_method: For integers alone.
        salt: A key, with which unknown words are spread by SipHash.
        **base: `name`, ...

    Example:
        >>> layer = StringLookup(vocabulary=["a", "b"])
        >>> layer([["b", "a"], ["c", "b"]])
        tensor([[2, 1],
                [0, 2]])
    """

    takes_text = True

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: str | None = None,
        oov_token: str | None = "[UNK]",
        vocabulary: Any = None,
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        pad_to_max_tokens: bool = False,
        sparse: bool = False,
        encoding: str = "utf-8",
        oov_method: str = "floormod",
        salt: Any = None,
        **base: Any,
    ) -> None:
        self.encoding = text_encoding(encoding)
        lookup = (max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert, output_mode)
        super().__init__(*lookup, pad_to_max_tokens, sparse, oov_method, salt, **base)

    def _key_of(self, word: Any) -> bytes:
        if not isinstance(word, (str, bytes)):
            raise ArgumentError(f"{self._who}: expected words of text, got {quote(word)}.")
        return word.encode() if isinstance(word, str) else bytes(word)

    def _shown(self, word: bytes) -> str:
        return word.decode(self.encoding)

    def _array(self, data: Any) -> np.ndarray:
        return as_bytes(data, self._who)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Look texts up, in arrays, lists or nested lists of strings of any shape; with `invert` numbers to texts."""
        data = args[0] if args else kwargs.get("inputs")
        if symbolic_leaves((args, kwargs)):
            return super().__call__(*args, **kwargs)
        if self.invert:
            return self._words_of(data)
        if not is_text(data) and not (isinstance(data, np.ndarray) and not data.size):
            raise ArgumentError(f"{self._who}: expected text, got {quote(data)}.")
        words = as_bytes(data, self._who)
        found = self.indices_of(words.reshape(-1).tolist()).reshape(words.shape)
        return self.encode(torch.from_numpy(found).to(self._index_device.device))

    def _words_of(self, data: Any) -> Texts:
        indices = data.detach().cpu().numpy() if isinstance(data, Tensor) else np.asarray(data)
        shown = self.get_vocabulary()
        return mapped(lambda at: shown[at] if 0 <= at < len(shown) else self.oov_token, indices).view(Texts)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "encoding": self.encoding}


@register_own
class IntegerLookup(IndexLookup):
    """Integers as the indices of a vocabulary, or back, as `keras.layers.IntegerLookup`.

    Args:
        max_tokens: See `IndexLookup`, also for the others.
        num_oov_indices: Indices for unknown integers.
        mask_token: The integer of masked steps.
        oov_token: What stands for an unknown integer.
        vocabulary: The integers.
        vocabulary_dtype: "int64".
        idf_weights: What each integer counts.
        invert: Whether indices become integers.
        output_mode: "int", "one_hot", "multi_hot", "count" or "tf_idf".
        sparse: False.
        pad_to_max_tokens: Whether vectors have `max_tokens` places.
        oov_method: How unknown integers are spread over several indices: by their remainder, or "farmhash".
        salt: A key: with "farmhash" they are spread by SipHash.
        **base: `name`, ...

    Example:
        >>> layer = IntegerLookup(vocabulary=[12, 36])
        >>> layer(torch.tensor([36, 12, 7]))
        tensor([2, 1, 0])
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        oov_token: int | None = -1,
        vocabulary: Any = None,
        vocabulary_dtype: str = "int64",
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        oov_method: str = "floormod",
        salt: Any = None,
        **base: Any,
    ) -> None:
        if vocabulary_dtype != "int64":
            raise ArgumentError(f"vocabulary_dtype: expected 'int64', got {quote(vocabulary_dtype)}.")
        if salt is not None and oov_method != "farmhash":
            raise ArgumentError(f"salt belongs to oov_method 'farmhash', got {quote(oov_method)}.")
        lookup = (max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert, output_mode)
        super().__init__(*lookup, pad_to_max_tokens, sparse, oov_method, salt, **base)

    def _key_of(self, word: Any) -> int:
        if isinstance(word, bool) or not isinstance(word, (int, np.integer)):
            try:
                return int(word)
            except ValueError as error:  # a line of a file
                raise ArgumentError(f"{self._who}: expected integers, got {quote(word)}.") from error
        return int(word)

    def _shown(self, word: int) -> int:
        return word

    def _array(self, data: Any) -> np.ndarray:
        return (data.detach().cpu().numpy() if isinstance(data, Tensor) else np.asarray(data)).astype("int64")

    def _changed(self) -> None:
        self._sorted: tuple[Tensor, Tensor] | None = None

    def _unknown(self, words: Sequence[Any]) -> list[int]:
        if self.oov_method == "floormod":
            return [word % self.num_oov_indices for word in words]
        return [bucket(str(word).encode(), self.num_oov_indices, self.salt) for word in words]

    def forward(self, x: Any) -> Tensor:
        """Look integers up.

        Args:
            x: Integers of any shape; floats are cut off.
        """
        device = self._index_device.device
        x = torch.as_tensor(x, device=device).long()
        if self.invert:
            words = torch.tensor(self.get_vocabulary() or [0], device=x.device)
            return torch.where((x >= 0) & (x < len(words)), words[x.clamp(0, len(words) - 1)], self.oov_token)
        if (self.num_oov_indices > 1 and self.oov_method == "farmhash") or not self.num_oov_indices:
            found = self.indices_of(x.reshape(-1).tolist())  # hashes, and messages, are made on the host
            return self.encode(torch.from_numpy(found).to(x.device).reshape(x.shape))
        if not self._known.words:
            raise NotBuiltError(f"{self._who} {NO_WORDS}")
        words, places = self._in_order(x.device)
        at = torch.searchsorted(words, x).clamp(max=len(words) - 1)
        unknown = x % self.num_oov_indices + self._first_unknown
        found = torch.where(words[at] == x, places[at], unknown)
        if self.mask_token is not None:
            dropped = 0 if self.output_mode == "int" else DROPPED
            found = torch.where(x == self.mask_token, dropped, found)
        return self.encode(found)

    def _in_order(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """The words in rising order, and the index of each."""
        if self._sorted is None or self._sorted[0].device != device:
            words = torch.tensor(sorted(self._known.places))
            places = torch.tensor([self._known.places[word] for word in words.tolist()])
            self._sorted = words.to(device), places.to(device)
        return self._sorted

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "vocabulary_dtype": "int64"}
