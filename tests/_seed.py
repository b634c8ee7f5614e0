"""The seed of the randomly drawn configurations."""

from __future__ import annotations

import os
import random

# Every process of a parallel run gets the same.
RANDOM_SEED = int(os.environ.setdefault("KERASTORCH_SEED", str(random.SystemRandom().randrange(2**31))))
