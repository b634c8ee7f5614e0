"""Spelling and meaning of each Keras version: the config of a file -> one `ModelSpec` in today's terms.

`forms/` and `_tables.py` hold what each version writes, as data; `_writer.py` finds out which version it is;
`_objects.py` and `_layers.py` convert what stands in a layer, `_calls.py` and `_graph.py` how layers are joined,
`_models.py` the whole.
"""

from __future__ import annotations

from ._models import to_spec as to_spec
from ._writer import detect_writer as detect_writer

__all__ = ["detect_writer", "to_spec"]
