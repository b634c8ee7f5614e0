"""The name under which package indexes have kerastorch, and what is installed of it.

On PyPI the name `kerastorch` belongs to a package of others. So what is installed is called otherwise than what is
imported, and every sentence that tells people to install something takes the name from here.
"""

from __future__ import annotations

NAME = "kerastorch-rnn"


def installed_version() -> str | None:
    """The version that is installed; None where kerastorch runs from its sources."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(NAME)
    except PackageNotFoundError:
        return None


def install(extra: str) -> str:
    """The command that brings an optional part: `pip install "kerastorch-rnn[onnx]"`.

    Args:
        extra: The name of the part in `pyproject.toml`.
    """
    return f'pip install "{NAME}[{extra}]"'
