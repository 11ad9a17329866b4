"""Is what is wrong with a graph found, where it is, and is nothing found in what is right?"""

from __future__ import annotations

import json
from typing import Any

import pytest

from planar.clock import SYSTEM_CLOCK
from planar.rules.checking.checks import check_graph
from planar.rules.checking.fields import names_in
from planar.rules.checking.findings import Finding
from planar.rules.graph import JDMGraph, schema_of, starting_graph
from tests.unit.rules.shop import ALL, Order, Verdict, table


def found(graph: JDMGraph) -> list[Finding]:
    return check_graph(graph, takes=Order, gives=Verdict, name="judge", known_rules=["judge", "other"])


def told(graph: JDMGraph) -> list[tuple[str, int | None]]:
    return [(finding.code.value, finding.row) for finding in found(graph)]


def test_nothing_is_wrong_with_the_graph_that_a_rule_begins_with() -> None:
    assert found(starting_graph(Order, Verdict)) == []
    assert starting_graph(Order, Verdict) == starting_graph(Order, Verdict)


@pytest.mark.parametrize(
    "rows",
    [
        [{"amount": "> 5"}, {"amount": "<= 5"}],
        [{"count": "> 5"}, {"count": "< 6"}],
        [{"tier": "'gold'"}, {"tier": '"silver"'}],
        [{"vip": "true"}, {"vip": "false"}],
        [{"amount": "[0..10)"}, {"amount": "< 0"}, {"amount": ">= 10"}],
        [{"count": "not in [1, 2]"}, {"count": "1, 2"}],
        [{"amount": "> 5 and < 10"}, {}],
        [{"amount": "> abs(count)"}, {}],
        [{"tier": "'gold'", "vip": "true"}, {"tier": "'gold'"}, {"vip": "false"}, {"count": "> 0"}, {"count": "<= 0"}],
        [{"customer.country": "'DE'"}, {"customer.country": "!= 'DE'"}],
        [{"note": "'a'"}, {"note": "!= 'a'"}],
    ],
)
def test_a_table_that_decides_everything_is_right(rows: list[dict[str, str]]) -> None:
    names = tuple(dict.fromkeys(name for row in rows for name in row))
    codes = {code for code, _ in told(table(*({**row, **ALL} for row in rows), inputs=names))}
    assert codes <= {"UNKNOWN_FIELD"}


@pytest.mark.parametrize(
    ("rows", "example"),
    [
        ([{"amount": "> 5"}, {"amount": "< 5"}], "amount = 5"),
        ([{"count": "> 5"}, {"count": "< 5"}], "count = 5"),
        ([{"count": "> 6"}, {"count": "< 5"}], "count = 5"),
        ([{"tier": "'gold'", "vip": "true"}, {"tier": "'silver'"}], 'tier = "gold", vip = false'),
        ([{"customer.country": "'DE'"}], "customer.country = any other value"),
        ([{"amount": "(1..2]"}, {"amount": "<= 1"}, {"amount": "> 3"}], "amount = 2.5"),
    ],
)
def test_a_gap_is_shown_by_an_example(rows: list[dict[str, str]], example: str) -> None:
    names = tuple(dict.fromkeys(name for row in rows for name in row))
    (gap,) = found(table(*({**row, **ALL} for row in rows), inputs=names))
    assert gap.code.value == "UNCOVERED_VALUES"
    assert example in gap.message


@pytest.mark.parametrize(
    ("rows", "row", "code"),
    [
        ([{"count": "> 5"}, {"count": "> 7"}, {}], 2, "UNREACHABLE_ROW"),
        ([{"count": "> 5"}, {"count": "<= 5"}, {"tier": "'gold'"}], 3, "UNREACHABLE_ROW"),
        ([{"tier": "'gold'"}, {"tier": "'silver'"}, {}], 3, "UNREACHABLE_ROW"),
        ([{"count": "> 5"}, {"count": "> 5"}, {}], 2, "DUPLICATE_ROW"),
        ([{"tier": "'platinum'"}, {}], 1, "UNREACHABLE_ROW"),
        ([{"count": "> 5 and < 6"}, {}], 1, "UNREACHABLE_ROW"),
        ([{"amount": "> abs(count)", "vip": "true"}, {"amount": "> abs(count)", "vip": "true", "count": "1"}, {}], 2, "UNREACHABLE_ROW"),
    ],
)
def test_a_row_that_decides_nothing_is_found(rows: list[dict[str, str]], row: int, code: str) -> None:
    assert (code, row) in told(table(*({**each, **ALL} for each in rows)))


def test_a_row_of_which_it_cannot_be_said_hides_no_other() -> None:
    codes = told(table({"amount": "> abs(count)", **ALL}, {"amount": "> 3", **ALL}, ALL))
    assert codes == []


def test_rows_that_overlap_are_told_under_collect_only() -> None:
    rows = [{"count": "[1..5]", **ALL}, {"count": "4", **ALL}, {"count": "< 1", **ALL}, {"count": "> 5", **ALL}]
    graph = table(*rows, hit_policy="collect")
    graph.nodes[1].content.passThrough = True  # type: ignore[union-attr]
    assert told(graph) == [("OVERLAPPING_ROWS", 2)]
    assert told(table(*rows)) == [("UNREACHABLE_ROW", 2)]


@pytest.mark.parametrize(
    ("cell", "column"), [("'x'", "amount"), ("5", "tier"), ("'yes'", "vip"), ("true", "count"), ("> 'a'", "amount"), ("[1..2]", "tier")]
)
def test_a_cell_that_can_never_match_is_an_error(cell: str, column: str) -> None:
    (wrong, *_) = found(table({column: cell, **ALL}, ALL))
    assert (wrong.code.value, wrong.severity.value, wrong.row, wrong.column) == ("WRONG_TYPE", "error", 1, column)


def test_large_tables_are_compared_or_left_alone_in_time() -> None:
    graph = table(*({"count": f"[{n}..{n + 1}]", "vip": "true", **ALL} for n in range(0, 400, 2)), ALL)
    assert found(graph) == []


def schema(graph: JDMGraph, node: int, change: Any) -> JDMGraph:
    stored = json.loads(graph.nodes[node].content.schema_)  # type: ignore[union-attr]
    change(stored)
    graph.nodes[node].content.schema_ = json.dumps(stored)  # type: ignore[union-attr]
    return graph


def test_what_is_only_for_people_does_not_count() -> None:
    def rename(stored: dict[str, Any]) -> None:
        stored["title"] = "Something"
        stored["properties"]["count"] |= {"title": "Pieces", "description": "How many", "examples": [1], "default": 3}

    assert found(schema(starting_graph(Order, Verdict), 0, rename)) == []


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        (lambda s: s["properties"].pop("count"), "MISSING_FIELD", "count"),
        (lambda s: s["properties"].update(extra={"type": "string"}), "EXTRA_FIELD", "extra"),
        (lambda s: s["properties"]["count"].update(type="string"), "VALUE_MISMATCH", "count.type"),
        (lambda s: s["required"].remove("count"), "VALUE_MISMATCH", "required"),
        (lambda s: s["$defs"]["Customer"]["properties"].pop("age"), "MISSING_FIELD", "customer.age"),
        (lambda s: s["$defs"]["Tier"]["enum"].append("bronze"), "VALUE_MISMATCH", "tier.enum"),
        (lambda s: s["$defs"]["Customer"]["required"].remove("age"), "VALUE_MISMATCH", "customer.required"),
    ],
)
def test_a_schema_that_differs_from_the_code_is_an_error_at_its_field(change: Any, code: str, path: str) -> None:
    (wrong, *_) = found(schema(starting_graph(Order, Verdict), 0, change))
    assert (wrong.code.value, wrong.field_path, wrong.for_object) == (code, path, "inputNode")


def test_a_schema_that_says_the_same_without_references_is_the_same() -> None:
    graph = starting_graph(Order, Verdict)
    graph.nodes[0].content.schema_ = graph.nodes[0].content.schema_.replace("$defs", "definitions")  # type: ignore[union-attr]
    assert found(graph) == []
    assert "$defs" in schema_of(Order)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("amount * 2 + tax.rate", ["amount", "tax.rate"]),
        ("len(items) > 0 and not vip", ["items", "vip"]),
        ('"amount" + name', ["name"]),
        ("$.earlier + $root.amount + #.x", []),
        ("{a: one, b: two}", ["one", "two"]),
        ("vip ? yes : no", ["vip", "yes", "no"]),
        ("x[0].y", ["x"]),
        ("a == b", ["a", "b"]),
        ("`text ${a}`", []),
        ("true or null", []),
    ],
)
def test_the_fields_that_an_expression_names(text: str, names: list[str]) -> None:
    assert list(names_in(text)) == names


def test_a_field_of_a_nested_type_that_does_not_exist() -> None:
    codes = [(each.code.value, each.field_path) for each in found(table(ALL, inputs=("customer.city", "customer.age")))]
    assert ("UNKNOWN_FIELD", "customer.city") in codes
    assert all(path != "customer.age" for _, path in codes)


def test_a_table_that_would_take_for_ever_to_compare_is_given_up() -> None:
    names = ("amount", "count", "customer.age")
    rows = [{name: f"{n % 97 + 100 * place}" for place, name in enumerate(names)} | ALL for n in range(400)]
    begin = SYSTEM_CLOCK.monotonic()
    found(table(*rows, inputs=names))
    assert SYSTEM_CLOCK.monotonic() - begin < 15


def with_schema(schema: object) -> JDMGraph:
    graph = table(ALL).model_dump(mode="json")
    graph["nodes"][0]["content"] = {"schema": schema if isinstance(schema, str) else json.dumps(schema)}
    return JDMGraph.model_validate(graph)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "http://localhost/x.json", "other.json", "#anchor"])
def test_a_schema_refers_to_itself_alone(target: str) -> None:
    assert "BAD_SCHEMA" in [code for code, _ in told(with_schema({"properties": {"amount": {"items": [{"$ref": target}]}}}))]


def test_a_schema_that_doubles_with_each_definition_is_refused_at_once() -> None:
    definitions = {f"d{n}": {"properties": {side: {"$ref": f"#/$defs/d{n + 1}"} for side in "abcdefgh"}} for n in range(40)}
    assert told(with_schema({"$ref": "#/$defs/d0", "$defs": definitions}))[0][0] == "BAD_SCHEMA"


@pytest.mark.parametrize("schema", ["[" * 190 + "]" * 190, '{"a":' * 190 + "1" + "}" * 190])
def test_a_schema_that_is_nested_too_deeply_is_refused(schema: str) -> None:
    assert told(with_schema(schema))[0][0] in ("BAD_SCHEMA", "VALUE_MISMATCH")
