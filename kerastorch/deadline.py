"""How long reading may take: a limit that loops ask for now and then, in whatever thread they run, without signals.

`within` begins it for the calling context; the loops of the readers and of what makes a model of a config call `check`
with what they are at. A thread that a reader starts knows nothing of its caller's context: what reads bytes takes the
deadline along (`current`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from .errors import TimeLimitError


@dataclass
class Deadline:
    """When reading has to be done. What has taken it along sees it lifted, too.

    Args:
        what: What is read, for the message.
        seconds: How long it may take, by the clock on the wall.
        begin: When it began, by `time.monotonic`.
    """

    what: str
    seconds: float
    begin: float

    def check(self, doing: str) -> None:
        """Raise if the time is over.

        Args:
            doing: What it is used for at this moment, behind "while": "layer 'lstm' was made".

        Raises:
            TimeLimitError: It is.
        """
        taken = time.monotonic() - self.begin
        if taken > self.seconds:
            raise TimeLimitError(
                f"{self.what}: stopped after {taken:.3g} s, while {doing}; the limit is {self.seconds:g} s. If the "
                "file may take longer, pass limits=kt.Limits(seconds=...)."
            )


_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


@contextmanager
def within(seconds: float | None, what: str) -> Iterator[None]:
    """What is done meanwhile may take so long; None: as long as it takes, or as what is around it may."""
    if seconds is None:
        yield
        return
    token = _current.set(Deadline(what, seconds, time.monotonic()))
    try:
        yield
    finally:
        _current.reset(token)


def current() -> Deadline | None:
    """The deadline of this context, for threads that work for it."""
    return _current.get()


def lift() -> None:
    """From now on it may take as long as it takes: what is done cannot be undone."""
    deadline = _current.get()
    if deadline is not None:
        deadline.seconds = math.inf


def check(doing: str, name: str = "") -> None:
    """Raise if the time of this context is over; without a limit that costs a tenth of a microsecond.

    Args:
        doing: See `Deadline.check`; `{}` in it stands for the name.
        name: Of what is worked at, quoted only where it is needed.

    Raises:
        TimeLimitError: It is over.
    """
    deadline = _current.get()
    if deadline is not None:
        deadline.check(doing.format(repr(name[:200])) if name else doing)
