"""What a test needs and not every machine has: a test without it is skipped, or fails where everything is required."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NoReturn

import pytest


def is_required(switch: str = "KERASTORCH_REQUIRE_ALL", environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a lack is a failure: in CI, and where the switch is set."""
    return any(environment.get(name, "") not in ("", "0", "false") for name in ("CI", switch))


def lacking(what: str, switch: str = "KERASTORCH_REQUIRE_ALL") -> NoReturn:
    """Skip the test that runs, or fail it: what it needs is not here."""
    pytest.fail(what, pytrace=False) if is_required(switch) else pytest.skip(what)


def needs(there: object, lack: str) -> pytest.MarkDecorator:
    """Mark tests that cannot run unless `there` is true; `lack` says what is missing then."""
    return pytest.mark.needs(bool(there), lack)


def check(item: pytest.Item) -> None:
    """Before a test: skip or fail it if something lacks."""
    for mark in item.iter_markers("needs"):
        there, lack = mark.args
        if not there:
            lacking(lack)
    for mark in item.iter_markers("skip"):
        reason = str(mark.kwargs.get("reason"))
        if is_required() and reason.startswith("got empty parameter set"):
            pytest.fail(f"{reason}: nothing is tested here", pytrace=False)


SHARED_FILES = "the shared files are not beside this checkout"
COMPILED = "kerastorch has no compiled code here: no C compiler was there when it was installed"
