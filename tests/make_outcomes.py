"""Write what is read, written and printed anew: `python tests/make_outcomes.py [SETS]`; it names what changed.

See `_outcomes.py`. Before the result is kept, live Keras must have judged what changed: `make test`.
"""

from __future__ import annotations

import json
import sys
import tempfile
import zipfile
from pathlib import Path

from _outcomes import FOLDER, kept, outcome, printed, readings, stored, written
from _outcomes_arguments import arguments
from _outcomes_assigned import assigned
from _outcomes_attention import attention
from _outcomes_calls import in_calls
from _outcomes_cells import in_cells
from _outcomes_checks import checks
from _outcomes_convert import compiled_with, converted, summaries
from _outcomes_examples import changed, constructed, examples
from _outcomes_files import files
from _outcomes_given import given
from _outcomes_graphs import graphs
from _outcomes_info import said_of_files
from _outcomes_layers import called
from _outcomes_matching import matched
from _outcomes_modules import as_modules
from _outcomes_objects import serialized
from _outcomes_own import own
from _outcomes_saved import saved
from _outcomes_stated import stated
from _outcomes_tables import operations
from _outcomes_trained import in_training
from _outcomes_wrappers import wrapped
from make_goldens import pack


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        every = {
            "readings": readings(),
            "operations": operations(),
            "graphs": graphs(),
            "given": given(),
            "arguments": arguments(),
            "serialized": serialized(),
            "in_calls": in_calls(),
            "checks": checks(),
            "attention": attention(),
            "called": called(),
            "in_training": in_training(),
            "wrapped": wrapped(),
            "as_modules": as_modules(),
            "in_cells": in_cells(),
            "changed": changed(),
            "constructed": constructed(),
            "compiled": compiled_with(),
            "converted": converted(),
            "examples": examples(),
            "summaries": summaries(),
            "matched": matched(),
            "assigned": assigned(),
            "own": own(),
            "saved": saved(),
            "files": files(),
            "stated": stated(),
            "written": written(),
            "stored": stored(),
            "printed": printed(Path(folder)),
            "said_of_files": said_of_files(),
        }
        for name in sys.argv[1:] or every:
            cases = every[name]
            before = kept(name) if (FOLDER / f"{name}.zip").exists() else {}
            found = {case: json.loads(json.dumps(outcome(make))) for case, make in cases.items()}
            others = [case for case in {**before, **found} if before.get(case) != found.get(case)]
            print(f"{name}: {len(found)} outcomes, other than before: {len(others)}", *others[:20], sep="\n  ")
            with tempfile.TemporaryDirectory() as packed:
                (Path(packed) / "outcomes.json").write_text(json.dumps(found, separators=(",", ":")))
                pack(Path(packed), FOLDER / f"{name}.zip", zipfile.ZIP_LZMA)  # text that says much again


if __name__ == "__main__":
    main()
