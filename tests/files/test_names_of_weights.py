"""Which names of weights in a file say that an array is another variable's."""

from __future__ import annotations

import pytest

from kerastorch.matching.legacy import _means_another

MINE = ("kernel", "bias", "mine")  # the variables of the layer
CASES = [
    # in the file, the variable in its place, whether it means another one
    ("kernel", "kernel", False),
    ("bias", "kernel", True),
    ("mine", "kernel", True),
    ("kernel", "mine", True),
    ("gamma", "kernel", True),  # of a layer of another kind
    ("gamma", "mine", False),  # a variable of somebody's own may have had any name
    ("theirs", "kernel", False),
    ("theirs", "mine", False),
]


@pytest.mark.parametrize(("last", "own", "another"), CASES)
def test_a_name_of_another_variable(last: str, own: str, another: bool) -> None:
    assert _means_another(last, own, MINE) is another
