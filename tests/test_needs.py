"""What a test needs and a machine lacks: a skip, or a failure where everything is required."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from _needs import is_required

TESTS = Path(__file__).parent


@pytest.mark.parametrize(
    ("environment", "required"),
    [
        ({}, False),
        ({"CI": "true"}, True),
        ({"CI": ""}, False),
        ({"CI": "0"}, False),
        ({"CI": "false"}, False),
        ({"KERASTORCH_REQUIRE_KERAS": "1"}, False),
        ({"KERASTORCH_REQUIRE_ALL": "1"}, True),
    ],
)
def test_when_everything_is_required(environment: dict[str, str], required: bool) -> None:
    assert is_required(environment=environment) is required
    renamed = {name.replace("ALL", "KERAS"): value for name, value in environment.items() if "ALL" in name}
    assert is_required("KERASTORCH_REQUIRE_KERAS", renamed) is ("KERASTORCH_REQUIRE_KERAS" in renamed)


FILE = """
import pytest
from _needs import needs

pytestmark = needs(True, "never said")


@needs(False, "the moon is not here")
def test_one():
    raise ValueError("it ran")


@needs([], "the moon is not here")
@pytest.mark.parametrize("file", [])
def test_none(file): ...


@pytest.mark.parametrize("file", [])
def test_without_a_mark(file): ...


@pytest.mark.parametrize("file", [pytest.param(None, marks=needs(False, "the moon is not here"))])
def test_a_parameter(file):
    raise ValueError("it ran")


@needs("here", "never said")
def test_there(): ...
"""


@pytest.mark.parametrize("required", ["", "1"])
def test_a_lack_is_a_skip_or_a_failure(tmp_path: Path, required: str) -> None:
    (tmp_path / "test_made.py").write_text(FILE)
    (tmp_path / "conftest.py").write_text(
        "import pytest\nfrom _needs import check\n\n"
        "@pytest.hookimpl(tryfirst=True)\ndef pytest_runtest_setup(item):\n    check(item)\n"
    )
    ini = tmp_path / "pytest.ini"
    ini.write_text("[pytest]\nmarkers = needs: something\n")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("CI", "PYTEST"))}
    environment |= {"KERASTORCH_REQUIRE_ALL": required, "PYTHONPATH": str(TESTS)}
    command = [sys.executable, "-m", "pytest", "-rsf", "-p", "no:cacheprovider", "-c", str(ini), str(tmp_path)]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert ("1 passed, 4 errors" if required else "1 passed, 4 skipped") in done.stdout
    assert "the moon is not here" in done.stdout
    assert "never said" not in done.stdout
    assert "it ran" not in done.stdout


OURS = ("native", "mkldnn", "exists()", "shared", "MANIFEST", "which(")


def test_the_tests_themselves_say_what_they_need() -> None:
    """A condition of one's own on a compiler, oneDNN or the shared files is a skip that nobody sees."""
    for file in sorted(TESTS.rglob("*.py")):
        if file.name in ("_needs.py", "test_needs.py"):
            continue
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if "skipif(" in line or "pytest.skip(" in line:
                assert not any(word in line for word in OURS), f"{file}:{number}: use needs() of tests/_needs.py"
