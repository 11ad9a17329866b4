"""The shapes of what HTTP takes and gives for rules."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from planar.object_config.models import ObjectConfigurationBase
from planar.rules.cases import NAME_LENGTH
from planar.rules.checking.findings import Finding
from planar.rules.graph import JDMGraph
from planar.rules.models import RuleEngineConfig, RuleSerializeable
from planar.rules.outcomes import Difference, NodeCoverage
from planar.workflows.schemas import StorableJson


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("a name cannot hold the character of number 0")
    return text


CaseName = Annotated[str, Field(min_length=1, max_length=NAME_LENGTH), AfterValidator(_storable)]


class SimulateRequest(BaseModel):
    """An input and the graph that is to decide it."""

    input: dict[str, StorableJson]
    graph: JDMGraph


class RuleVersions(RuleSerializeable):
    """A rule with its versions: the newest ones, and the code's own at the end."""

    model_config = ConfigDict(defer_build=True)

    configs: list[ObjectConfigurationBase[RuleEngineConfig]] = Field(default_factory=list[ObjectConfigurationBase[RuleEngineConfig]])  # pyright: ignore[reportIncompatibleVariableOverride] - it says more


class CaseBody(BaseModel):
    """A test case: an input, and those fields of the result that are to come out."""

    model_config = ConfigDict(extra="forbid")

    name: CaseName
    input: dict[str, StorableJson]
    expected: dict[str, StorableJson]


class CaseInfo(CaseBody):
    """A stored test case."""

    model_config = ConfigDict(extra="ignore")

    id: UUID
    rule_name: str
    created_by: str
    created_at: datetime
    updated_at: datetime


class CaseList(BaseModel):
    """Part of a rule's test cases, by name."""

    items: list[CaseInfo]
    total: int | None


class Refusal(BaseModel):
    """Why a rule could not decide."""

    code: str
    message: str
    node_id: str | None = None
    node_name: str | None = None


class CaseOutcome(BaseModel):
    """How a test case went: ``actual`` is the result, unless there is an ``error``."""

    case_id: UUID
    name: str
    passed: bool
    actual: dict[str, Any] | None = None
    differences: list[Difference] = Field(default_factory=list[Difference])
    error: Refusal | None = None


class CaseReport(BaseModel):
    """How a rule's test cases went, and which rows of its tables took part."""

    total: int
    passed: int
    failed: int
    outcomes: list[CaseOutcome]
    coverage: list[NodeCoverage]


class SavedRule(RuleVersions):
    """A rule after a graph was saved: the new version's id, what was noticed in it, and how the test cases went with it."""

    saved_id: UUID
    findings: list[Finding]
    cases: CaseReport


class CheckReport(BaseModel):
    """What is wrong with a graph."""

    is_valid: bool
    findings: list[Finding]


class ReplayRequest(BaseModel):
    """The draft that is tried, and how many of the newest decisions it is tried with."""

    model_config = ConfigDict(extra="forbid")

    graph: JDMGraph
    last: int = Field(default=100, ge=1, le=1000)


class ReplayChange(BaseModel):
    """A recorded decision that would be another one."""

    workflow_id: UUID
    step_id: int
    decided_at: datetime
    input: dict[str, Any]
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    differences: list[Difference] = Field(default_factory=list[Difference])
    error: Refusal | None = None


class ReplayReport(BaseModel):
    """What a draft would change: of ``replayed`` recorded decisions, ``changed`` would be others. ``unreadable`` do not fit the code."""

    replayed: int
    changed: int
    unreadable: int
    complete: bool = Field(description="False if the search ended before `last` decisions were found.")
    changes: list[ReplayChange]
