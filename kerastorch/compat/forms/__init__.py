"""The closed table of layers: for each class the arguments that a file may hold. Data only, one module a family."""

from __future__ import annotations

from collections.abc import Mapping

from . import (
    activation,
    attention,
    convolution,
    core,
    keras1,
    merging,
    normalization,
    pooling,
    preprocessing,
    recurrent,
    regularization,
    resizing,
)
from ._arguments import BASE_KEYS as BASE_KEYS
from ._arguments import BOOLEANS as BOOLEANS
from ._arguments import ELIDED as ELIDED
from ._arguments import SHAPE_KEYS as SHAPE_KEYS
from ._arguments import SIDES as SIDES
from ._arguments import SIZES as SIZES
from ._arguments import TUPLES as TUPLES
from ._arguments import UNDECIDED as UNDECIDED
from ._arguments import UNLESS as UNLESS
from .attention import OF_QUERY as OF_QUERY
from .form import Form as Form
from .merging import MERGING as MERGING
from .normalization import SEVERAL_AXES as SEVERAL_AXES
from .pooling import POOLING as POOLING
from .recurrent import RECURRENT as RECURRENT
from .recurrent import RECURRENT_ACTIVATION as RECURRENT_ACTIVATION
from .recurrent import STATE_AXES as STATE_AXES

LAYERS: Mapping[str, Form] = {
    **recurrent.FORMS,
    **core.FORMS,
    **convolution.FORMS,
    **activation.FORMS,
    **regularization.FORMS,
    **merging.FORMS,
    **normalization.FORMS,
    **preprocessing.FORMS,
    **keras1.FORMS,
    **attention.FORMS,
    **pooling.FORMS,
    **resizing.FORMS,
}
ALIASES: Mapping[str, str] = {**convolution.ALIASES, **pooling.ALIASES}
KEEPS_MASK = frozenset(name for name, form in LAYERS.items() if form.keeps_mask)
