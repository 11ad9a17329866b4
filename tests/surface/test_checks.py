"""Do the checks of the repository catch what they are for?"""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import check_sizes, check_text

CHECKOUT = Path("/srv/checkouts/planar")


def test_a_function_is_measured_from_its_first_line_to_its_last(tmp_path: Path) -> None:
    source = tmp_path / "module.py"
    source.write_text("x = 1\n\n\ndef long():\n" + "    x\n" * 80 + "\n\nasync def short():\n    ...\n")
    file, functions = check_sizes.measure(source, "module.py")
    assert file.lines == 88
    assert [(size.lines, size.what) for size in functions] == [(81, "module.py:4 long"), (2, "module.py:87 short")]


# Cut in two, so that this file passes the check that it tests.
@pytest.mark.parametrize(
    "line",
    [
        "pip install --index" + "-url https://example.org/simple",
        '"resolved"' + ': "https://example.org/a"',
        "https://example.org/package-1.0" + ".tar.gz",
        "see /home" + "/somebody/notes",
        "open /srv/checkouts/other/file",
    ],
)
def test_a_line_that_belongs_to_one_machine_is_found(line: str) -> None:
    assert list(check_text.findings("docs/page.md", f"before\n{line}\n", check_text.rules(CHECKOUT)))


def test_unfinished_work_is_found_in_the_package_only() -> None:
    line = "# TO" + "DO: later\n"
    wanted = check_text.rules(CHECKOUT)
    assert list(check_text.findings("src/planar/module.py", line, wanted))
    assert not list(check_text.findings("docs/page.md", line, wanted))


def test_ordinary_text_passes() -> None:
    text = "See https://docs.example.org/guide and src/planar/home.py, /planar/v1/health, http://localhost:8000/docs\n"
    assert not list(check_text.findings("README.md", text, check_text.rules(CHECKOUT)))
