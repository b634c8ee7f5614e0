"""The vocabularies of layers of text: files of words beside the arrays of a `.keras` file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from kerastorch.errors import CorruptFileError

from ._limits import Limits
from ._values import TreeObject, TreeWeights
from ._zip import Archive

_FOLDER, _FILE = "assets/", "/vocabulary.txt"


def is_vocabulary(member: str) -> bool:
    """Whether a member of the archive has the words of a layer."""
    return member.startswith(_FOLDER) and member.endswith(_FILE)


def with_vocabularies(weights: TreeWeights, archive: Archive, name: str, limits: Limits) -> TreeWeights:
    """The weights with the words of each layer at its place.

    Raises:
        CorruptFileError: The words are no text in UTF-8.
        UnsafeFileError: There are more of them than `limits` allow.
    """
    objects: Mapping[str, TreeObject] = weights.objects
    found: dict[str, TreeObject] = {}
    for member in filter(is_vocabulary, archive.members):
        place = member[len(_FOLDER) : -len(_FILE)]
        try:
            text = bytes(archive.read(member, limits.json_bytes)).decode("utf-8")
        except UnicodeDecodeError as error:
            raise CorruptFileError(f"{name}: {member}: expected words in UTF-8, one on each line ({error}).") from None
        lines = text.splitlines()
        while lines and not lines[-1]:
            lines.pop()  # as Keras reads them: no word is empty but the first, which stands for padding
        there = objects.get(place, TreeObject((), None))
        found[place] = replace(there, words=tuple(lines))
    return TreeWeights({**objects, **found}) if found else weights
