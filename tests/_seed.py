"""The seed of the randomly drawn configurations: one of its own in every run only where `KERASTORCH_SEED=random`."""

from __future__ import annotations

import os
import random

if os.environ.get("KERASTORCH_SEED") == "random":
    os.environ["KERASTORCH_SEED"] = str(random.SystemRandom().randrange(2**31))  # every process of the run gets it
RANDOM_SEED = int(os.environ.get("KERASTORCH_SEED", "1129"))
