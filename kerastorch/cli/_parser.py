"""The parser of the command line: argparse, with examples below the help, and a name for what is misspelt."""

from __future__ import annotations

import argparse
import re
from typing import Any, NoReturn

from ..errors import did_you_mean
from ._help import epilog


class Parser(argparse.ArgumentParser):
    """argparse's parser; what it does not know is named with the nearest name that it does know."""

    def __init__(self, *args: Any, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*args, **options)
        command = self.prog.rpartition(" ")[2]
        if self.prog != command:
            self.epilog = epilog(command)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        found, unknown = super().parse_known_args(args, namespace)
        if unknown and self.prog.count(" "):  # of a command: its own options are the ones that may be meant
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message with what may be meant; exit status 2."""
        misspelt = re.match(r"argument COMMAND: invalid choice: '(.*?)'", message)
        unknown = re.match(r"unrecognized arguments: (--[\w-]+)", message)
        hint = ""
        if misspelt:
            hint = did_you_mean(misspelt[1], self.commands)
        elif unknown:
            hint = did_you_mean(unknown[1], self._option_string_actions)
        super().error(f"{message.rstrip('.')}.{hint}" if hint else message)

    @property
    def commands(self) -> dict[str, argparse.ArgumentParser]:
        """The parsers of the commands, by name."""
        (found,) = [action.choices for action in self._actions if isinstance(action.choices, dict)]
        return found
