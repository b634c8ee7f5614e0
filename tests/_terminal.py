"""The command line, run in the process of the test."""

from __future__ import annotations

import pytest

from kerastorch.cli import main


class Terminal:
    """Runs the command line in this process; keeps what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: object, status: int = 0) -> str:
        got = main([str(argument) for argument in arguments])
        out, err = self._capsys.readouterr()
        assert got == status, out + err
        if status == 2:
            assert err.startswith("kerastorch: ")
            # One line, and lines of code that the message gives to be copied.
            assert len([line for line in err.splitlines() if not line.startswith("  ")]) <= 2
            assert "Traceback" not in err
            return err
        assert err == ""
        return out
