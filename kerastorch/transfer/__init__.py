"""Weights between Keras and a person's own torch module, one call for all layers and both directions.

`slots.py` says which layers of a torch module hold weights of Keras's layers, and how; `sources.py` which arrays a file
or a model of ours has, layer by layer; `matching.py` finds what belongs together; `copying.py` copies all of it or
nothing.
"""

from .copying import Copied as Copied
from .copying import copy_weights as copy_weights
