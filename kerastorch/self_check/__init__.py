"""Whether the layers compute here what they shall: each example beside values that ship with the package.

`trials.py`: a model around each example of each layer, its weights and inputs from seeds that give the same numbers
everywhere. `values.py`: what these models compute in float64, in `values.npz`, which `tests/make_self_check.py` writes
after live Keras has computed the same. `checking.py`: the same models on the user's machine, device and dtype.
"""

from .checking import Result as Result
from .checking import SelfCheckReport as SelfCheckReport
from .checking import self_check as self_check

__all__ = ["Result", "SelfCheckReport", "self_check"]
