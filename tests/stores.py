"""Which stores do the tests run on, what is left out, and why? Decided here from the environment; `tests.conftest` does it.

A test says by the mark ``store`` which store it needs; a fixture that is one store after the other (`kinds`) says it for its tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

MEMORY, SQLITE, POSTGRESQL = STORES = ("memory", "sqlite", "postgresql")
TITLES = {MEMORY: "memory", SQLITE: "SQLite", POSTGRESQL: "PostgreSQL"}

CHOICE = "PLANAR_TEST_STORES"
"""The stores to test, separated by commas; by default all."""
SWITCHES = {SQLITE: "PLANAR_TEST_SQLITE", POSTGRESQL: "PLANAR_TEST_POSTGRESQL"}
"""``0`` leaves the store out. That of PostgreSQL may also be the URL of a server to use."""
LONG = "PLANAR_LONG"
"""Set to anything, suites that try a part of their cases try all."""
SHORT = "PLANAR_SHORT"
"""Set to anything, tests that PostgreSQL can hardly change run on SQLite only. The gate sets it, to be done in time."""

NEEDS = "store"
"""The mark of a test that needs the named stores."""
INDEPENDENT = "store_independent"
"""The mark of a test of what happens above the store's port, the same on every store: where it is short, PostgreSQL is left out."""

_OFF = frozenset({"0", "false", "no", "off"})
_ON = frozenset({"", "1", "true", "yes", "on"})


class SenselessChoice(Exception):
    """A variable has a value that means nothing."""


def kinds(*stores: str) -> list[Any]:
    """The parameters of a fixture that is each of *stores* in turn."""
    return [pytest.param(store, marks=pytest.mark.store(store)) for store in stores]


def only(store: str) -> pytest.MarkDecorator:
    """The mark of a test whose fixture ``databases`` is to be *store* alone, for it looks into it."""
    return pytest.mark.parametrize("databases", kinds(store), indirect=True)


def url_given(environment: Mapping[str, str]) -> str | None:
    """The PostgreSQL server that the environment names, if it does."""
    given = environment.get(SWITCHES[POSTGRESQL], "")
    return given if "://" in given else None


def left_out(environment: Mapping[str, str]) -> dict[str, str]:
    """The stores that are not tested, each with the reason.

    Raises:
        SenselessChoice: a variable names no store, or a switch is neither on nor off.
    """
    found: dict[str, str] = {}
    chosen = environment.get(CHOICE, "")
    if chosen:
        names = {name.strip() for name in chosen.split(",")}
        unknown = sorted(names - set(STORES))
        if unknown:
            raise SenselessChoice(f"{CHOICE} names {', '.join(unknown)}; there are {', '.join(STORES)}.")
        found.update((store, f"{CHOICE} is {chosen}") for store in STORES if store not in names)
    for store, variable in SWITCHES.items():
        value = environment.get(variable, "").lower()
        if value in _OFF:
            found[store] = f"{variable} is {value}"
        elif value not in _ON and not (store == POSTGRESQL and "://" in value):
            also = ", or the URL of a server" if store == POSTGRESQL else ""
            raise SenselessChoice(f"{variable} is {value!r}; give 1 or 0{also}.")
    return found


@dataclass(frozen=True, slots=True)
class Choice:
    """What is tested.

    Args:
        absent: the stores that are not, each with the reason.
        short: whether it is enough that one store runs what is the same on all.
    """

    absent: Mapping[str, str]
    short: bool

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Choice:
        """What *environment* chooses.

        Raises:
            SenselessChoice: a variable has a value that means nothing.
        """
        return cls(left_out(environment), bool(environment.get(SHORT)))

    def reason_against(self, stores: Iterable[str], independent: bool) -> str | None:
        """Why a test that needs *stores* is left out, for people; None if it runs."""
        needed = list(stores)
        for store in needed:
            if store in self.absent:
                return f"{TITLES[store]}: left out because {self.absent[store]}"
        if POSTGRESQL in needed and independent and self.short:
            return f"{TITLES[POSTGRESQL]}: {SHORT} is set, which leaves out tests marked {INDEPENDENT}"
        return None

    def described(self, server: Callable[[], str]) -> list[str]:
        """The choice for people, a line each.

        Args:
            server: where PostgreSQL comes from.
        """
        present = [TITLES[store] for store in STORES if store not in self.absent]
        lines = [f"stores: {', '.join(present) or 'none'}"]
        if POSTGRESQL not in self.absent:
            lines.append(f"PostgreSQL: {server()}")
        lines.extend(f"{TITLES[store]}: left out because {reason}" for store, reason in self.absent.items())
        return lines
