"""`python -m tests.fuzz --count 100000 --seed random`: the faults, by kind, each with the number that shows it."""

from __future__ import annotations

import argparse
import collections
import secrets
import time
from pathlib import Path

from . import judging, mutants, running
from .differential import difference


def main() -> int:
    """The number of kinds of faults, at most 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", default="0", help="any text; random: a fresh one, which is printed")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="the number of the first mutant")
    parser.add_argument("--kinds", nargs="+", choices=[*mutants.KINDS], default=[*mutants.KINDS])
    parser.add_argument("--differential", action="store_true", help="HDF5 structures alone: what h5py reads")
    parser.add_argument("--keep", type=Path, help="a folder for the mutants that show the faults")
    given = parser.parse_args()
    seed = secrets.token_hex(4) if given.seed == "random" else given.seed
    kinds = tuple(given.kinds)
    print(f"seed {seed}, {given.count} mutants, {'h5py' if given.differential else ' '.join(kinds)}", flush=True)

    def judge(number: int) -> str | None:
        if given.differential:
            return difference(seed, number)
        return judging.fault_of(mutants.mutant(seed, number, kinds))

    begin = time.monotonic()
    found = running.run(judge, range(given.first, given.first + given.count), progress=True)
    by_kind = collections.defaultdict(list)
    for item in found:
        by_kind[item.kind].append(item)
    for items in by_kind.values():
        print(f"{len(items):6} {items[0].text} (number {items[0].number})")
        if given.keep is not None and not given.differential:
            given.keep.mkdir(exist_ok=True)
            made = mutants.mutant(seed, items[0].number, kinds)
            content = made.content or str(made.config).encode("utf-8", "surrogateescape")
            (given.keep / f"{seed}-{items[0].number}").write_bytes(content)
    seconds = time.monotonic() - begin
    print(f"{given.count} mutants, seed {seed}, {seconds:.0f} s: {len(found)} faults of {len(by_kind)} kinds")
    return int(bool(found))


if __name__ == "__main__":
    raise SystemExit(main())
