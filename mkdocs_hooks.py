"""What the site has beside the pages of `docs/`: files of the root, and a page for each public namespace.

A page of the reference lists what `dir()` of a namespace shows, by the module in which each name is defined, so that
the docstrings are read from the sources and no list is kept by hand.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import kerastorch as kt
from kerastorch import namespaces

ROOT = Path(__file__).parent
# Pages of the root -> their place on the site.
PAGES = {"CHANGELOG.md": "changelog.md", "SECURITY.md": "security.md", "CONTRIBUTING.md": "contributing.md"}
CODE = re.compile(r"<code>.*?</code>", re.DOTALL)
# Behind a dot and the like in a name or a call, and between the words of `SparseCategoricalCrossentropy`.
BREAKS = re.compile(r"(?<=[A-Za-z0-9)\]][._/(=])(?=[A-Za-z])|(?<=[a-z]{4})(?=[A-Z][a-z]{4})")
NAMESPACES = [name for name in dir(kt) if isinstance(getattr(kt, name), ModuleType)]
# A method is documented where a class is used by calling its methods; layers are used by their arguments.
WITH_METHODS = (
    "Model",
    "Sequential",
    "Layer",
    "Optimizer",
    "Callback",
    "Metric",
    "ParityReport",
    "ScanReport",
    "LoadReport",
)


def on_config(config: MkDocsConfig) -> None:
    """The pages of the reference in the navigation."""
    (reference,) = [entry for entry in config.nav or [] if "Reference" in entry]
    names = ["kerastorch", *(f"kerastorch.{name}" for name in NAMESPACES)]
    reference["Reference"] = [{name: f"api/{name}.md"} for name in names]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds what does not stand in `docs/`."""
    for source, place in PAGES.items():
        files.append(File.generated(config, place, content=(ROOT / source).read_text("utf-8")))
    for name, content in _pages().items():
        files.append(File.generated(config, f"api/{name}.md", content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links between the root and `docs/` become links within the site."""
    for source, place in PAGES.items():
        markdown = re.sub(rf"\]\((?:\.\./)?{re.escape(source)}", f"]({place}", markdown)
    if page.file.src_uri in PAGES.values():
        markdown = markdown.replace("](docs/", "](")
    markdown = re.sub(r"\[(?:docs/)?(\w+)\.md\]\(", lambda found: f"[{_title(found[1])}](", markdown)
    return re.sub(r"^```python\n(?=>>> )", "```pycon\n", markdown, flags=re.MULTILINE)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Code in tables may break behind a dot, an underscore and the like; the style sheet lets it break nowhere else."""
    return re.sub(r"<td.*?</td>", lambda cell: CODE.sub(_breaking, cell[0]), html, flags=re.DOTALL)


class Examples(griffe.Extension):
    """Reads `Example:` of a docstring as code that was tried, as `Examples:` is read."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)


def _pages() -> dict[str, str]:
    """The pages of the reference: each object has its entry on one of them, and the others name it."""
    entries: dict[str, str] = {}
    pages: dict[str, str] = {}
    for name in (*NAMESPACES, ""):  # what stands in a namespace is documented there, and not with the package
        namespace = getattr(kt, name) if name else kt
        full = f"kerastorch.{name}".rstrip(".")
        elsewhere: list[str] = []
        parts: list[str] = []
        for public, value in _public(namespace):
            place = _place(value)
            if place is None:
                parts += _by_itself(full, public, value)
            elif place in entries:
                elsewhere.append(f"[`{public}`]({entries[place]}.md#{place})")
            else:
                entries[place] = full
                parts += _entry(public, place, value)
        also = [f"Also here: {', '.join(elsewhere)}.", ""] if elsewhere else []
        pages[full] = "\n".join([f"# {full}", "", _text_of(namespace), "", *also, *parts])
    return pages


def _entry(name: str, place: str, value: Any) -> Iterator[str]:
    """The entry that is read from the sources."""
    members = [f"        - {member}" for member in _methods(value)] if name in WITH_METHODS else []
    yield from (f"::: {place}", "    options:")
    yield from ("      inherited_members: true", "      members:", *members) if members else ("      members: false",)
    if isinstance(value, type) and "__new__" in vars(value):  # whose arguments are looked for in __init__
        yield from (
            "      docstring_options:",
            "        warn_unknown_params: false",
            "        warn_missing_types: false",
        )
    yield ""


def _breaking(code: re.Match[str]) -> str:
    """The code with places where a line may end; tags in it stay as they are."""
    parts = re.split(r"(<[^>]+>)", code[0])
    return "".join(part if part.startswith("<") else BREAKS.sub("<wbr>", part) for part in parts)


def _title(name: str) -> str:
    """The heading of a page of `docs/`."""
    page = ROOT / "docs" / f"{name}.md"
    return page.read_text("utf-8").partition("\n")[0].removeprefix("# ") if page.exists() else f"{name}.md"


def _methods(cls: type) -> Iterator[str]:
    """The public methods and properties of a class that kerastorch defines and describes."""
    for name in dir(cls):
        found = inspect.getattr_static(cls, name)
        function = found.fget if isinstance(found, property) else getattr(found, "__func__", found)
        own = inspect.isfunction(function) and function.__module__.startswith("kerastorch")
        if own and function.__doc__ and not name.startswith("_"):
            yield name


def _text_of(value: Any) -> str:
    """The docstring, whose names of pages are no links here."""
    return (inspect.getdoc(value) or "").replace("`docs/", "`")


def _public(namespace: ModuleType) -> Iterator[tuple[str, Any]]:
    for name in dir(namespace):
        value = getattr(namespace, name)
        if not (name.startswith("_") or isinstance(value, ModuleType) or namespaces.is_absent(value)):
            yield name, value


def _place(value: Any) -> str | None:
    """Where the source defines a class or a function; None of what is made by another function."""
    home, own = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not (home and own and home.startswith("kerastorch")):
        return None
    source = inspect.getsource(sys.modules[home])
    return f"{home}.{own}" if re.search(rf"^(?:class|def) {re.escape(own)}\b", source, re.MULTILINE) else None


def _by_itself(namespace: str, name: str, value: Any) -> Iterator[str]:
    """The entry of what has no place of its own in the sources, of which nothing can be read but this."""
    signature = ""
    if callable(value):
        try:
            signature = str(inspect.signature(value))
        except ValueError:  # of a builtin
            signature = "(...)"
    yield from (f"## {name} {{ #{namespace}.{name} }}", "", f"```python\n{name}{signature}\n```", "")
    if callable(value):
        yield from (_text_of(value).partition("\n\n")[0], "")
