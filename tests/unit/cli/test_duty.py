from __future__ import annotations

from pathlib import Path

import pytest

from planar.cli.duty import Duty
from planar.cli.entry import entry_of
from planar.cli.errors import CommandFailed

SOURCE = """
class App:
    told = None

    def take_role(self, **role):
        self.told = role

    def __call__(self): ...


app = App()


def other(): ...
"""


def duty(home: Path, variable: str = "app", **changes: bool | int) -> Duty:
    file = home / "roles.py"
    file.write_text(SOURCE)
    return Duty(entry_of(file, home), variable, **changes)  # type: ignore[arg-type]  (tests only)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, None),
        ({"works": False}, {"works": False, "max_concurrent_runs": None}),
        ({"serves": False, "concurrency": 3}, {"works": True, "max_concurrent_runs": 3}),
    ],
)
def test_an_app_is_told_its_part_if_it_is_not_everything(home: Path, changes: dict[str, bool | int], told: object) -> None:
    assert getattr(duty(home, **changes).load(), "told") == told  # noqa: B009 - an application of any kind


def test_what_is_no_planar_app_serves_but_has_no_worker_to_speak_of(home: Path) -> None:
    assert callable(duty(home, "other").load())
    for changes in ({"works": False}, {"serves": False}):
        with pytest.raises(CommandFailed, match=r"is no PlanarApp.*--app"):
            duty(home, "other", **changes).load()
