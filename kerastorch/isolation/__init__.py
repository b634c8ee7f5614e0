"""Reading a file in a process of its own, with bounds of memory and time, so that no file can take the caller down.

`parent.py` starts the process, waits, and makes an `Archive` of what it hands back; `child.py` is what runs there: the
reader of `files/` and nothing else, without torch; `handing.py` is the form in which values go from one to the other:
JSON text and raw bytes in a file without a name, in memory where the system has such files. Nothing is pickled, and
every number in it is checked against the size of that file. Models are made in the caller's process, so that the
caller's own classes need not go anywhere.
"""

from __future__ import annotations

from .parent import open_isolated as open_isolated
