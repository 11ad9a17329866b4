from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from planar.context import Services, bind_services
from planar.security import Principal, as_principal
from planar.security.actions import (
    PUBLIC_ACTIONS,
    Action,
    AgentAction,
    EventAction,
    FileAction,
    HealthAction,
    LinkAction,
    RuleAction,
    SystemAction,
    WorkflowAction,
)
from planar.security.authorization import (
    AgentResource,
    AllowAll,
    Authorizer,
    Decision,
    EventResource,
    FileResource,
    ResourceDescriptor,
    ResourceType,
    RuleResource,
    SystemResource,
    WorkflowResource,
    filter_allowed,
    is_allowed,
    validate_authorization_for,
)
from planar.security.errors import ActionMismatch, Forbidden, Unauthenticated


class OwnersOnly:
    """Allows somebody what is named like them, and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str | None, Action, ResourceDescriptor]] = []

    def decide(self, principal: Principal | None, action: Action, resource: ResourceDescriptor) -> Decision:
        self.asked.append((principal.sub if principal else None, action, resource))
        return Decision(principal is not None and resource.resource_id == principal.sub, ("owners",))


@pytest.fixture
def owners() -> OwnersOnly:
    return OwnersOnly()


@pytest.fixture
def services(owners: OwnersOnly) -> Iterator[Services]:
    services = Services()
    services.add(Authorizer, owners)
    with bind_services(services):
        yield services


def test_the_action_strings_are_those_of_policies() -> None:
    kinds = (WorkflowAction, AgentAction, RuleAction, EventAction, FileAction, LinkAction, SystemAction, HealthAction)
    actions = {action.value for kind in kinds for action in kind}

    assert actions == {
        *("Workflow::List", "Workflow::ViewDetails", "Workflow::Run", "Workflow::Cancel"),
        *("Agent::List", "Agent::ViewDetails", "Agent::Run", "Agent::Update", "Agent::Simulate"),
        *("Rule::List", "Rule::ViewDetails", "Rule::Update", "Rule::Simulate"),
        *("Event::List", "Event::Emit", "System::ViewInfo", "Health::View", "Link::Follow"),
        *("File::List", "File::ViewDetails", "File::Download", "File::Upload", "File::Delete", "File::Share"),
    }


def test_without_an_authorizer_and_with_the_open_one_nobody_may_do_everything() -> None:
    validate_authorization_for(WorkflowResource("w"), WorkflowAction.RUN)
    services = Services()
    services.add(Authorizer, AllowAll())
    with bind_services(services):
        validate_authorization_for(WorkflowResource("w"), WorkflowAction.RUN)


@pytest.mark.parametrize(
    ("resource", "action"),
    [
        (WorkflowResource("w"), AgentAction.RUN),
        (AgentResource("a"), WorkflowAction.LIST),
        (RuleResource("r"), EventAction.LIST),
        (EventResource("e"), RuleAction.LIST),
        (SystemResource(), WorkflowAction.LIST),
    ],
)
def test_an_action_of_another_kind_is_a_value_error_even_where_everything_is_allowed(resource: ResourceDescriptor, action: Action) -> None:
    with pytest.raises(ActionMismatch, match=f"not an action on {resource.type.value}") as caught:
        validate_authorization_for(resource, action)
    assert isinstance(caught.value, ValueError)
    with pytest.raises(ActionMismatch):
        is_allowed(resource, action)
    with pytest.raises(ActionMismatch):
        filter_allowed([1], action, lambda _: resource)


@pytest.mark.usefixtures("services")
def test_a_refusal_is_401_to_nobody_and_403_to_somebody() -> None:
    with pytest.raises(Unauthenticated) as nobody:
        validate_authorization_for(WorkflowResource("ann"), WorkflowAction.RUN)
    with as_principal(Principal(sub="bob")), pytest.raises(Forbidden) as somebody:
        validate_authorization_for(WorkflowResource("ann"), WorkflowAction.RUN)
    with as_principal(Principal(sub="ann")):
        validate_authorization_for(WorkflowResource("ann"), WorkflowAction.RUN)

    assert (nobody.value.status, nobody.value.message) == (401, "Not authenticated.")
    assert (somebody.value.status, somebody.value.message) == (403, "Not authorized to perform this action.")


@pytest.mark.usefixtures("services")
def test_the_authorizer_is_told_who_asks_for_what(owners: OwnersOnly) -> None:
    with as_principal(Principal(sub="ann")):
        assert is_allowed(EventResource("ann"), EventAction.EMIT)
        assert not is_allowed(EventResource(), EventAction.LIST)

    assert owners.asked == [
        ("ann", EventAction.EMIT, EventResource("ann")),
        ("ann", EventAction.LIST, EventResource(None)),
    ]


def test_the_kind_as_a_whole_is_not_a_thing_called_none() -> None:
    assert WorkflowResource() != WorkflowResource("None")
    assert WorkflowResource().resource_id is None
    assert FileResource().resource_id is None
    assert {kind.value for kind in ResourceType} == {
        "Workflow",
        "Agent",
        "Rule",
        "Entity",
        "Event",
        "File",
        "HumanTask",
        "ObjectConfig",
        "System",
    }


@pytest.mark.usefixtures("services")
def test_public_actions_are_allowed_whatever_the_policies_say(owners: OwnersOnly) -> None:
    validate_authorization_for(SystemResource(), HealthAction.VIEW)

    assert owners.asked == []
    assert frozenset({HealthAction.VIEW, LinkAction.FOLLOW}) == PUBLIC_ACTIONS
    with pytest.raises(Unauthenticated):
        validate_authorization_for(SystemResource(), SystemAction.VIEW_INFO)


def test_a_file_has_one_name_for_policies_however_its_id_is_written() -> None:
    written = ["01900000-0000-7000-8000-00000000000a", "01900000-0000-7000-8000-00000000000A", "0190000000007000800000000000000a"]
    assert {FileResource(each).resource_id for each in written} == {written[0]}
    assert FileResource("no id").resource_id == "no id"


@pytest.mark.usefixtures("services")
def test_a_list_shows_only_what_the_caller_may_see_and_floods_no_log(caplog: pytest.LogCaptureFixture) -> None:
    with as_principal(Principal(sub="ann")), caplog.at_level(logging.INFO):
        shown = filter_allowed(["bob", "ann", "zoe"], WorkflowAction.VIEW_DETAILS, WorkflowResource)

    assert shown == ["ann"]
    assert caplog.records == []


@pytest.mark.usefixtures("services")
def test_what_a_policy_decided_is_logged_under_an_id(caplog: pytest.LogCaptureFixture) -> None:
    with as_principal(Principal(sub="ann")), caplog.at_level(logging.INFO):
        is_allowed(WorkflowResource("ann"), WorkflowAction.RUN)
        is_allowed(WorkflowResource("bob"), WorkflowAction.RUN)

    granted, denied = caplog.records
    assert (granted.levelname, granted.getMessage()) == ("INFO", "authorization granted")
    assert (denied.levelname, denied.getMessage()) == ("WARNING", "authorization denied")
    fields = vars(denied)["planar_fields"]
    assert fields.pop("decision_id") != vars(granted)["planar_fields"]["decision_id"]
    assert fields == {
        "principal": "ann",
        "action": "Workflow::Run",
        "resource_type": "Workflow",
        "resource_id": "bob",
        "reasons": ["owners"],
    }


def test_an_authorizer_that_fails_lets_nobody_pass() -> None:
    class Broken:
        def decide(self, principal: Principal | None, action: Action, resource: ResourceDescriptor) -> Decision:
            raise ConnectionError

    services = Services()
    services.add(Authorizer, Broken())
    with bind_services(services), pytest.raises(ConnectionError):
        validate_authorization_for(WorkflowResource(), WorkflowAction.LIST)
