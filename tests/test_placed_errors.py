"""An error whose message gets a place keeps its class and what it knows, whatever class of ours it is of."""

from __future__ import annotations

import pytest

from kerastorch import errors
from kerastorch.errors import KerasTorchError, MissingLayersError, UnsupportedFileError, placed


def _classes(base: type[KerasTorchError]) -> list[type[KerasTorchError]]:
    return [base, *(inner for cls in base.__subclasses__() for inner in _classes(cls))]


@pytest.mark.parametrize(
    "cls", [cls for cls in _classes(KerasTorchError) if cls.__module__ == errors.__name__], ids=lambda cls: cls.__name__
)
def test_class_message_and_attributes(cls: type[KerasTorchError]) -> None:
    error = cls("it is broken.")
    error.told = {"here": 1}  # type: ignore[attr-defined]
    found = placed(error, "m.keras")
    assert type(found) is cls
    assert str(found) == "m.keras: it is broken."
    assert found.args == ("m.keras: it is broken.",)
    assert vars(found) == vars(error)
    assert str(error) == "it is broken."


def test_reasons_and_missing_layers() -> None:
    assert placed(UnsupportedFileError("x").because("own code"), "m").reason == "own code"
    missing = placed(MissingLayersError("x", ("crf",)), "m")
    assert (missing.missing, missing.reason) == (("crf",), "own code")
