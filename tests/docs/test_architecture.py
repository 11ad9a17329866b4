"""The map shows the house as it is: every file, function and table that a page names exists, and every link leads somewhere."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from planar.db import PLANAR_FRAMEWORK_METADATA
from tests.docs.pages import ROOT, blocks_of, pages
from tests.docs.tables import code_in, rows_of

# They declare the framework's tables; nothing else here loads all of them.
DECLARING = ("engine.store.tables", "db.history.models", "files.models", "human.models", "object_config.models", "rules.cases")

PACKAGE = ROOT / "src" / "planar"
MAP = ROOT / "ARCHITECTURE.md"

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")


def test_the_folder_listing_shows_the_package_as_it_is() -> None:
    (listing,) = [block.text for block in blocks_of(MAP) if block.language == "text"]
    lines = listing.splitlines()[1:]
    outer = {name for line in lines if line[0] in "├└" for name in _names(line)}
    assert outer == {path.name for path in PACKAGE.iterdir() if is_module(path)} - {"__init__.py", "__main__.py"}
    inner = {name for line in lines if line[0] == "│" for name in _names(line)}
    below = {path.name for path in (PACKAGE / "engine").iterdir() if is_module(path)}
    assert inner == below - {"__init__.py", "config.py", "errors.py"}


def is_module(path: Path) -> bool:
    return path.suffix == ".py" or (path / "__init__.py").exists() or any(path.glob("[a-z]*/*.py"))


def _names(line: str) -> list[str]:
    """The modules and packages at the beginning of a line of the listing."""
    entries = re.split(r"\s{2,}", line.lstrip("│├└─ "), maxsplit=1)[0]
    return [entry.strip().rstrip("/") for entry in entries.split(", ")]


def test_every_file_of_the_path_exists() -> None:
    named = set(re.findall(r"`([\w/]+/[\w]+\.py)`", MAP.read_text())) | set(re.findall(r"`(\w+\.py)`", MAP.read_text()))
    assert len(named) > 15
    for name in named:
        assert (PACKAGE / name).is_file() or ("/" not in name and list(PACKAGE.rglob(name))), name


def test_every_function_that_the_map_names_stands_in_the_file_beside_it() -> None:
    text = MAP.read_text()
    pairs = re.findall(r"`(\w+)` in `([\w/]+\.py)`", text)
    pairs += [
        (name, file)
        for row in rows_of(MAP, "")
        if len(row) == 3
        for name in re.findall(r"`(\w+)`", row[2])
        for file in [" ".join(re.findall(r"`([\w/]+\.py)`", row[1] + row[2]))]
    ]
    assert len(pairs) > 12
    for name, files in pairs:
        sources = [(PACKAGE / file).read_text() for file in files.split() if (PACKAGE / file).is_file()]
        assert any(re.search(rf"\b(def|class) {name}\b|^{name}\b", source, re.MULTILINE) for source in sources), (name, files)


def test_the_map_lists_every_table() -> None:
    for module in DECLARING:
        import_module(f"planar.{module}")
    documented = [code_in(row[0]) for row in rows_of(MAP, "Table")]
    assert sorted(documented) == sorted(table.name for table in PLANAR_FRAMEWORK_METADATA.tables.values())


def anchors_of(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    # What stands between backticks is code, not a link.
    for target in _LINK.findall(re.sub(r"`[^`]*`", "", page.read_text())):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        there = page.parent / path if path else page
        assert there.exists(), f"{page}: {target}"
        assert not anchor or anchor in anchors_of(there), f"{page}: {target}"


def test_the_index_lists_every_page() -> None:
    docs = ROOT / "docs"
    listed = {(docs / target.partition("#")[0]).resolve() for target in _LINK.findall((docs / "README.md").read_text())}
    written = {page for page in docs.rglob("*.md") if "decisions" not in page.parts and page.name != "README.md"}
    assert written <= listed


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 120
