"""How much a file may ask of us. Every number is far above what real Keras files need."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1 << 10
MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """The bounds of the readers; pass your own to `load_model` for a file that you trust and that needs more.

    Args:
        json_bytes: Size of `config.json`, `metadata.json`, `model_config` or `training_config`.
        json_depth: Nesting of lists and objects in a JSON text.
        json_values: Number of values, and of strings, in a JSON text.
        zip_members: Members of a `.keras` file.
        zip_ratio: How far a member larger than `zip_free_bytes` may have been compressed.
        zip_free_bytes: Size up to which a member's compression ratio is not looked at.
        allocation_bytes: Memory for one unpacked weights member or dataset, where `allocation_ratio` allows less.
        allocation_ratio: Memory for one unpacked weights member or dataset, as a multiple of the file's size.
        objects: HDF5 groups and datasets that are looked at.
        depth: Nesting of HDF5 groups.
        attribute_bytes: Size of one attribute, and of one string in it.
        name_length: Length of one name, in bytes.
        decoded_ratio: Sum of all decoded attributes, as a multiple of the file's size.
        chunk_bytes: Size of one chunk of a chunked dataset.
        chunk_ratio: How far a chunked dataset may have been compressed (1 MiB is free).
        steps: Structures parsed in one HDF5 file; small files get less, in proportion to their size.
        shards: Files that an index of sharded weights may name.
        parameters: Values in the weights of a model that is made of a config alone, as `model_from_json` does; those of
            a file that holds weights are as many as stand there.
    """

    json_bytes: int = 32 * MIB
    json_depth: int = 200
    json_values: int = 1_000_000
    zip_members: int = 10_000
    zip_ratio: int = 200
    zip_free_bytes: int = 16 * MIB
    allocation_bytes: int = 256 * MIB
    allocation_ratio: int = 32
    objects: int = 200_000
    depth: int = 64
    attribute_bytes: int = 64 * KIB
    name_length: int = 1_024
    decoded_ratio: int = 4
    chunk_bytes: int = 64 * MIB
    chunk_ratio: int = 200
    steps: int = 2_000_000
    shards: int = 10_000
    parameters: int = 1 << 30
