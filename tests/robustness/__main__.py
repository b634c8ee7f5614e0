"""`python -m tests.robustness --kills 200 --full-disks 100 --truncations 100`: how often each ended how."""

from __future__ import annotations

import argparse
import logging
import random
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from . import trials

TRIALS: dict[str, Callable[..., Any]] = {
    "kills": trials.kills,
    "full_disks": trials.full_disks,
    "truncations": trials.truncations,
}


def main() -> None:
    """Ends with an error where something is lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in TRIALS:
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=0, metavar="COUNT")
    parser.add_argument("--seed", help="a fresh one if not given")
    given = parser.parse_args()
    seed = given.seed or secrets.token_hex(4)
    logging.disable(logging.CRITICAL)
    torch.set_num_threads(1)  # a fork has none of the others
    for name, work in TRIALS.items():
        count = getattr(given, name)
        if count:
            with tempfile.TemporaryDirectory() as folder:
                seen = work(count, Path(folder), random.Random(seed))
            print(f"{name} {count}, seed {seed}: {', '.join(f'{seen[key]} {key}' for key in sorted(seen))}", flush=True)


if __name__ == "__main__":
    main()
