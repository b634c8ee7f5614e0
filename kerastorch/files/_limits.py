"""How much a file may ask of us. Every number is far above what real Keras files need."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from kerastorch.errors import ArgumentError, beyond, quote

KIB = 1 << 10
MIB = 1 << 20
OF_A_CONFIG = 1 << 30  # values in the weights of a model that is made of a config alone
_MAY_BE_NONE = frozenset({"parameters", "depth", "seconds", "memory"})


@dataclass(frozen=True)
class Limits:
    """The bounds of the readers; pass your own to `load_model` for a file that you trust and that needs more, or less
    for one that you don't.

    Args:
        bytes: Size of a file, with all its shards; of what is read from a stream; of a text in UTF-8.
        layers: Layers and models in a config, at any depth.
        parameters: Values in the weights. None: of a file that holds weights as many as stand there; of a model that is
            made of a config alone, as `model_from_json` does, 2**30.
        depth: Nesting of HDF5 groups, and of models and wrappers in one another. None: 64 of the former, 100 of the
            latter, which are never more.
        seconds: Time that reading and making the model may take, by the clock on the wall, looked at in the loops of
            the reader and of what makes the model: no signals, so it holds in every thread. What stands between two
            looks (one layer, 64 MiB of a file, the text of one config) is finished first. None: no bound; for a
            process that reads by itself (`isolate=True`) two minutes and one second for every MiB of the file.
        memory: Bytes that such a process may take, and hand back. None: 2 GiB, and four times the size of the file.
        json_bytes: Size of `config.json`, `metadata.json`, `model_config` or `training_config`.
        json_depth: Nesting of lists and objects in a JSON text.
        json_values: Number of values, and of strings, in a JSON text.
        zip_members: Members of a `.keras` file.
        zip_ratio: How far a member larger than `zip_free_bytes` may have been compressed.
        zip_free_bytes: Size up to which a member's compression ratio is not looked at.
        allocation_bytes: Memory for one unpacked weights member or dataset, and for what was never written of a file,
            where `allocation_ratio` allows less.
        allocation_ratio: Memory for one unpacked weights member or dataset, as a multiple of the file's size.
        objects: HDF5 groups and datasets that are looked at.
        attribute_bytes: Size of one attribute, and of one string in it.
        name_length: Length of one name, in bytes.
        decoded_ratio: Sum of all decoded attributes, as a multiple of the file's size.
        chunk_bytes: Size of one chunk of a chunked dataset.
        chunk_ratio: How far a chunked dataset may have been compressed (1 MiB is free).
        steps: Structures parsed in one HDF5 file; small files get less, in proportion to their size.
        shards: Files that an index of sharded weights may name.

    Raises:
        ArgumentError: A bound is no number above 0; whole, but for `seconds`.
    """

    bytes: int = 1 << 40
    layers: int = 100_000
    parameters: int | None = None
    depth: int | None = None
    seconds: float | None = None
    memory: int | None = None
    json_bytes: int = 32 * MIB
    json_depth: int = 200
    json_values: int = 1_000_000
    zip_members: int = 10_000
    zip_ratio: int = 200
    zip_free_bytes: int = 16 * MIB
    allocation_bytes: int = 256 * MIB
    allocation_ratio: int = 32
    objects: int = 200_000
    attribute_bytes: int = 64 * KIB
    name_length: int = 1_024
    decoded_ratio: int = 4
    chunk_bytes: int = 64 * MIB
    chunk_ratio: int = 200
    steps: int = 2_000_000
    shards: int = 10_000

    def __post_init__(self) -> None:
        for name, value in ((item.name, getattr(self, item.name)) for item in fields(self)):
            if value is None and name in _MAY_BE_NONE:
                continue
            kinds = (int, float) if name == "seconds" else (int,)
            if isinstance(value, bool) or not isinstance(value, kinds) or not 0 < value < math.inf:
                wanted = "a number of seconds" if name == "seconds" else "a whole number"
                raise ArgumentError(f"Limits: {name}: expected {wanted} above 0, got {quote(value)}.")

    def beyond(self, problem: str, bound: str, most: int | None = None) -> str:
        """What a message says of what is more than one of the reader's bounds allows.

        Args:
            problem: What there is, with its number.
            bound: The name of the bound.
            most: What it comes to, where that is not the bound itself.
        """
        stated = getattr(self, bound)
        foreign = stated == getattr(Limits, bound)  # no Keras comes near those; one that a caller gives may be anywhere
        return beyond(problem, stated if most is None else most, bound, foreign=foreign)

    def allocation(self, size: int) -> int:
        """Bytes of memory for one unpacked member or dataset of a file of so many."""
        return max(self.allocation_bytes, self.allocation_ratio * size)

    @property
    def group_depth(self) -> int:
        """Nesting of HDF5 groups."""
        return 64 if self.depth is None else self.depth


def limits_of(limits: Limits | None) -> Limits:
    """The bounds that a caller passes, or those that there are without.

    Raises:
        ArgumentError: These are none.
    """
    if limits is not None and not isinstance(limits, Limits):
        raise ArgumentError(f"limits: expected kt.Limits(...), got {quote(limits)}.")
    return limits or Limits()
