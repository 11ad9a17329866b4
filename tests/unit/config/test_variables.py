from __future__ import annotations

import pytest

from planar.config.variables import MalformedReference, UnsetVariable, expand, is_single_reference

ENVIRONMENT = {"NAME": "value", "EMPTY": "", "TRICKY": "a: [${NAME}] # $NAME"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${NAME}", "value"),
        ("$NAME", "value"),
        ("a-${NAME}-$NAME.", "a-value-value."),
        ("${ABSENT:-other}", "other"),
        ("${NAME:-other}", "value"),
        ("${EMPTY:-other}", "other"),
        ("${ABSENT:-}", ""),
        ("${EMPTY}", ""),
        ("$$NAME and $${NAME}", "$NAME and ${NAME}"),
        (r"https://.*\.example\.com$", r"https://.*\.example\.com$"),
        ("costs 5$, or $5", "costs 5$, or $5"),
    ],
)
def test_references_are_replaced_and_other_dollars_stay(text: str, expected: str) -> None:
    assert expand(text, ENVIRONMENT) == expected


def test_a_value_is_never_searched_for_references() -> None:
    assert expand("${TRICKY}", ENVIRONMENT) == ENVIRONMENT["TRICKY"]


def test_an_unset_variable_is_named() -> None:
    with pytest.raises(UnsetVariable) as caught:
        expand("x${ABSENT}", ENVIRONMENT)
    assert caught.value.name == "ABSENT"


@pytest.mark.parametrize("text", ["${", "${NAME", "${NAME-other}", "${1}", "${ABSENT:-${NAME}}", "${}"])
def test_a_malformed_reference_is_refused(text: str) -> None:
    with pytest.raises(MalformedReference):
        expand(text, ENVIRONMENT)


@pytest.mark.parametrize(
    ("text", "expected"), [("${A}", True), ("$A", True), ("${A:-}", True), ("${A}x", False), ("$$", False), ("a", False)]
)
def test_a_single_reference_is_recognized(text: str, expected: bool) -> None:
    assert is_single_reference(text) is expected
