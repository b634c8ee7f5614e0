"""Write what is read, written and printed anew: `python tests/make_outcomes.py`; it names what is another than before.

See `_outcomes.py`. Before the result is kept, live Keras must have judged what changed: `make test`.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from _outcomes import FOLDER, kept, outcome, printed, readings, stored, written
from make_goldens import pack


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        every = {"readings": readings(), "written": written(), "stored": stored(), "printed": printed(Path(folder))}
        for name, cases in every.items():
            before = kept(name) if (FOLDER / f"{name}.zip").exists() else {}
            found = {case: json.loads(json.dumps(outcome(make))) for case, make in cases.items()}
            changed = [case for case in {**before, **found} if before.get(case) != found.get(case)]
            print(f"{name}: {len(found)} outcomes, other than before: {len(changed)}", *changed[:20], sep="\n  ")
            with tempfile.TemporaryDirectory() as packed:
                (Path(packed) / "outcomes.json").write_text(json.dumps(found, separators=(",", ":")))
                pack(Path(packed), FOLDER / f"{name}.zip")


if __name__ == "__main__":
    main()
