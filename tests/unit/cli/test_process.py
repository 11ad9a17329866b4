from __future__ import annotations

import pytest

from planar.cli.process import describe_exit


@pytest.mark.parametrize(
    ("code", "words"), [(1, "exit code 1"), (0, "exit code 0"), (-9, "killed by SIGKILL"), (-250, "killed by signal 250")]
)
def test_an_exit_code_is_said_in_words(code: int, words: str) -> None:
    assert describe_exit(code) == words
