"""`python -m fuzz --seed 7 --count 50000`: the faults, by kind, each with the config that shows it."""

from __future__ import annotations

import argparse
import json
import logging
import random

from .judging import fault
from .mutating import configs, mutant


def main() -> int:
    """The number of kinds of faults, at most 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=2000)
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    rng, real = random.Random(given.seed), configs()
    seen: dict[str, int] = {}
    for _ in range(given.count):
        config = mutant(rng.choice(real), rng)
        found = fault(config)
        if found is not None:
            kind = found.partition(": ")[2][:160]
            seen[kind] = seen.get(kind, 0) + 1
            if seen[kind] == 1:
                print(found, json.dumps(config), sep="\n", flush=True)
    print(f"{given.count} configs, seed {given.seed}: {sum(seen.values())} faults of {len(seen)} kinds")
    for kind, count in seen.items():
        print(f"{count:6} {kind}")
    return int(bool(seen))


if __name__ == "__main__":
    raise SystemExit(main())
