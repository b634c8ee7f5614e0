"""Several processes that train one model: who they are, which rows each has, and what they tell each other.

The processes are torch's: `torchrun` starts them, `torch.distributed` joins them, and gradients are joined by its
`DistributedDataParallel`. Read `group.py` first: the processes, and messages from the first one to the others.
`part.py` knows which rows of a batch this process has, and makes sums over all rows of sums over these. `packing.py`
writes a state as bytes, without any code in them. How `fit` uses it stands in `training/several.py`. With one process
all of it does nothing.
"""

from .group import Processes, alone, processes
from .packing import pack, unpack
from .part import as_part, gradients_joined, over_all, own_rows

__all__ = [
    "Processes",
    "alone",
    "as_part",
    "gradients_joined",
    "over_all",
    "own_rows",
    "pack",
    "processes",
    "unpack",
]
