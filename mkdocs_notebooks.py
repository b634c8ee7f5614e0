"""The notebooks as pages of the site: text, code, what stands below it, and pictures as files of their own."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

FOLDER = Path(__file__).parent / "notebooks"
PATHS = sorted(FOLDER.glob("[0-9]*.ipynb"))
LIST = "notebooks/README.md"
STYLE = re.compile(r"\x1b\[[0-9;]*m")  # of a terminal


def on_config(config: MkDocsConfig) -> None:
    """The notebooks in the navigation."""
    (questions,) = [entry for entry in config.nav or [] if "Questions" in entry]
    questions["Questions"] = [LIST, *(f"notebooks/{path.stem}.md" for path in PATHS)]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the list, a page for each notebook, and its pictures."""
    files.append(File.generated(config, LIST, content=_linked((FOLDER / "README.md").read_text("utf-8"))))
    for path in PATHS:
        parts: list[str] = []
        pictures: dict[str, bytes] = {}
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            if cell["cell_type"] == "markdown":
                parts.append(_linked(_text(cell["source"])))
            else:
                parts += [_block("python", _text(cell["source"])), *_outputs(cell, path.stem, pictures)]
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content="\n\n".join(parts)))
        for name, drawn in pictures.items():
            files.append(File.generated(config, f"notebooks/{name}", content=drawn))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links from `docs/` to the notebooks become links within the site."""
    return re.sub(r"\]\(\.\./(notebooks/\w+)\.(?:ipynb|md)\)", r"](\1.md)", markdown)


def _outputs(cell: dict[str, Any], name: str, pictures: dict[str, bytes]) -> Iterator[str]:
    for output in cell["outputs"]:
        data = output.get("data", {})
        if "image/png" in data or "image/svg+xml" in data:
            drawn = (
                base64.b64decode(data["image/png"]) if "image/png" in data else _text(data["image/svg+xml"]).encode()
            )
            picture = f"{name}_{len(pictures)}.{'png' if 'image/png' in data else 'svg'}"
            pictures[picture] = drawn
            yield f"![What the code above draws]({picture})"
        else:
            text = STYLE.sub("", _text(output.get("text") or data["text/plain"])).strip("\n")
            yield _block("text", "\n".join(line.rstrip() for line in text.split("\n")))


def _text(lines: str | list[str]) -> str:
    """A text of a notebook, which may stand there line by line."""
    return "".join(lines)


def _block(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"


def _linked(text: str) -> str:
    """The links of a notebook, which stands beside `docs/`, as links of a page that stands in it."""
    return re.sub(r"\]\((\w+)\.ipynb\)", r"](\1.md)", text).replace("](../docs/", "](../")
