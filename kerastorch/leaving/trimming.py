"""Helpers without what a model does not use of them: options whose default holds everywhere leave no lines behind."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Helper -> its options: what the text says that uses one, and the names that are in its lines alone.
_MASK = (("mask=",), ("mask", "hide"))
_GATE = (("gate=True",), ("gate", "opening"))
_GATES = (("StepLSTM(", "StepGRU(", "BeforeGRU("), ("recurrent_activation",))  # a SimpleRNN has none
_OPTIONS = {
    "StepLoop": (_MASK, _GATES),
    "DroppedSteps": (_GATES,),
    "StepRNN": (_MASK,),
    "StepLSTM": (_MASK,),
    "ConvLSTM": (_MASK,),
    "MultiHeadAttention": (_MASK, _GATE),
    "GroupedAttention": (_MASK, _GATE),
}


def trimmed(name: str, text: str, used_by: str) -> str:
    """The text of a helper, without the options that no call uses.

    Args:
        name: Of the helper.
        text: As it stands in `helpers`.
        used_by: The text of the classes that call helpers.
    """
    for uses, names in _OPTIONS.get(name, ()):
        if not any(use in used_by for use in uses):
            text = _without(text.split("\n"), names)
    return text


def _without(lines: list[str], names: Iterable[str]) -> str:
    word = f"(?:{'|'.join(names)})"
    unused = re.compile(rf"\s*(?:if (?:self\.)?{word} is not None\b.*:$|{word}: |self\.{word} = )")
    always = re.compile(rf"\s*if {word} is None:$")
    inline = re.compile(rf", {word}(?:: [^,=]* = [^,)]*)?(?=[,)])")
    kept: list[str] = []
    place = 0
    while place < len(lines):
        line, end = lines[place], _end_of_block(lines, place)
        if always.match(line):
            kept += [inner[4:] for inner in lines[place + 1 : end]]
            place = _end_of_block(lines, end)  # behind its `else`
        elif unused.match(line):
            place = end
        else:
            kept.append(inline.sub("", line))
            place += 1
    return "\n".join(kept)


def _end_of_block(lines: list[str], place: int) -> int:
    """The first line behind one that is not deeper than it."""
    depth = len(lines[place]) - len(lines[place].lstrip())
    end = place + 1
    while end < len(lines) and lines[end] and len(lines[end]) - len(lines[end].lstrip()) > depth:
        end += 1
    return end
