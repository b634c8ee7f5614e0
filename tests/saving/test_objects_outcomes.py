"""What `serialize_keras_object` makes of each kind of object, and what comes back of configs."""

from __future__ import annotations

from _outcomes import differences
from _outcomes_objects import serialized


def test_no_object_becomes_another() -> None:
    assert differences(serialized(), "serialized", slice(None)) == {}
