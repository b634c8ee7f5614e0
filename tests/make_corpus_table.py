"""Write docs/corpus.md: what becomes of real files, by the Keras that wrote them. `make corpus-page` runs it.

The files stand beside the checkout (see test_corpus.py) and are no part of it.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from test_corpus import CORPUS, MANIFEST, STOCHASTIC, deviations, load

import kerastorch as kt

TABLE = Path(__file__).resolve().parents[1] / "docs" / "corpus.md"
TOLERANCE = 1e-5  # of the size of the output: the corpus's own definition of a file that is read right
_HEAD = """# Real files, by the Keras that wrote them

{count} files that people saved and published. *Right*: every output that was recorded from the Keras of the file's own
era is met within 1e-5 of its size. *Loaded*: read completely; there is no recorded output, or (one file) it is one draw
of a model that drops at random in inference too, whose distribution is tested instead. *Refused*: code in the file
(`Lambda`, classes of one's own) is never run; the message says what to pass to `load_model`.
`tests/make_corpus_table.py` makes this page, `tests/test_corpus.py` holds it.

"""


def outcome(entry: dict[str, object]) -> tuple[str, str]:
    """What becomes of a file: "right", "wrong", "loaded" or "refused", and what the message says in its first line."""
    file = str(entry["file"])
    try:
        model = load(file)
    except kt.KerasTorchError as error:
        return "refused", str(error).splitlines()[0]
    if entry["npz"] is None or file == STOCHASTIC:
        return "loaded", ""
    with np.load(CORPUS / "files" / f"{file}.npz", allow_pickle=False) as stored:
        golden = {name: stored[name] for name in stored.files if name != "info"}
    prefix = "keras3_" if str(entry["keras_version"] or "1").startswith("3") else "tf_keras_"
    found = deviations(model, golden, prefix)
    return ("right" if found and all(value <= TOLERANCE for _, value in found) else "wrong"), ""


def lines() -> Iterator[str]:
    """The page, line by line."""
    outcomes = {str(entry["file"]): outcome(entry) for entry in MANIFEST}
    yield from _HEAD.format(count=len(MANIFEST)).splitlines()
    yield "| written by | files | right | loaded | refused | wrong |"
    yield "|---|---|---|---|---|---|"
    versions: dict[tuple[int, ...], list[str]] = {}
    for entry in MANIFEST:
        stated = str(entry["keras_version"] or "1.0 (not stated)")
        versions.setdefault((*map(int, re.findall(r"\d+", stated)), len(stated)), []).append(str(entry["file"]))
    names = {str(entry["file"]): str(entry["keras_version"] or "not stated") for entry in MANIFEST}
    for key in sorted(versions):
        files = versions[key]
        yield _row(f"Keras {names[files[0]]}", Counter(outcomes[file][0] for file in files))
    yield _row("**all**", Counter(kind for kind, _ in outcomes.values()))
    yield ""
    yield "## Refused"
    yield ""
    for file, (kind, message) in sorted(outcomes.items()):
        if kind == "refused":
            shown = message.replace(str(CORPUS / "files") + "/", "").replace("|", "\\|")
            yield f"- `{file}`: {shown.removeprefix(file + ': ')[:300]}"


def _row(name: str, found: Counter[str]) -> str:
    cells = (sum(found.values()), *(found[kind] or "" for kind in ("right", "loaded", "refused", "wrong")))
    return f"| {name} | {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    if not MANIFEST:
        sys.exit("the corpus is not beside this checkout")
    TABLE.write_text("\n".join(lines()) + "\n", encoding="utf-8")
