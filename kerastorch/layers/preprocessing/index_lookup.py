"""What StringLookup and IntegerLookup share: a vocabulary, given or found in data, and how indices come out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...base import check
from ...base.layer import Layer
from ...base.weighted import repr_of
from ...errors import ArgumentError, NotBuiltError, counted, quote
from ...paths import is_path
from ...weights import Shape
from . import encoding
from .counting import Counted
from .encoding import DROPPED, encoded, encoded_shape
from .hashes import bucket, key_of
from .vocabulary_files import COUNTS, VOCABULARY, lines_of, without_paths

MODES = (*encoding.MODES, "tf_idf")
NO_WORDS = (
    "has no vocabulary: call set_vocabulary with one, or adapt. An .h5 file of Keras does not hold the words that "
    "adapt found; a .keras file does."
)


@dataclass(frozen=True)
class Known:
    """What a lookup knows.

    Attributes:
        words: Those of the vocabulary, without those for masks and unknown words.
        places: The index of each.
    """

    words: list[Any]
    places: dict[Any, int]


class IndexLookup(Layer):
    """Words of a vocabulary as integers; abstract.

    Args:
        max_tokens: Words at most, with those for masks and for unknown words.
        num_oov_indices: Indices for words that are not in the vocabulary, over which a hash spreads them. With 0 such a
            word is an error.
        mask_token: The word of masked steps, which has index 0, or with other modes than "int" is left out; None: none.
        oov_token: What stands for an unknown word where indices become words.
        vocabulary: The words in the order of their indices.
        idf_weights: With "tf_idf" and a vocabulary: what each word counts.
        invert: Whether indices become words.
        output_mode: "int": indices; "one_hot": a vector for each word; "multi_hot", "count", "tf_idf": one for each
            row, of which words are in it, how often, or how often times what they count.
        pad_to_max_tokens: Whether vectors have `max_tokens` places, also where there are fewer words.
        sparse: False.
        oov_method: "floormod" spreads unknown integers by their remainder, "farmhash" by a hash.
        salt: One or two integers: the hash is SipHash with this key.
        **base: `name`, `vocabulary_size`, `has_input_vocabulary` (of configs), ...
    """

    takes_text = False  # whether arrays of text go in
    _index_device: Tensor

    def __init__(
        self,
        max_tokens: int | None,
        num_oov_indices: int,
        mask_token: Any,
        oov_token: Any,
        vocabulary: Any,
        idf_weights: Any,
        invert: bool,
        output_mode: str,
        pad_to_max_tokens: bool,
        sparse: bool,
        oov_method: str,
        salt: Any,
        **base: Any,
    ) -> None:
        size, given = base.pop("vocabulary_size", None), base.pop("has_input_vocabulary", vocabulary is not None)
        super().__init__(**{key: value for key, value in base.items() if key not in ("dtype", "trainable")})
        self.register_buffer("_index_device", torch.empty(0), persistent=False)  # follows .to(device)
        self._built = True
        what = type(self).__name__
        self.max_tokens = None if max_tokens is None else check.size("max_tokens", max_tokens, 2)
        self.num_oov_indices = check.size("num_oov_indices", num_oov_indices, 0)
        self.pad_to_max_tokens = check.boolean("pad_to_max_tokens", pad_to_max_tokens)
        self.invert = check.boolean("invert", invert)
        self.output_mode = encoding.output_mode(what, output_mode, sparse, MODES)
        if pad_to_max_tokens and max_tokens is None:
            raise ArgumentError(f"{what}: pad_to_max_tokens needs max_tokens.")
        if invert and self.output_mode != "int":
            raise ArgumentError(f"{what}: with invert output_mode must be 'int', got {quote(output_mode)}.")
        if oov_method not in ("floormod", "farmhash"):
            raise ArgumentError(f"oov_method: expected 'floormod' or 'farmhash', got {quote(oov_method)}.")
        if idf_weights is not None and self.output_mode != "tf_idf":
            raise ArgumentError(f"{what}: idf_weights belong to output_mode 'tf_idf', got {quote(output_mode)}.")
        self.mask_token, self.oov_token, self.oov_method = mask_token, oov_token, oov_method
        self.sparse, self.salt = False, key_of(salt)
        self._known = Known([], {})
        self._idf: Tensor | None = None
        self._frozen_size: int | None = size
        self._counted = Counted()
        self.begin_with(vocabulary, idf_weights, bool(given))

    def begin_with(self, vocabulary: Any, idf_weights: Any, given: bool, owner: str | None = None) -> None:
        """Take what the constructor was given.

        Args:
            vocabulary: The words, the path of a file, or None.
            idf_weights: What each counts, or None.
            given: Whether there is nothing to find in data.
            owner: The layer that people know, in which this one stands; for messages.
        """
        self._owner = owner
        if self.output_mode == "tf_idf" and given and vocabulary is not None and idf_weights is None:
            raise ArgumentError(f"{self._who}: a vocabulary with output_mode 'tf_idf' needs its idf_weights.")
        self.input_vocabulary = None if is_path(vocabulary) else vocabulary
        self.input_idf_weights = idf_weights
        self._given = given
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)

    @property
    def _who(self) -> str:
        return self._owner or repr_of(self)

    # ------------------------------------------------------------------ what a kind of words says

    def _key_of(self, word: Any) -> Any:
        """A word as the vocabulary has it."""
        raise NotImplementedError

    def _shown(self, word: Any) -> Any:
        """A word as people see it."""
        raise NotImplementedError

    def _array(self, data: Any) -> np.ndarray:
        """Data as an array of words."""
        raise NotImplementedError

    def _unknown(self, words: Sequence[Any]) -> list[int]:
        """Which of the indices for unknown words each has, where there are several."""
        return [bucket(word, self.num_oov_indices, self.salt) for word in words]

    # ------------------------------------------------------------------ the vocabulary

    @property
    def _first_unknown(self) -> int:
        return int(self.mask_token is not None and self.output_mode == "int")

    @property
    def _first_word(self) -> int:
        return self._first_unknown + self.num_oov_indices

    def vocabulary_size(self) -> int:
        """How many indices there are, with those for masks and unknown words."""
        return len(self._known.words) + self._first_word

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """The words in the order of their indices.

        Args:
            include_special_tokens: Whether the words for masks and for unknown words stand before them.
        """
        words = [self._shown(word) for word in self._known.words]
        special = [self.mask_token] * self._first_unknown + [self.oov_token] * self.num_oov_indices
        return [*special, *words] if include_special_tokens else words

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Set the vocabulary.

        Args:
            vocabulary: The words in the order of their indices, with or without those for masks and unknown words in
                front; or the path of a file with one word on each line.
            idf_weights: With "tf_idf": what each counts.

        Raises:
            ArgumentError: A word comes twice, there are too many or none, or weights are missing or too many.
        """
        where = f"{self._who}: vocabulary"
        if (idf_weights is None) == (self.output_mode == "tf_idf"):
            raise ArgumentError(f"{where}: idf_weights are needed with output_mode 'tf_idf', and only then.")
        if is_path(vocabulary):
            vocabulary = lines_of(vocabulary, where)
        listed = [self._key_of(word) for word in np.asarray(vocabulary, dtype=object).reshape(-1).tolist()]
        if not listed:
            raise ArgumentError(f"{where}: expected at least one word, got none.")
        special = [self.mask_token] * self._first_unknown + [self.oov_token] * self.num_oov_indices
        keys = [None if word is None else self._key_of(word) for word in special]
        whole = listed[: len(keys)] == keys
        words = listed[len(keys) :] if whole else listed
        twice = [self._shown(word) for word, count in Counter(words).items() if count > 1]
        if twice:
            raise ArgumentError(f"{where}: expected each word once, got several times {quote(twice)}.")
        for name, word in (("mask_token", self.mask_token), ("oov_token", self.oov_token if self.invert else None)):
            if word is not None and self._key_of(word) in words:
                raise ArgumentError(
                    f"{where}: {name} {quote(word)} stands among the words: leave out the words for masks and unknown "
                    f"words, or put them first, in this order: {special}."
                )
        if self.max_tokens is not None and len(words) + len(keys) > self.max_tokens:
            raise ArgumentError(
                f"{where}: {counted(len(words) + len(keys), 'word')} are more than max_tokens={self.max_tokens}."
            )
        weights = None if idf_weights is None else np.asarray(idf_weights, dtype="float32")
        if weights is not None and weights.shape != (len(listed),):
            raise ArgumentError(f"{where}: idf_weights: expected shape {(len(listed),)}, got {weights.shape}.")
        self._keep(words)
        if weights is not None:
            self._keep_idf(weights, 0 if whole else len(keys))

    def _keep(self, words: list[Any]) -> None:
        size = len(words) + self._first_word
        if not (self.output_mode == "int" or self.pad_to_max_tokens) and self._frozen_size not in (None, size):
            raise ArgumentError(
                f"{self._who}: the vocabulary has {self._frozen_size} indices, which are the size of its output: "
                f"it cannot become one of {size}. Make a new layer, or use pad_to_max_tokens."
            )
        self._known = Known(words, {word: index for index, word in enumerate(words, self._first_word)})
        self._frozen_size = size
        self._changed()

    def _changed(self) -> None:
        """The vocabulary is another one."""

    def _keep_idf(self, weights: np.ndarray, missing: int) -> None:
        """Keep what words count; unknown ones count what all do on average."""
        front = np.full(missing, np.average(weights) if missing else 0.0, "float32")
        whole = np.concatenate([front, weights.astype("float32")])
        padding = (self.max_tokens or 0) - len(whole) if self.pad_to_max_tokens else 0
        self._idf = torch.from_numpy(np.pad(whole, (0, padding)))

    # ------------------------------------------------------------------ in files

    def save_own_variables(self, store: MutableMapping[str, Any]) -> None:
        """What words count, with "tf_idf"; the words stand in the config."""
        if self._idf is not None:
            store[COUNTS] = self._idf

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """Take the words of a file, where the config has none, and what they count.

        Raises:
            ArgumentError: They do not fit each other, or the config.
        """
        words, counts = store.get(VOCABULARY), store.get(COUNTS)
        if words is not None and self.input_vocabulary is None:
            self.set_vocabulary(words, None if counts is None else np.asarray(counts)[: len(words)])
        elif counts is not None:
            self._keep_idf(np.asarray(counts), 0)

    # ------------------------------------------------------------------ finding it in data

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Find the vocabulary in data: the most frequent words first, of equally frequent ones the last in order.

        Args:
            data: An array, lists, or an iterable of batches of them.
            batch_size: Keras 2's; it changes nothing.
            steps: Of an iterable, batches at most.
        """
        self.reset_state()
        for batch in self._batches(data, steps):
            self.update_state(batch)
        self.finalize_state()

    def _batches(self, data: Any, steps: int | None) -> Iterable[Any]:
        if isinstance(data, (list, tuple, np.ndarray, Tensor)):
            array = self._array(data)
            return [array[:, None] if array.ndim == 1 else array]
        return islice(data, steps)

    def update_state(self, data: Any) -> None:
        """Count the words of a batch; with "tf_idf" each row is one document."""
        self.count_rows(_rows(self._array(data)))

    def count_rows(self, rows: Iterable[Sequence[Any]]) -> None:
        """Count the words of rows, each of which is one document."""
        if self._given:
            raise ArgumentError(f"{self._who}: its vocabulary was given, so there is nothing to adapt.")
        for row in rows:
            self._counted.add(row)

    def finalize_state(self) -> None:
        """Make the vocabulary of what was counted."""
        if self._given or not self._counted:
            self._frozen_size = self.vocabulary_size()
            return
        special = [self._key_of(word) for word in (self.mask_token, self.oov_token) if word is not None]
        words = self._counted.most_frequent(self.max_tokens and self.max_tokens - self._first_word, special)
        self._keep(words)
        if self.output_mode == "tf_idf":
            self._keep_idf(self._counted.inverse_frequencies(words), self._first_word)
        self.reset_state()

    def reset_state(self) -> None:
        """Forget what was counted; the vocabulary stays."""
        self._counted = Counted()

    # ------------------------------------------------------------------ looking up

    def indices_of(self, words: Sequence[Any]) -> np.ndarray:
        """The index of each word.

        Raises:
            ArgumentError: A word is unknown and there is no index for it.
        """
        if not self._known.words:
            raise NotBuiltError(f"{self._who} {NO_WORDS}")
        found = np.fromiter((self._known.places.get(word, -1) for word in words), "int64", len(words))
        masked = np.zeros(len(words), bool)
        if self.mask_token is not None:
            mask = self._key_of(self.mask_token)
            masked = np.fromiter((word == mask for word in words), bool, len(words))
            found[masked] = 0 if self.output_mode == "int" else DROPPED
        unknown = np.flatnonzero((found == -1) & ~masked).tolist()
        if len(unknown) and not self.num_oov_indices:
            shown = [self._shown(words[at]) for at in unknown[:5]]
            raise ArgumentError(
                f"{self._who}: {shown} are not in the vocabulary, and num_oov_indices=0 leaves no index for them."
            )
        if len(unknown):
            place = self._unknown([words[at] for at in unknown]) if self.num_oov_indices > 1 else 0
            found[unknown] = np.asarray(place) + self._first_unknown
        return found

    def _depth(self) -> int | None:
        return self.max_tokens if self.pad_to_max_tokens else self._frozen_size

    def encode(self, indices: Tensor) -> Tensor:
        """Indices in the form of `output_mode`."""
        if self.output_mode == "int":
            return indices
        depth = self._depth()
        if depth is None:
            raise NotBuiltError(f"{self._who} has no vocabulary: give it one, or call adapt.")
        idf = self._idf
        if self.output_mode == "tf_idf" and idf is None:
            raise NotBuiltError(f"{self._who} has no idf_weights: set them with the vocabulary, or call adapt.")
        count = encoded(indices, self.output_mode, depth)
        return count if idf is None else count.to(idf.dtype) * idf.to(count.device)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return encoded_shape(input_shape, self.output_mode, self._depth() if self.output_mode != "int" else None)

    def _compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        return torch.float32 if self.output_mode == "tf_idf" else torch.int64

    # ------------------------------------------------------------------ configuration

    def get_config(self) -> dict[str, Any]:
        """The arguments, how many indices there are, and the vocabulary, also one that was found in data."""
        config = {name: getattr(self, name) for name in _PLAIN}
        vocabulary, idf = self.input_vocabulary, self.input_idf_weights
        if vocabulary is None and self._known.words:
            vocabulary, idf = self.get_vocabulary(), None if self._idf is None else self._idf[: self.vocabulary_size()]
        for name, value in (("vocabulary", vocabulary), ("idf_weights", idf)):
            config[name] = value.tolist() if isinstance(value, (np.ndarray, Tensor)) else value
        return {**super().get_config(), **config, "vocabulary_size": self._frozen_size}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Make a layer from `get_config()`'s result.

        Raises:
            UnsafeFileError: The vocabulary is a path: a config makes nothing be read.
            ArgumentError: A key is not one of this class, or a value has the wrong type.
        """
        without_paths(config, cls.__name__)
        return super().from_config(config)


_PLAIN = (
    *("invert", "max_tokens", "num_oov_indices", "oov_token", "mask_token", "output_mode", "sparse"),
    *("pad_to_max_tokens", "oov_method", "salt"),
)


def _rows(array: np.ndarray) -> list[list[Any]]:
    """The items of each row; what has fewer than two axes is one row."""
    if array.ndim < 2:
        return [array.reshape(-1).tolist()]
    return array.reshape(len(array), -1).tolist()
