"""The site is built from the pages without a warning: every link leads somewhere, every page is in the list."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import kerastorch as kt

ROOT = Path(__file__).parents[1]


def build(root: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    done = build(ROOT, out)
    assert done.returncode == 0, done.stderr
    return out


def test_every_page_is_there(site: Path) -> None:
    pages = {page.with_suffix(".html").name for page in (ROOT / "docs").glob("*.md")}
    assert pages | {"changelog.html", "security.html", "contributing.html"} <= {
        page.name for page in site.glob("*.html")
    }


@pytest.mark.parametrize(
    ("page", "texts"),
    [
        ("layers", [">LSTM</span>", "recurrent_activation", "kernel_initializer"]),
        ("kerastorch", ["load_model", "expected_sha256"]),
        ("models", ["train_on_batch", "validation_split"]),
        ("convert", ["lstm_to_torch"]),
        ("ops", ["logsumexp"]),  # made by another function
    ],
)
def test_the_reference_has_what_is_public(site: Path, page: str, texts: list[str]) -> None:
    text = (site / "api" / f"{page if page == 'kerastorch' else f'kerastorch.{page}'}.html").read_text("utf-8")
    assert [wanted for wanted in texts if wanted not in text] == []


def test_every_layer_has_an_entry(site: Path) -> None:
    text = (site / "api" / "kerastorch.layers.html").read_text("utf-8")
    missing = [name for name in dir(kt.layers) if f">{name}<" not in text]
    assert missing == []


def test_each_notebook_is_a_page_with_its_pictures(site: Path) -> None:
    notebooks = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
    assert len(notebooks) > 10
    for path in notebooks:
        text = (site / "notebooks" / f"{path.stem}.html").read_text("utf-8")
        pictures = sum(path.read_text("utf-8").count(f'"{kind}"') for kind in ("image/png", "image/svg+xml"))
        assert text.count(f'src="{path.stem}_') == pictures > 0
        assert len([file for file in site.glob(f"notebooks/{path.stem}_*") if file.stat().st_size > 1000]) == pictures
        assert ".ipynb" not in text
        assert "\x1b" not in text
    assert "(None, 20, 5)       140" in (site / "notebooks" / "01_shapes.html").read_text("utf-8")  # what a cell prints
    assert 'href="notebooks/index.html"' in (site / "index.html").read_text("utf-8")


def test_names_in_tables_break_at_their_parts(site: Path) -> None:
    table = (site / "migration.html").read_text("utf-8").partition("<tbody>")[2].partition("</tbody>")[0]
    for wanted in (
        "<code>LSTM(64, return_<wbr>sequences=<wbr>True)</code>",
        "<code>kt.<wbr>losses.<wbr>Sparse<wbr>Categorical<wbr>Crossentropy</code>",
        "<code>Dropout(0.5)</code>",
    ):
        assert wanted in table
    assert "word-break: normal" in (site / "site.css").read_text("utf-8")


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    for page in ("index.html", "api/kerastorch.layers.html"):
        text = (site / page).read_text("utf-8")
        assert "fonts.googleapis" not in text
        assert '<script src="http' not in text


def test_a_link_that_leads_nowhere_is_seen(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("[there](gone.md)")
    settings = "site_name: a\nvalidation: {unrecognized_links: warn}\n"
    (tmp_path / "mkdocs.yml").write_text(settings)
    done = build(tmp_path, tmp_path / "out")
    assert done.returncode != 0
    assert "gone.md" in done.stderr
