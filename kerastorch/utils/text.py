"""Keras 2's texts as numbers: `Tokenizer`, its JSON, and the functions beside it. The numbers are Keras's."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from ..errors import ArgumentError, LoadError, quote

FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
_MODES = ("binary", "count", "tfidf", "freq")


def text_to_word_sequence(input_text: str, filters: str = FILTERS, lower: bool = True, split: str = " ") -> list[str]:
    """The words of a text, as Keras 2's function.

    Args:
        input_text: The text.
        filters: Characters that separate words and are dropped.
        lower: Whether capitals become small letters first.
        split: What separates words beside them.
    """
    text = input_text.lower() if lower else input_text
    return [word for word in text.translate(str.maketrans(dict.fromkeys(filters, split))).split(split) if word]


def hashing_trick(
    text: str,
    n: int,
    hash_function: Callable[[str], int] | str | None = None,
    filters: str = FILTERS,
    lower: bool = True,
    split: str = " ",
    analyzer: Callable[[str], Iterable[str]] | None = None,
) -> list[int]:
    """Words as numbers from 1 to n - 1 by a hash, as Keras 2's function.

    Args:
        text: The text.
        n: The largest number plus 1.
        hash_function: "md5", which is the same in every process, or a function; Python's `hash` if None, which is not.
        filters: As for `text_to_word_sequence`.
        lower: As for `text_to_word_sequence`.
        split: As for `text_to_word_sequence`.
        analyzer: Makes the words in the place of `text_to_word_sequence`.
    """

    def md5(word: str) -> int:
        return int(hashlib.md5(word.encode(), usedforsecurity=False).hexdigest(), 16)

    made: Any = hash if hash_function is None else md5 if hash_function == "md5" else hash_function
    words = text_to_word_sequence(text, filters, lower, split) if analyzer is None else analyzer(text)
    return [made(word) % (n - 1) + 1 for word in words]


def one_hot(
    input_text: str,
    n: int,
    filters: str = FILTERS,
    lower: bool = True,
    split: str = " ",
    analyzer: Callable[[str], Iterable[str]] | None = None,
) -> list[int]:
    """`hashing_trick` with Python's `hash`: Keras 2's `preprocessing.text.one_hot`, which makes no vectors."""
    return hashing_trick(input_text, n, None, filters, lower, split, analyzer)


class Tokenizer:
    """Texts as numbers, one for each word, the most frequent first: Keras 2's `Tokenizer`. 0 is no word.

    Args:
        num_words: Only numbers below it are used; all if None.
        filters: Characters that separate words and are dropped.
        lower: Whether capitals become small letters.
        split: What separates words beside them.
        char_level: Whether each character is a word.
        oov_token: A word that stands for all that are unknown; it is number 1. If None they are left out.
        analyzer: Makes the words of a text in the place of `text_to_word_sequence`.
        document_count: How many texts were counted already.

    Attributes:
        word_counts: Word -> how often it was seen.
        word_docs: Word -> in how many texts.
        word_index: Word -> number.
        index_word: Number -> word.
        index_docs: Number -> in how many texts.
        document_count: How many texts were seen.

    Example:
        >>> tokenizer = Tokenizer(num_words=100, oov_token="?")
        >>> tokenizer.fit_on_texts(["the cat sat", "the dog"])
        >>> tokenizer.texts_to_sequences(["the dog barks"])
        [[2, 5, 1]]
    """

    def __init__(
        self,
        num_words: int | None = None,
        filters: str = FILTERS,
        lower: bool = True,
        split: str = " ",
        char_level: bool = False,
        oov_token: str | None = None,
        analyzer: Callable[[str], Iterable[str]] | None = None,
        document_count: int = 0,
    ) -> None:
        self.num_words, self.filters, self.lower, self.split = num_words, filters, lower, split
        self.char_level, self.oov_token, self.analyzer = char_level, oov_token, analyzer
        self.document_count = document_count
        self.word_counts: dict[str, int] = {}
        self.word_docs: dict[str, int] = {}
        self.word_index: dict[str, int] = {}
        self.index_word: dict[int, str] = {}
        self.index_docs: dict[int, int] = {}

    def _words(self, text: Any) -> Sequence[str]:
        """The words of a text; a list is taken as words already."""
        if isinstance(text, list):
            return [word.lower() for word in text] if self.lower else text
        if self.char_level:
            return text.lower() if self.lower else text
        if self.analyzer is not None:
            return list(self.analyzer(text))
        return text_to_word_sequence(text, self.filters, self.lower, self.split)

    def fit_on_texts(self, texts: Iterable[Any]) -> None:
        """Count the words of texts and number them; texts may come in several calls.

        Args:
            texts: Texts, or lists of words.
        """
        for text in texts:
            self.document_count += 1
            words = self._words(text)
            for word in words:
                self.word_counts[word] = self.word_counts.get(word, 0) + 1
            for word in dict.fromkeys(words):
                self.word_docs[word] = self.word_docs.get(word, 0) + 1
        ordered = sorted(self.word_counts, key=lambda word: -self.word_counts[word])
        if self.oov_token is not None:
            ordered.insert(0, self.oov_token)
        self.word_index = {word: number for number, word in enumerate(ordered, 1)}
        self.index_word = {number: word for word, number in self.word_index.items()}
        self.index_docs.update((self.word_index[word], count) for word, count in self.word_docs.items())

    def fit_on_sequences(self, sequences: Sequence[Sequence[int]]) -> None:
        """Count numbers in place of words, for `sequences_to_matrix`."""
        self.document_count += len(sequences)
        for sequence in sequences:
            for number in set(sequence):
                self.index_docs[number] = self.index_docs.get(number, 0) + 1

    @property
    def _unknown(self) -> int | None:
        return None if self.oov_token is None else self.word_index.get(self.oov_token)

    def _within(self, number: int) -> int | None:
        """A number, or that of the unknown word where it is not below `num_words`."""
        return self._unknown if self.num_words and number >= self.num_words else number

    def texts_to_sequences(self, texts: Iterable[Any]) -> list[list[int]]:
        """The numbers of the words of each text; what is unknown is left out, or is `oov_token`."""
        return list(self.texts_to_sequences_generator(texts))

    def texts_to_sequences_generator(self, texts: Iterable[Any]) -> Iterator[list[int]]:
        """`texts_to_sequences`, one by one."""
        for text in texts:
            found = [self.word_index.get(word) for word in self._words(text)]
            numbers = [self._unknown if number is None else self._within(number) for number in found]
            yield [number for number in numbers if number is not None]

    def sequences_to_texts(self, sequences: Iterable[Iterable[int]]) -> list[str]:
        """The words of numbers, with spaces between them."""
        return list(self.sequences_to_texts_generator(sequences))

    def sequences_to_texts_generator(self, sequences: Iterable[Iterable[int]]) -> Iterator[str]:
        """`sequences_to_texts`, one by one."""
        for sequence in sequences:
            numbers = [self._within(number) if number in self.index_word else self._unknown for number in sequence]
            yield " ".join(self.index_word[number] for number in numbers if number is not None)

    def texts_to_matrix(
        self, texts: Iterable[Any], mode: Literal["binary", "count", "tfidf", "freq"] = "binary"
    ) -> Any:
        """`sequences_to_matrix` of texts."""
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode)

    def sequences_to_matrix(
        self, sequences: Sequence[Sequence[int]], mode: Literal["binary", "count", "tfidf", "freq"] = "binary"
    ) -> np.ndarray:
        """A row for each sequence, a column for each number.

        Args:
            sequences: Numbers.
            mode: "binary": 1 for a number that is there. "count": how often. "freq": its part of the sequence. "tfidf":
                `(1 + log(count)) * log(1 + documents / (1 + documents with it))`.

        Returns:
            `(B, num_words)`, float64.

        Raises:
            ArgumentError: There is no such mode, or nothing was counted yet.
        """
        if mode not in _MODES:
            raise ArgumentError(f"mode: expected one of {list(_MODES)}, got {quote(mode)}.")
        columns = self.num_words or (len(self.word_index) + 1 if self.word_index else 0)
        if not columns:
            raise ArgumentError("Tokenizer: give num_words, or call fit_on_texts first.")
        if mode == "tfidf" and not self.document_count:
            raise ArgumentError("Tokenizer: call fit_on_texts or fit_on_sequences before mode 'tfidf'.")
        matrix = np.zeros((len(sequences), columns))
        for row, sequence in zip(matrix, sequences, strict=True):
            for number, count in Counter(item for item in sequence if item < columns).items():
                if mode == "tfidf":
                    rarity = np.log(1 + self.document_count / (1 + self.index_docs.get(number, 0)))
                    row[number] = (1 + np.log(count)) * rarity
                else:
                    row[number] = {"binary": 1, "count": count, "freq": count / len(sequence)}[mode]
        return matrix

    def get_config(self) -> dict[str, Any]:
        """The arguments, and the counts as JSON texts, as Keras 2 has them."""
        counts = ("word_counts", "word_docs", "index_docs", "index_word", "word_index")
        arguments = ("num_words", "filters", "lower", "split", "char_level", "oov_token", "document_count")
        return {name: getattr(self, name) for name in arguments} | {
            name: json.dumps(getattr(self, name)) for name in counts
        }

    def to_json(self, **kwargs: Any) -> str:
        """The tokenizer as text: `tokenizer_from_json` here and in Keras 2 reads it.

        Args:
            **kwargs: For `json.dumps`.
        """
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)


def tokenizer_from_json(json_string: str) -> Tokenizer:
    """The tokenizer that `to_json` wrote, here or in Keras 2.

    Raises:
        LoadError: The text is not such a one.
    """
    try:
        config = dict(json.loads(json_string)["config"])
        counts = {name: json.loads(config.pop(name)) for name in ("word_counts", "word_docs", "word_index")}
        numbered = {
            name: {int(number): value for number, value in json.loads(config.pop(name)).items()}
            for name in ("index_docs", "index_word")
        }
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise LoadError(
            f"tokenizer_from_json: expected the text of Tokenizer.to_json(), got {quote(json_string)} ({error})."
        ) from error
    if not all(isinstance(found, Mapping) for found in counts.values()):
        raise LoadError("tokenizer_from_json: the counts of words are no tables.")
    try:
        tokenizer = Tokenizer(**config)
    except TypeError as error:
        raise LoadError(f"tokenizer_from_json: {error}.") from error
    tokenizer.__dict__.update(counts, **numbered)
    return tokenizer
