"""Keras 2's `preprocessing.text`."""

from ..utils.text import Tokenizer as Tokenizer
from ..utils.text import hashing_trick as hashing_trick
from ..utils.text import one_hot as one_hot
from ..utils.text import text_to_word_sequence as text_to_word_sequence
from ..utils.text import tokenizer_from_json as tokenizer_from_json
