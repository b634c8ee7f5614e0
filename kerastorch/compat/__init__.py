"""Spelling and meaning of each Keras version: the config of a file -> one `ModelSpec` in today's terms.

`forms/` and `tables.py` hold what each version writes, as data; `_writer.py` finds out which version it is;
`_first_look.py` counts layers, `_survey.py` looks for what the tables do not have; `_objects.py` and `_layers.py`
convert what stands in a layer, `_custom.py` in one of the caller's own, `calls.py`, `_graph.py` and `_depths.py` how
layers are joined, `_models.py` the whole.
"""

from __future__ import annotations

from ._custom import lambda_function as function_name
from ._depths import depths as depths
from ._first_look import MADE_ANYWAY as MADE_ANYWAY
from ._first_look import FirstLook as FirstLook
from ._first_look import first_look as first_look
from ._models import Reading as Reading
from ._models import read_config as read_config
from ._models import to_spec as to_spec
from ._survey import snake as snake
from ._survey import table_lacks as table_lacks
from ._values import is_own as is_own
from ._writer import detect_writer as detect_writer
from ._writer import is_tf_keras_since as is_tf_keras_since
from ._writer import lists_state_by_names as lists_state_by_names
from ._writer import profiles_of as profiles_of
from .tables import Profile as Profile

__all__ = [
    "Profile",
    "Reading",
    "detect_writer",
    "function_name",
    "is_own",
    "profiles_of",
    "read_config",
    "table_lacks",
    "to_spec",
]
