"""Every example of README and docs: each block is marked, and does what the page says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from planar.config import load_config
from tests.docs.console import Console
from tests.docs.pages import ROOT, Block, blocks_of, edited, pages, program_of
from tests.scenario.warm_planar import run_program

LANGUAGES = {
    "run": {"python"},
    "file": {"python", "yaml", "csv"},
    "edit": {"python"},
    "config": {"yaml"},
    "console": {"console"},
}


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def with_blocks(*kinds: str) -> list[Path]:
    return [page for page in pages() if any(block.kind in kinds for block in blocks_of(page))]


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_block_says_how_it_is_tested(page: Path) -> None:
    for block in blocks_of(page):
        assert block.marker is not None, f"{block}: put `<!-- test: ... -->` above this block (see tests/docs/pages.py)"
        if block.kind == "compared":
            test = block.argument.removeprefix("by ")
            assert (ROOT / test).is_file(), f"{block}: there is no {test}"
        elif block.kind == "none":
            assert block.argument, f"{block}: say why it is not run"
            assert block.language not in ("python", "yaml"), f"{block}: Python and YAML are always run"
        else:
            assert block.language in LANGUAGES[block.kind], f"{block}: {block.kind} is not for {block.language}"


@pytest.mark.parametrize("page", with_blocks("run"), ids=name_of)
def test_the_program_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    blocks = blocks_of(page)
    for block in blocks:
        if block.kind == "file":
            (tmp_path / block.argument).write_text(block.text)
    program = tmp_path / f"{page.stem.replace('-', '_')}_page.py"
    program.write_text(program_of(blocks))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PLANAR_")}
    done = run_program(program, environment)
    assert done.returncode == 0, f"{name_of(page)} (lines are those of the page):\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("page", with_blocks("console"), ids=name_of)
def test_the_commands_of_a_page_do_what_it_says(page: Path, tmp_path: Path) -> None:
    with Console(tmp_path) as console:
        for block in blocks_of(page):
            if block.kind == "file":
                console.write(block.argument, block.text)
            elif block.kind == "edit":
                console.write(block.argument, edited(console.read(block.argument), block.text))
            elif block.kind == "console":
                console.run(block)


@pytest.mark.parametrize("block", [block for page in pages() for block in blocks_of(page) if block.kind == "config"], ids=str)
def test_a_settings_example_can_be_used(block: Block) -> None:
    load_config(block.text)


def test_an_edit_replaces_what_has_the_same_name_and_adds_the_rest_before_the_app() -> None:
    source = "from a import b\n\n\ndef f():\n    return 1\n\n\napp = f()\n"
    changed = edited(source, "from a import c\n\n\n@c\ndef f():\n    return 2\n\n\ndef g():\n    return 3\n")
    assert " ".join(changed.split()) == "from a import c @c def f(): return 2 def g(): return 3 app = f()"
