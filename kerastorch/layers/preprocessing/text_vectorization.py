"""TextVectorization: texts as the indices of their words, or as vectors that say which words are in them."""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping, MutableMapping
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...base import check
from ...base.graph import symbolic_leaves
from ...base.layer import Layer
from ...base.weighted import repr_of
from ...errors import ArgumentError, ShapeError, UnsupportedError, quote
from ...registered import register_own
from ...weights import Shape
from .encoding import DROPPED
from .encoding import output_mode as output_form
from .lookups import StringLookup
from .texts import as_bytes, mapped, text_encoding
from .vocabulary_files import without_paths

_MARKS = string.punctuation.encode()
_STANDARDS = ("lower", "strip_punctuation", "lower_and_strip_punctuation")
_MODES = ("int", "multi_hot", "count", "tf_idf")
Rows = list[list[bytes]]


@register_own
class TextVectorization(Layer):
    """Texts as integers or vectors, as `keras.layers.TextVectorization`. It runs on the CPU, outside of graphs.

    It is called with an array or a list of texts, `(B,)` or `(B, 1)`, and returns tensors. In a model it stands behind
    an `Input(dtype="string")`. Letters beyond ASCII keep their case, and words end at white space of ASCII, as there.

    Args:
        max_tokens: Words at most, with those for padding and for unknown words.
        standardize: "lower", "strip_punctuation", "lower_and_strip_punctuation", None, or a function that is given an
            array of `str` and returns one.
        split: "whitespace", "character", None for texts that are words, or a function from an array of `str` to a list
            of words for each.
        ngrams: Up to how many words are joined to one, or a tuple of how many; None: none are.
        output_mode: "int": indices, padded with zeros; "multi_hot", "count", "tf_idf": a vector for each text.
        output_sequence_length: How many indices each text has; None: as many as the longest.
        pad_to_max_tokens: Whether vectors have `max_tokens` places.
        vocabulary: The words, or the path of a file with one on each line; None: `adapt` finds them.
        idf_weights: With "tf_idf" and a vocabulary: what each word counts.
        sparse: False.
        ragged: False.
        encoding: Of the words.
        **base: `name`, ...

    Example:
        >>> layer = TextVectorization(output_sequence_length=4)
        >>> layer.adapt(["The cat, the dog.", "A cat"])
        >>> layer(["the cat sat"])
        tensor([[2, 3, 1, 0]])
    """

    takes_text = True

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: Any = "lower_and_strip_punctuation",
        split: Any = "whitespace",
        ngrams: Any = None,
        output_mode: str = "int",
        output_sequence_length: int | None = None,
        pad_to_max_tokens: bool = False,
        vocabulary: Any = None,
        idf_weights: Any = None,
        sparse: bool = False,
        ragged: bool = False,
        encoding: str = "utf-8",
        **base: Any,
    ) -> None:
        of_lookup = {key: base.pop(key) for key in ("vocabulary_size", "has_input_vocabulary") if key in base}
        super().__init__(**{key: value for key, value in base.items() if key not in ("dtype", "trainable")})
        self._built = True
        standardize = standardize if standardize not in ("", "none", "None") else None
        split = split if split not in ("", "none", "None") else None
        if not (standardize is None or callable(standardize) or standardize in _STANDARDS):
            raise ArgumentError(
                f"standardize: expected one of {_STANDARDS}, a function or None, got {quote(standardize)}."
            )
        if not (split is None or callable(split) or split in ("whitespace", "character")):
            raise ArgumentError(f"split: expected 'whitespace', 'character', a function or None, got {quote(split)}.")
        self.output_mode = output_form("TextVectorization", output_mode, sparse, _MODES)
        if output_sequence_length is not None and self.output_mode != "int":
            raise ArgumentError(f"output_sequence_length belongs to output_mode 'int', got {quote(output_mode)}.")
        if ragged:
            raise UnsupportedError("TextVectorization: ragged=True is not supported: rows are padded with zeros.")
        if isinstance(ngrams, list):
            ngrams = tuple(ngrams)
        self.ngrams = (
            ngrams if ngrams is None else check.integers("ngrams", (ngrams,) if isinstance(ngrams, int) else ngrams, 1)
        )
        self._widths = range(1, ngrams + 1) if isinstance(ngrams, int) else self.ngrams
        self._given_ngrams = ngrams
        self.standardize, self.split, self.encoding = standardize, split, text_encoding(encoding)
        self.output_sequence_length = (
            None if output_sequence_length is None else check.size("output_sequence_length", output_sequence_length, 0)
        )
        self._lookup_layer = StringLookup(
            max_tokens=max_tokens,
            mask_token="",
            output_mode=output_mode,
            pad_to_max_tokens=pad_to_max_tokens,
            sparse=sparse,
            encoding=encoding,
            **of_lookup,
        )
        given = bool(of_lookup.get("has_input_vocabulary", vocabulary is not None))
        self._lookup_layer.begin_with(vocabulary, idf_weights, given, repr_of(self))

    # ------------------------------------------------------------------ the vocabulary

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Find the vocabulary in texts; see `StringLookup.adapt`."""
        self.reset_state()
        if isinstance(data, (list, tuple, np.ndarray)):
            texts = as_bytes(data, repr_of(self))
            self.update_state(texts[:, None] if texts.ndim == 1 else texts)
        else:
            for batch in islice(data, steps):
                self.update_state(batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Count the words of a batch of texts."""
        self._lookup_layer.count_rows(self._words(data)[0])

    def finalize_state(self) -> None:
        """Make the vocabulary of what was counted."""
        self._lookup_layer.finalize_state()

    def reset_state(self) -> None:
        """Forget what was counted; the vocabulary stays."""
        self._lookup_layer.reset_state()

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[str]:
        """The words in the order of their indices; see `StringLookup.get_vocabulary`."""
        return self._lookup_layer.get_vocabulary(include_special_tokens)

    def vocabulary_size(self) -> int:
        """How many indices there are, with those for padding and unknown words."""
        return self._lookup_layer.vocabulary_size()

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Set the vocabulary; see `StringLookup.set_vocabulary`."""
        self._lookup_layer.set_vocabulary(vocabulary, idf_weights)

    def save_own_variables(self, store: MutableMapping[str, Any]) -> None:
        """What the lookup inside keeps, which Keras writes here, too."""
        self._lookup_layer.save_own_variables(store)

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """See `StringLookup.load_own_variables`."""
        self._lookup_layer.load_own_variables(store)

    # ------------------------------------------------------------------ texts to words

    def _words(self, data: Any) -> tuple[Rows, tuple[int, ...]]:
        """The words of each text, and the shape in which the texts stand."""
        texts = self._standardized(as_bytes(data, repr_of(self)))
        if self.split is None:
            shape = texts.shape[:-1]
            rows = [list(row) for row in texts.reshape(-1, texts.shape[-1])] if texts.ndim else [[texts.item()]]
        else:
            if texts.ndim > 1:
                if texts.shape[-1] != 1:
                    raise ShapeError(
                        f"{repr_of(self)}: expected texts of shape (B,) or (B, 1), got {texts.shape}; with split=None "
                        "a row may have several words."
                    )
                texts = texts[..., 0]
            shape = texts.shape
            rows = self._split(texts.reshape(-1))
        return [self._joined(row) for row in rows], shape

    def _standardized(self, texts: np.ndarray) -> np.ndarray:
        if callable(self.standardize):
            shown = np.asarray(mapped(lambda text: text.decode(self.encoding), texts).tolist(), dtype=str)
            return as_bytes(np.asarray(self.standardize(shown.reshape(texts.shape))), repr_of(self))
        if self.standardize in ("lower", "lower_and_strip_punctuation"):
            texts = mapped(bytes.lower, texts)
        if self.standardize in ("strip_punctuation", "lower_and_strip_punctuation"):
            texts = mapped(lambda text: text.translate(None, _MARKS), texts)
        return texts

    def _split(self, texts: np.ndarray) -> Rows:
        if self.split == "whitespace":
            return [text.split() for text in texts]
        if self.split == "character":
            return [[char.encode() for char in text.decode("utf-8", "replace")] for text in texts]
        function: Any = self.split
        shown = np.asarray([text.decode(self.encoding) for text in texts], dtype=str)
        return [[word if isinstance(word, bytes) else str(word).encode() for word in row] for row in function(shown)]

    def _joined(self, words: list[bytes]) -> list[bytes]:
        if self._widths is None:
            return words
        # No row has longer pieces than itself, whatever number a config states.
        widths = self._widths[: len(words)] if isinstance(self._widths, range) else self._widths
        return [b" ".join(words[at : at + width]) for width in widths for at in range(len(words) - width + 1)]

    # ------------------------------------------------------------------ words to numbers

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Turn texts `(B,)` or `(B, 1)`, an array or a list, into numbers `(B, T)` or a row of counts each."""
        if symbolic_leaves((args, kwargs)):
            return super().__call__(*args, **kwargs)
        rows, shape = self._words(args[0] if args else kwargs.get("inputs"))
        found = self._lookup_layer.indices_of([word for row in rows for word in row])
        pieces = np.split(found, np.cumsum([len(row) for row in rows])[:-1]) if rows else []
        if self.output_mode == "int":
            length = self.output_sequence_length
            return self._padded(pieces, max(map(len, pieces), default=0) if length is None else length, 0, shape)
        if len(shape) > 1:
            raise UnsupportedError(
                f"{repr_of(self)}: output_mode {quote(self.output_mode)} takes texts of shape (B,) or (B, 1)."
            )
        return self._lookup_layer.encode(self._padded(pieces, max(map(len, pieces), default=0), DROPPED, shape))

    def _padded(self, pieces: Iterable[np.ndarray], length: int, value: int, shape: tuple[int, ...]) -> Tensor:
        rows = list(pieces)
        made = np.full((len(rows), length), value, "int64")
        for row, piece in zip(made, rows, strict=True):
            row[: len(piece)] = piece[:length]
        return torch.from_numpy(made.reshape(*shape, length)).to(self._lookup_layer._index_device.device)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if self.output_mode == "int":
            return (input_shape[0], self.output_sequence_length)
        return self._lookup_layer.compute_output_shape((input_shape[0], None))

    def _compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        return self._lookup_layer._compute_output_dtype(input_dtype)

    # ------------------------------------------------------------------ configuration

    def get_config(self) -> dict[str, Any]:
        """The arguments, and the vocabulary, also one that was found in data."""
        inner = self._lookup_layer.get_config()
        same = ("max_tokens", "pad_to_max_tokens", "sparse", "vocabulary", "idf_weights", "encoding")
        own = {name: getattr(self, name) for name in ("standardize", "split", "output_mode", "output_sequence_length")}
        config = {**own, "ngrams": self._given_ngrams, "ragged": False, **{name: inner[name] for name in same}}
        return {**super().get_config(), **config, "vocabulary_size": self.vocabulary_size()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Make a layer from `get_config()`'s result; see `StringLookup.from_config`."""
        without_paths(config, cls.__name__)
        return super().from_config(config)
