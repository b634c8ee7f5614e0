"""Leaving kerastorch: a model as plain torch, live or as source code.

`building.py` goes through a model's graph and lets the translators of `translators/` say, layer by layer, which modules
and functions of torch compute the same: the result is an `fx.GraphModule`, which is what `model.to_torch()` returns.
`printing.py` writes the same graph as a class that a person can read. `helpers/` is what torch lacks, as code that
runs here and is copied there.
"""

from . import translators as translators
from .building import to_torch as to_torch
from .folder import to_source as to_source
