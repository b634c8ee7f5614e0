"""What files of models would do to the program that loads them, found without loading one: `kt.scan`.

`folders.py` finds the files, `scanning.py` judges one by what the loader itself decides, `references.py` looks at every
name, function and path that a config holds, `other_files.py` at files that no loader here reads, `report.py` is the
result. Nothing of a file is run, imported or looked up, and no weight is kept.
"""

from __future__ import annotations

from .report import Finding as Finding
from .report import ScannedFile as ScannedFile
from .report import ScanReport as ScanReport
from .scanning import scan as scan
