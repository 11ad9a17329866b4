"""Each example starts through the `planar` command, and the requests in its README are sent."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.docs.console import Console
from tests.docs.pages import ROOT, blocks_of

EXAMPLES = sorted(path.parent.name for path in (ROOT / "examples").glob("*/README.md"))


def test_every_example_has_a_readme_with_requests() -> None:
    programs = sorted(path.parent.name for path in (ROOT / "examples").glob("*/main.py"))
    assert programs == EXAMPLES
    for example in EXAMPLES:
        consoles = [block for block in blocks_of(ROOT / "examples" / example / "README.md") if block.language == "console"]
        assert any("curl " in block.text for block in consoles), example


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_answers_the_requests_of_its_readme(example: str, tmp_path: Path) -> None:
    # A copy, so that nobody's own database of the example takes part.
    ignored = shutil.ignore_patterns("*.db*", "__pycache__")
    shutil.copytree(ROOT / "examples" / example, tmp_path / "examples" / example, ignore=ignored)
    with Console(tmp_path) as console:
        console.serve(["dev", f"examples/{example}/main.py"])
        for block in blocks_of(ROOT / "examples" / example / "README.md"):
            if block.language == "console":
                console.run(block)
