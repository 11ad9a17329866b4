"""What can be done with a rule's test cases: keep them, and run them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, ValidationError
from sqlalchemy import func
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from planar.clock import SYSTEM_CLOCK, utc_now
from planar.context import current_services
from planar.db.planar_session import PlanarSession
from planar.db.session import get_session
from planar.errors import PlanarError
from planar.logging import get_logger
from planar.rules.cases import RuleTestCase
from planar.rules.compiled import CompiledGraph
from planar.rules.deciding import Permit, compiled_draft, evaluate_compiled
from planar.rules.errors import RuleCaseNotFound, RuleCaseTaken, RuleError, RuleEvaluationFailed, RuleTimeout, TooManyCases
from planar.rules.graph import JDMGraph
from planar.rules.outcomes import Coverage, differences
from planar.rules.registration import RuleDefinition, RuleRegistry
from planar.rules.schemas import CaseBody, CaseOutcome, CaseReport, Refusal

logger = get_logger(__name__)

MAX_CASES: Final = 500
"""How many test cases a rule has at most: they run at each save."""
LONGEST_SECONDS: Final = 60.0
"""For how long one request tries a graph with case after case: others wait for the same processes."""


def _rule(name: str) -> RuleDefinition:
    return current_services().get(RuleRegistry).get(name)


async def list_cases(name: str, limit: int, after: str | None, *, total: bool) -> tuple[Sequence[RuleTestCase], int | None]:
    """Part of a rule's test cases, by name, and how many there are.

    Raises:
        RuleNotFound: the app serves no rule of that name.
    """
    _rule(name)
    session = get_session()
    query = select(RuleTestCase).where(RuleTestCase.rule_name == name)
    if after is not None:
        query = query.where(col(RuleTestCase.name) > after)
    found = (await session.exec(query.order_by(col(RuleTestCase.name)).limit(limit))).all()
    return found, await _count(session, name) if total else None


async def find_case(name: str, case_id: UUID) -> RuleTestCase:
    """One test case of a rule.

    Raises:
        RuleNotFound, RuleCaseNotFound: there is no such rule, or no such case of it.
    """
    _rule(name)
    found = await get_session().get(RuleTestCase, case_id)
    if found is None or found.rule_name != name:
        raise RuleCaseNotFound
    return found


async def add_case(name: str, body: CaseBody) -> RuleTestCase:
    """Keep a test case.

    Raises:
        RuleNotFound: the app serves no rule of that name.
        RuleCaseTaken: the rule has a case of that name.
        TooManyCases: it has as many as it may.
    """
    _rule(name)
    session = get_session()
    if await _count(session, name) >= MAX_CASES:
        raise TooManyCases(f"The rule '{name}' has {MAX_CASES} test cases, and they run at each save: remove some first.")
    case = RuleTestCase(rule_name=name, name=body.name, input=body.input, expected=body.expected)
    session.add(case)
    await _commit(session, name, body.name)
    return case


async def change_case(name: str, case_id: UUID, body: CaseBody) -> RuleTestCase:
    """Replace what a test case says.

    Raises:
        RuleNotFound, RuleCaseNotFound, RuleCaseTaken: as above.
    """
    case = await find_case(name, case_id)
    session = get_session()
    case.name, case.input, case.expected, case.updated_at = body.name, body.input, body.expected, utc_now()
    session.add(case)
    await _commit(session, name, body.name)
    return case


async def remove_case(name: str, case_id: UUID) -> None:
    """Forget a test case.

    Raises:
        RuleNotFound, RuleCaseNotFound: as above.
    """
    case = await find_case(name, case_id)
    session = get_session()
    await session.delete(case)
    await session.commit()


async def _commit(session: PlanarSession, rule: str, case: str) -> None:
    try:
        await session.commit()
    except IntegrityError:
        await session.rollback()
        raise RuleCaseTaken(f"The rule '{rule}' has a test case '{case}' already.") from None


async def _count(session: PlanarSession, name: str) -> int:
    query = select(func.count()).select_from(RuleTestCase).where(RuleTestCase.rule_name == name)
    return (await session.exec(query)).one()


# -- running --------------------------------------------------------------------------------------------------------------


Tried = CompiledGraph | RuleError | None
"""What cases are run with: a graph, why it cannot decide, or the function itself, which has no rows to cover."""


async def tried(definition: RuleDefinition, graph: JDMGraph, permit: Permit | None = None) -> CompiledGraph | RuleError:
    """A graph, ready for `run_cases`. *permit* as for `compiled_draft`: what it raises is not caught."""
    try:
        return await compiled_draft(definition, graph, permit)
    except RuleError as error:
        return error


async def cases_of(definition: RuleDefinition) -> Sequence[RuleTestCase]:
    """All test cases of a rule, by name."""
    query = select(RuleTestCase).where(RuleTestCase.rule_name == definition.name).order_by(col(RuleTestCase.name)).limit(MAX_CASES)
    return (await get_session().exec(query)).all()


async def run_cases(
    definition: RuleDefinition, cases: Sequence[RuleTestCase], graph: JDMGraph | None = None, compiled: Tried = None
) -> CaseReport:
    """How *cases* go. It asks nothing of the database, and what a case raises is told of that case.

    After a script that had to be stopped, or after a minute, no further case is run: it would take as long again.

    Args:
        definition: the rule.
        cases: its cases.
        graph: the version to run them with.
        compiled: the same, as `tried` has made it; None is the function itself.
    """
    coverage = Coverage(graph) if graph is not None else None
    outcomes: list[CaseOutcome] = []
    stopped: RuleTimeout | None = None
    began = SYSTEM_CLOCK.monotonic()
    for case in cases:
        await asyncio.sleep(0)  # others have their turn, however many cases there are
        try:
            if stopped is None and SYSTEM_CLOCK.monotonic() - began > LONGEST_SECONDS:
                stopped = RuleTimeout(f"The cases before it took more than {LONGEST_SECONDS:g} seconds.")
            if stopped is not None:
                raise RuleTimeout(f"Not run: {stopped.message}")
            outcomes.append(await _run(definition, compiled, case, coverage))
        except RuleError as error:
            if isinstance(error, RuleTimeout) and stopped is None:
                stopped = error
            outcomes.append(_failed(case, refusal_of(error)))
        except Exception as error:  # of a validator or a serializer of the app's own models
            logger.warning("a test case of a rule could not be run", rule=definition.name, case=case.name, exc_info=error)
            outcomes.append(_failed(case, Refusal(code=RuleError.code, message=f"It could not be run: {_told(error)}")))
    passed = sum(outcome.passed for outcome in outcomes)
    rows = coverage.nodes() if coverage is not None else []
    return CaseReport(total=len(outcomes), passed=passed, failed=len(outcomes) - passed, outcomes=outcomes, coverage=rows)


async def _run(definition: RuleDefinition, compiled: Tried, case: RuleTestCase, coverage: Coverage | None) -> CaseOutcome:
    if isinstance(compiled, RuleError):
        raise compiled
    try:
        value = definition.rule.input.model_validate(case.input)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        return _failed(case, Refusal(code="rule_input_misfit", message=f"The case's input does not fit the rule: {place}: {first['msg']}"))
    if compiled is None:
        actual = await _by_code(definition, value)
    else:
        actual, trace = await evaluate_compiled(definition, compiled, value, trace=True)
        if coverage is not None:
            coverage.add(trace)
    wrong = differences(actual, case.expected)
    return CaseOutcome(case_id=case.id, name=case.name, passed=not wrong, actual=json_of(actual), differences=wrong)


async def _by_code(definition: RuleDefinition, value: BaseModel) -> BaseModel:
    try:
        return await definition.function.body(value)
    except Exception as error:  # whatever it raises, the other cases go on
        logger.warning("the function of a rule failed in a test case", rule=definition.name, exc_info=error)
        told = _told(error)
        raise RuleEvaluationFailed(f"The function failed: {told}", reason=told) from error


def _told(error: Exception) -> str:
    """What may be shown of an error of the app's code, whose words may hold anything, SQL and paths included. The log has it whole."""
    if isinstance(error, PlanarError) and error.status != HTTPStatus.INTERNAL_SERVER_ERROR:
        return error.message
    return f"{type(error).__name__}; the log says more."


def _failed(case: RuleTestCase, error: Refusal) -> CaseOutcome:
    return CaseOutcome(case_id=case.id, name=case.name, passed=False, error=error)


def refusal_of(error: RuleError) -> Refusal:
    """An error as a part of an answer."""
    if isinstance(error, RuleEvaluationFailed):
        return Refusal(code=error.code, message=error.message, node_id=error.node_id, node_name=error.node_name)
    return Refusal(code=error.code, message=error.message)


def json_of(value: BaseModel) -> dict[str, Any]:
    """A result as JSON."""
    return value.model_dump(mode="json", by_alias=True)
