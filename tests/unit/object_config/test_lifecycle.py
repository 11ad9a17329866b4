"""The states of a version: every one, with everything that can happen to it."""

from __future__ import annotations

import pytest

from planar.object_config.lifecycle import ConfigState, checked, is_deletable, promoted, replaced

DRAFT, VALIDATED, ACTIVE, RETIRED = ConfigState


@pytest.mark.parametrize(
    ("state", "valid", "invalid", "after_promotion", "after_another", "deletable"),
    [
        (DRAFT, VALIDATED, DRAFT, ACTIVE, DRAFT, True),
        (VALIDATED, VALIDATED, DRAFT, ACTIVE, VALIDATED, True),
        (ACTIVE, ACTIVE, ACTIVE, ACTIVE, RETIRED, False),
        (RETIRED, RETIRED, RETIRED, ACTIVE, RETIRED, False),
    ],
)
def test_each_state_and_what_can_happen_to_it(
    state: ConfigState,
    valid: ConfigState,
    invalid: ConfigState,
    after_promotion: ConfigState,
    after_another: ConfigState,
    deletable: bool,
) -> None:
    assert checked(state, is_valid=True) is valid
    assert checked(state, is_valid=False) is invalid
    assert promoted(state) is after_promotion
    assert replaced(state) is after_another
    assert is_deletable(state) is deletable
