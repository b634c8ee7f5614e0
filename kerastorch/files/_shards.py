"""Sharded weights: an index (`name.weights.json`) and, beside it, the files that it names."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass

from kerastorch.errors import CorruptFileError, LoadError, UnsafeFileError, counted, placed, quote

from ._hdf5 import Group
from ._limits import Limits
from ._source import DAMAGED, FOREIGN
from ._tree import Part, read_tree
from ._values import OptimizerState, Skipped, TreeWeights
from ._weights import MakeArray, walk
from .strict_json import parse_json

_INDEX = re.compile(rb'\s*\{.{0,4000}"weight_map"', re.DOTALL)
_SHARD = re.compile(r"[^/\\\0]+\.weights\.h5")


def is_index(head: bytes) -> bool:
    """Whether a file that begins so is the index of sharded weights."""
    return _INDEX.match(head) is not None


@dataclass(frozen=True)
class Index:
    """The index: how many bytes all arrays have, and which shards hold the variables of each object."""

    total_size: float
    shards_of: dict[str, tuple[str, ...]]

    @property
    def shards(self) -> tuple[str, ...]:
        """All shards, in the order in which they are named."""
        return tuple(dict.fromkeys(name for names in self.shards_of.values() for name in names))


def read_index(raw: memoryview, name: str, limits: Limits) -> Index:
    """Read the index; the names in it are checked, no file is opened."""
    config = parse_json(raw, name, limits)
    metadata, shards_of = config.get("metadata"), config.get("weight_map")
    size = metadata.get("total_size") if isinstance(metadata, dict) else None
    if isinstance(size, bool) or not isinstance(size, (int, float)) or size < 0 or not isinstance(shards_of, dict):
        raise UnsafeFileError(f"{name}: the index does not say which shard holds what, and their total size. {FOREIGN}")
    found: dict[str, tuple[str, ...]] = {}
    for key, names in shards_of.items():
        listed = [names] if isinstance(names, str) else names
        parts = key.split("/")
        if len(parts) < 2 or parts[0] or parts[-1] != "vars" or any(part in ("", ".", "..") for part in parts[1:]):
            raise UnsafeFileError(f"{name}: the index names an object {quote(key)}. {FOREIGN}")
        plain = isinstance(listed, list) and listed and len(set(map(repr, listed))) == len(listed)
        if not plain or not all(isinstance(item, str) and _is_shard(item, limits) for item in listed):
            raise UnsafeFileError(
                f"{name}: the index says that {quote(key)} stands in {quote(names)}, which are no names of shards "
                f"(like model_00000.weights.h5). {FOREIGN}"
            )
        found["/".join(parts[1:-1])] = tuple(listed)
    index = Index(float(size), found)
    if len(index.shards) > limits.shards:
        raise UnsafeFileError(limits.beyond(f"{name}: the index names {len(index.shards)} shards", "shards"))
    return index


def _is_shard(name: str, limits: Limits) -> bool:
    return _SHARD.fullmatch(name) is not None and len(name.encode("utf-8", "replace")) <= limits.name_length


def find_shard(index_path: str, shard: str) -> str:
    """Where a shard is: beside the index.

    A link is followed only to another file of the same folder, or into the `blobs` of a Hugging Face cache.

    Raises:
        UnsafeFileError: It is a link to somewhere else.
    """
    folder = os.path.dirname(os.path.abspath(index_path))
    path = os.path.join(folder, shard)
    if not os.path.islink(path):
        return path
    target = os.path.realpath(path)
    homes = {os.path.realpath(folder)}
    if os.path.basename(os.path.dirname(folder)) == "snapshots":
        homes.add(os.path.realpath(os.path.join(folder, "..", "..", "blobs")))
    if os.path.dirname(target) not in homes:
        raise UnsafeFileError(
            f"{quote(shard)}: this shard is a link out of its folder, to {quote(target)}. "
            "Copy the file itself beside the index."
        )
    return target


def read_shards(
    name: str, index: Index, open_shard: Callable[[str], tuple[Group, MakeArray]]
) -> tuple[TreeWeights, list[Skipped], OptimizerState | None]:
    """The union of all shards; each must be there, and hold what the index says and nothing else.

    Args:
        name: What to call the index in messages.
        index: The index.
        open_shard: From a shard's name to its root.
    """
    parts: dict[str, Part] = {}
    for shard in index.shards:
        try:
            parts[shard] = open_shard(shard)
        except LoadError as error:
            raise placed(error, f"{name}: shard {quote(shard)} of {len(index.shards)} cannot be used") from error
    held: dict[str, set[str]] = {}
    total = 0
    for shard, (root, _) in parts.items():
        for dataset in walk(root):
            total += dataset.nbytes
            held.setdefault("/".join(dataset.path.split("/")[:-2]), set()).add(shard)  # without "vars/0"
    for owner, names in index.shards_of.items():
        if held.get(owner) != set(names):
            found = sorted(held.get(owner, ()))
            raise CorruptFileError(
                f"{name}: the index says that the variables of {quote(owner)} stand in {quote(list(names))}, "
                f"they stand in {quote(found)}. {DAMAGED}"
            )
    left = sorted(held.keys() - index.shards_of.keys())
    if left:
        raise CorruptFileError(
            f"{name}: the shards hold variables of {quote(left)}, which the index does not name. {DAMAGED}"
        )
    if total != index.total_size:
        raise CorruptFileError(
            f"{name}: the index says that all arrays have {counted(int(index.total_size), 'byte')}, the shards hold "
            f"{total:,}. "
            f"{DAMAGED}"
        )
    return read_tree(list(parts.values()))
