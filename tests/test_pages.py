"""The blocks of the README and of the pages that are no doctests: each runs as it stands, one after the other."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kerastorch import cli

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(python|sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# What the reader of a page has before its first block; the folder `demo` is there for all.
GIVEN: dict[str, str] = {
    "README.md": "",
    "docs/index.md": "",
    "docs/loading.md": """
import hashlib, pathlib, shutil
import kerastorch as kt
shutil.copy("demo/tagger.keras", "theirs.keras")
told = hashlib.sha256(pathlib.Path("theirs.keras").read_bytes()).hexdigest()
pathlib.Path("theirs.keras.sha256").write_text(told)
""",
    "docs/losses.md": "",
    "docs/migration.md": "",
    "docs/optimizers.md": "",
    "docs/own_code.md": """
import json, h5py
import numpy as np
import kerastorch as kt

class Attention(kt.layers.Dense): ...

with kt.saving.CustomObjectScope({"Attention": Attention}):
    made = kt.Sequential([kt.Input((5, 3)), kt.layers.Dense(4), kt.layers.Activation("linear", name="lambda_1")])
    made.save("model.h5")
with h5py.File("model.h5", "r+") as file:  # as Keras writes a Lambda and a class of one's own
    config = json.loads(file.attrs["model_config"])
    for layer in config["config"]["layers"]:
        if layer["class_name"] == "Dense":
            layer.update(class_name="Attention", registered_name="Attention", module=None)
        if layer["class_name"] == "Activation":
            layer.update(class_name="Lambda", config={"name": "lambda_1", "function": ["4wE=", None, None]})
    file.attrs["model_config"] = json.dumps(config)
words = kt.layers.TextVectorization(vocabulary=["the", "end"], output_sequence_length=4, name="text_vectorization")
made = [kt.Input((1,), dtype="string"), words, kt.layers.Embedding(4, 3), kt.layers.LSTM(2)]
kt.Sequential(made).save("reviews.keras")
word_ids = np.array([[1, 2, 3, 0]])
""",
    "docs/saving.md": """
import kerastorch as kt
model = kt.Sequential([kt.Input((5, 3)), kt.layers.GRU(4)])
""",
    "docs/scan.md": """
import pathlib, shutil
import kerastorch as kt
for folder in ("downloads", "models"):
    pathlib.Path(folder).mkdir()
    shutil.copy("demo/tagger.keras", folder)
shutil.copy("demo/tagger.keras", "model.keras")
""",
    "docs/training.md": "",
    "docs/weights.md": """
import kerastorch as kt
model = kt.Sequential([kt.Input((5, 3)), kt.layers.GRU(4)])
model.save_weights("w.weights.h5")
""",
}
# Pages whose blocks are run by other tests, or by nobody: what they show is no program for this machine.
ELSEWHERE = {
    "docs/command_line.md": "tests/cli/test_help.py",
    "docs/parity.md": "the page is about Keras: tests/check_parity",
    "docs/porting.md": "tests/scripts: scripts whose import lines this command changes",
    "docs/source.md": "the class is what `to_source` has written: tests/leaving",
    "docs/tensorflow.md": "tests/files/test_tensorflow.py",
}
PAGES = [
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    if any(kind in ("python", "sh") and ">>> " not in code for kind, code in BLOCK.findall(path.read_text("utf-8")))
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "demo", tmp_path / "demo")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commands(code: str) -> Iterator[tuple[list[str], str | None]]:
    """The commands of a block that are kerastorch's, with the file that takes what they print."""
    for line in code.splitlines():
        words = shlex.split(line, comments=True)
        if not words or words[0] != "kerastorch" or any(word.isupper() or word.startswith("[") for word in words):
            continue  # of other programs; or FILE stands for a file
        words = words[: words.index("||")] if "||" in words else words
        into = words.index(">") if ">" in words else len(words)
        yield words[1:into], words[into + 1] if into < len(words) else None


def run(code: str) -> str:
    """What the commands of a block print; each must end with status 0."""
    printed: list[str] = []
    for words, into in commands(code):
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            status = cli.main(words)
        assert status == 0, f"{shlex.join(words)}: {status}\n{out.getvalue()}"
        if into:
            Path(into).write_text(out.getvalue())
        printed.append(out.getvalue())
    return "".join(printed)


def shown(text: str) -> list[str]:
    """The lines of what is printed, by their words: a table may be wider on the page."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def missing(wanted: str, printed: str) -> list[str]:
    """The lines of a `text` block that were not printed, in this order; "..." stands for any lines."""
    there = iter(shown(printed))
    return [line for line in shown(wanted) if line != "..." and line not in there]


@pytest.mark.parametrize("page", PAGES)
def test_blocks(page: str, folder: Path) -> None:
    if page in ELSEWHERE:
        return
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(GIVEN[page], f"{page} (given)", "exec"), names)
    printed = ""
    for number, (kind, code) in enumerate(BLOCK.findall((ROOT / page).read_text("utf-8"))):
        if kind == "text":
            assert missing(code, printed) == [], f"printed was:\n{printed}"
        elif kind == "sh":
            printed = run(code)
        elif ">>> " not in code:
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(code, f"{page}, block {number}", "exec"), names)
            printed = out.getvalue()


def test_every_page_says_what_its_reader_has() -> None:
    assert sorted(PAGES) == sorted({**GIVEN, **ELSEWHERE})


def test_a_line_that_is_not_printed_is_seen() -> None:
    assert missing("a  b\n...\nc", "a b\nother\nc\n") == []
    assert missing("a\nc", "c\na\n") == ["c"]


def test_a_command_that_fails_is_seen(folder: Path) -> None:
    assert [words for words, _ in commands("ls\nkerastorch info FILE  # no file\nkerastorch scan a || exit 1 # a")] == [
        ["scan", "a"]
    ]
    with pytest.raises(AssertionError, match=os.strerror(2) + "|there is no"):
        run("kerastorch info nothing.keras")
