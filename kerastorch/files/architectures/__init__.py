"""Architectures as text: JSON in what programs have put around it, and YAML, to one dict that names a class.

`wrapping.py` finds the model in JSON, `yaml_text.py` makes of YAML what JSON would hold. Read in this order.
"""

from __future__ import annotations

from .wrapping import is_json as is_json
from .wrapping import parse_architecture as parse_architecture
from .wrapping import parse_json_text as parse_json_text
from .yaml_text import HARMLESS as HARMLESS
from .yaml_text import parse_yaml_text as parse_yaml_text
