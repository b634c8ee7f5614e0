"""How each family of layers becomes modules and functions of torch: one function each, registered by the layer's class.

A translator computes on `Value`s of the graph as on tensors: what it writes is what the generated code says.
"""

from . import activations as activations
from . import attention as attention
from . import cells as cells
from . import core as core
from . import images as images
from . import local as local
from . import merging as merging
from . import normalization as normalization
from . import operations as operations
from . import plain as plain
from . import recurrent as recurrent
from . import reshaping as reshaping
from . import sequences as sequences
from . import wrappers as wrappers
