"""Lets atheris choose the bytes: `python -m tests.fuzz.atheris_harness [folder of seeds]`, where atheris is installed.

A seed of each kind is written into an empty folder first. Findings of atheris go on with the bytes that it prints.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path


def one_input(data: bytes) -> None:
    """What atheris calls: any bytes are a file that is read or refused.

    Raises:
        AssertionError: Neither.
    """
    from .judging import file_fault

    found = file_fault(data, None)
    assert found is None, found


def main() -> None:
    """Run until a fault is found."""
    import atheris  # type: ignore[import-not-found]

    with atheris.instrument_imports(include=["kerastorch"]):  # and not torch, which takes an hour
        from .seeds import all_seeds

        importlib.import_module("kerastorch.layers")
    folders = [Path(name) for name in sys.argv[1:] if not name.startswith("-")]
    for folder in folders[:1]:
        folder.mkdir(exist_ok=True)
        if not any(folder.iterdir()):
            for seed in all_seeds():
                (folder / seed.name.replace("/", "-")).write_bytes(seed.content)
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
