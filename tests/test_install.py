"""What the installation must have made."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import torch
from _needs import needs

from kerastorch import native

SOURCES = sorted(Path(native.__file__).parent.glob("*.[ch]"))


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is compiled on Windows")
@needs(shutil.which("cc"), "there is no C compiler")
@pytest.mark.parametrize("level", ["DEFAULT", torch.backends.cpu.get_cpu_capability()])
def test_the_recurrences_are_compiled_from_these_sources(level: str) -> None:
    assert SOURCES
    assert native.available
    assert native.file_of(level).stat().st_mtime >= max(source.stat().st_mtime for source in SOURCES)


@pytest.mark.skipif(sys.platform != "linux", reason="threads are GNU's OpenMP's, which torch has on Linux")
def test_there_are_threads() -> None:
    assert native._parallel is not None
