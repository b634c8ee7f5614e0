"""The file of a recording: an .npz of plain arrays, one of which is a JSON text that says what they are."""

from __future__ import division

import hashlib
import json
import os

import numpy as np

from .probes import digest

SCHEMA = 2  # raised where a reader of an older one would misread a file
TEXT = "recording"  # the name of the JSON text among the arrays


class Store(object):
    """The arrays of a recording, each held once, and no more of them than fit."""

    def __init__(self, limit):
        self.arrays, self.names, self.left, self.full = {}, {}, limit, False

    def keep(self, array):
        """The name under which an array is held; None where there is no room for it."""
        known = digest(array)
        if known not in self.names:
            if array.nbytes > self.left:
                self.full = True
                return None
            self.left -= array.nbytes
            self.names[known] = "a%d" % len(self.arrays)
            self.arrays[self.names[known]] = np.array(array)  # a backend may go on writing into its own
        return self.names[known]

    def write(self, path, said):
        """Write the file, in one move: a half of it is never seen."""
        said = dict(said, schema=SCHEMA, kind="kerastorch recording")
        text = json.dumps(said, sort_keys=True, allow_nan=False).encode("utf-8")
        part = path + ".part"
        with open(part, "wb") as stream:
            arrays = {}
            arrays.update(self.arrays)
            arrays[TEXT] = np.frombuffer(text, dtype="uint8")
            np.savez_compressed(stream, **arrays)
        if os.path.exists(path):
            os.remove(path)  # Windows renames onto nothing else
        os.rename(part, path)


def hash_of_file(path):
    """The SHA-256 of a file's content."""
    found = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            found.update(block)
    return found.hexdigest()
