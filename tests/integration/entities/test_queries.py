"""Lists are filtered, ordered, searched, cut into pages and grouped; what cannot be understood is named."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.entities.conftest import Entities, misfits

pytestmark = pytest.mark.anyio


async def texts(api: Entities, *filters: str, **params: Any) -> list[str]:
    """The texts of the samples that are found."""
    return [item["data"]["text"] for item in (await api.list("Sample", *filters, **{"sort": "text", **params}))["items"]]


async def test_each_operator_finds_what_it_says(api: Entities) -> None:
    await api.make_many(
        "Sample",
        [
            {"text": "a", "number": 1, "price": "10.00", "day": "2024-01-01", "level": "gold", "maybe": "Größe", "labels": ["x", 1, None]},
            {"text": "b", "number": 2, "price": "9.50", "day": "2024-01-02", "level": "bronze", "maybe": "GRÖSSE", "labels": ["1", True]},
            {"text": "c", "number": 3, "price": "123456789.10", "level": "silver", "maybe": "50%_*?[x]", "labels": []},
            {"text": "d", "number": 4, "moment": "2024-01-01T00:00:00Z", "flag": True, "labels": ["a,b"], "anything": "x"},
        ],
    )
    expected = {
        "number:eq:2": "b",
        "number:ne:2": "acd",
        "number:gt:2": "cd",
        "number:ge:2": "bcd",
        "number:lt:2": "a",
        "number:le:2": "ab",
        "number:in:1,4,9": "ad",
        "number:not_in:1,4": "bc",
        "number:between:2,3": "bc",
        "price:gt:9.50": "ac",
        "price:eq:10": "a",
        "price:ge:123456789.1": "c",
        "price:between:9.49,10.00": "ab",
        "price:ne:10": "bc",
        "price:is_null:true": "d",
        "price:is_null": "d",
        "price:is_null:false": "abc",
        "day:lt:2024-01-02": "a",
        "moment:eq:2024-01-01T01:00:00+01:00": "d",
        "flag:eq:true": "d",
        "flag:ne:true": "abc",
        "level:eq:gold": "a",
        "level:in:silver,bronze": "bc",
        "maybe:like:Gr%": "a",
        "maybe:like:%ö_e": "a",
        "maybe:ilike:gr%": "ab",
        "maybe:ilike:%Ö%": "ab",
        "maybe:like:50\\%\\_*?[x]": "c",
        "maybe:like:%[x]": "c",
        "maybe:contains:ß": "a",
        "maybe:contains:%_": "c",
        "maybe:contains:gr": "",
        "labels:contains:x": "a",
        "labels:contains:1": "a",
        'labels:contains:"1"': "b",
        "labels:contains:true": "b",
        "labels:contains:null": "a",
        "labels:contains:a,b": "d",
        "anything:is_null": "abc",
        'text:in:"a","d"': "ad",
        "text:ge:b": "bcd",
        "other:is_null:false": "",
    }
    for given, found in expected.items():
        assert "".join(await texts(api, given)) == found, given
    assert await texts(api, "number:ge:2", "number:le:3", "flag:eq:false") == ["b", "c"]


async def test_values_with_commas_and_quotes_are_written_in_quotes(api: Entities) -> None:
    await api.make_many("Sample", [{"text": 'a,"b"'}, {"text": "a:b"}, {"text": ""}])
    assert await texts(api, 'text:in:"a,""b""",x') == ['a,"b"']
    assert await texts(api, "text:eq:a:b") == ["a:b"]
    assert await texts(api, "text:eq:") == [""]


async def test_texts_are_ordered_by_their_characters(api: Entities) -> None:
    words = ["ä", "Z", "a", "_", "B", "é", "zz", "", "A b", "Ab"]
    await api.make_many("Sample", [{"text": word} for word in words])
    assert await texts(api) == sorted(words)
    assert await texts(api, sort="-text") == sorted(words, reverse=True)
    assert await texts(api, "text:gt:Z") == sorted(word for word in words if word > "Z")


async def test_missing_values_come_last_and_enumerations_in_their_order(api: Entities) -> None:
    rows = [{"text": "a", "level": "bronze"}, {"text": "b"}, {"text": "c", "level": "gold"}, {"text": "d", "level": "silver"}]
    await api.make_many("Sample", rows)
    assert await texts(api, sort="level") == ["c", "d", "a", "b"]
    assert await texts(api, sort="-level") == ["a", "d", "c", "b"]


async def test_a_search_does_not_care_for_case_and_knows_no_signs(api: Entities) -> None:
    await api.make_many(
        "Customer",
        [{"name": "Jörg Müller", "email": "jm@x"}, {"name": "MÜLLER Ann", "notes": "100%"}, {"name": "Bea", "email": "b_@x"}],
    )

    async def names(search: str) -> list[str]:
        return [item["data"]["name"] for item in (await api.list("Customer", search=search, sort="name"))["items"]]

    assert await names("müller") == ["Jörg Müller", "MÜLLER Ann"]
    assert await names("MÜLLER jm") == ["Jörg Müller"]
    assert await names("%") == ["MÜLLER Ann"]
    assert await names("_") == ["Bea"]
    assert await names("nobody") == []


async def test_only_the_fields_that_are_asked_for_are_shown(api: Entities) -> None:
    await api.make("Customer", name="Ann")
    (item,) = (await api.list("Customer", fields="name,level"))["items"]
    assert item["data"] == {"name": "Ann", "level": "bronze"}


async def test_hidden_fields_are_nowhere(api: Entities) -> None:
    await api.make("Customer", name="Ann")
    for params in (
        {"filter": "secret:eq:x"},
        {"filter": "secret:is_null"},
        {"sort": "secret"},
        {"fields": "secret"},
    ):
        assert misfits(await api.ask("GET", "/Customer/instances", params=params))
    assert misfits(await api.ask("GET", "/Customer/groups", params={"by": "secret"}))
    await api.make("Order", number="1")
    assert misfits(await api.ask("GET", "/Order/instances", params={"filter": "customer.secret:eq:x"}))
    assert misfits(await api.ask("GET", "/Order/instances", params={"sort": "customer.secret"}))
    details = await api.get("/Customer")
    assert "secret" not in str(details)


async def test_pages_follow_each_other_whatever_is_inserted_meanwhile(api: Entities) -> None:
    await api.make_many("Sample", [{"text": f"t{n % 7}", "number": n % 3, "level": ["gold", None, "silver"][n % 3]} for n in range(50)])
    for sort in ("text", "-text,number", "level,-text", "-level", None, "-number,level,text", "id", "-id", "price", "flag,-text"):
        params = {} if sort is None else {"sort": sort}
        whole = [item["id"] for item in (await api.list("Sample", "number:ge:0", **params))["items"]]
        found: list[str] = []
        after: str | None = None
        while True:
            page = await api.list("Sample", "number:ge:0", limit=7, **params, **({"after": after} if after else {}))
            assert page["total"] == 50
            found += [item["id"] for item in page["items"]]
            after = page["next"]
            if after is None:
                break
        assert found == whole, sort
        offsets = [item["id"] for start in range(0, 50, 7) for item in (await api.list("Sample", limit=7, offset=start, **params))["items"]]
        assert offsets == whole, sort
    first = await api.list("Sample", sort="text", limit=10)
    await api.make_many("Sample", [{"text": "a"}, {"text": "t9"}])
    second = await api.list("Sample", sort="text", limit=100, after=first["next"])
    assert len(second["items"]) == 41
    assert not {item["id"] for item in first["items"]} & {item["id"] for item in second["items"]}


async def test_groups_are_counted(api: Entities) -> None:
    rows = [{"text": str(n), "level": ["gold", None, "silver", "gold"][n % 4], "flag": n % 2 == 0} for n in range(8)]
    await api.make_many("Sample", rows)
    found = await api.get("/Sample/groups", by="level")
    assert found["items"] == [
        {"values": {"level": "gold"}, "count": 4},
        {"values": {"level": "silver"}, "count": 2},
        {"values": {"level": None}, "count": 2},
    ]
    assert found["total"] == 3
    page = await api.get("/Sample/groups", by="level,flag", limit=1, offset=1, filter="level:eq:gold")
    assert page["items"] == [{"values": {"level": "gold", "flag": True}, "count": 2}]
    assert page["total"] == 2


MISTAKES: list[tuple[dict[str, Any], str, str]] = [
    ({"filter": "nothing:eq:1"}, "query.filter.0", "Fields: id,"),
    ({"filter": ["number:eq:1", "number:near:1"]}, "query.filter.1", "Operators: eq, ne"),
    ({"filter": "number"}, "query.filter.0", "field:operator:value"),
    ({"filter": "number:eq:x"}, "query.filter.0", "'x' is not an integer"),
    ({"filter": "number:eq:" + "9" * 30}, "query.filter.0", "from -2147483648"),
    ({"filter": "number:eq:" + "9" * 5000}, "query.filter.0", "is not an integer"),
    ({"filter": "big:in:1,9223372036854775808"}, "query.filter.0", "integer from"),
    ({"filter": "ratio:gt:nan"}, "query.filter.0", "finite"),
    ({"filter": "price:gt:1e5000"}, "query.filter.0", "digits"),
    ({"filter": "price:gt:sNaN"}, "query.filter.0", "finite"),
    ({"filter": "level:eq:iron"}, "query.filter.0", "gold, silver, bronze"),
    ({"filter": "level:gt:gold"}, "query.filter.0", "Operators: eq, ne, in, not_in, is_null"),
    ({"filter": "day:eq:2024-02-30"}, "query.filter.0", "is not a date"),
    ({"filter": "moment:eq:2024-01-01T00:00:00"}, "query.filter.0", "timezone"),
    ({"filter": "moment:eq:0001-01-01T00:00:00+14:00"}, "query.filter.0", "years 1 to 9999"),
    ({"filter": "clock:eq:12:00:00+01:00"}, "query.filter.0", "offset"),
    ({"filter": "other:eq:1"}, "query.filter.0", "UUID"),
    ({"filter": "span:eq:soon"}, "query.filter.0", "duration"),
    ({"filter": "flag:eq:maybe"}, "query.filter.0", "neither true nor false"),
    ({"filter": "text:eq:a\0"}, "query.filter.0", "NUL"),
    ({"filter": "text:like:a\\"}, "query.filter.0", "backslash"),
    ({"filter": "number:between:1"}, "query.filter.0", "two values"),
    ({"filter": "price:is_null:perhaps"}, "query.filter.0", "true or false"),
    ({"filter": "labels:contains:[1]"}, "query.filter.0", "Lists are looked through"),
    ({"filter": "labels:contains:a\0"}, "query.filter.0", "NUL"),
    ({"filter": "labels:eq:a"}, "query.filter.0", "Operators: is_null, contains"),
    ({"filter": "raw:eq:a"}, "query.filter.0", "Operators: is_null"),
    ({"filter": "nobody.name:eq:1"}, "query.filter.0", "Relations: none"),
    ({"filter": ["number:eq:1"] * 51}, "query.filter", "more than 50"),
    ({"filter": "text:eq:" + "x" * 10_001}, "query.filter.0", "at most 10000"),
    ({"filter": 'text:in:"a'}, "query.filter.0", "double quotes"),
    ({"sort": "nothing"}, "query.sort.0", "Fields: id,"),
    ({"sort": "text,labels"}, "query.sort.1", "no order"),
    ({"sort": "text,"}, "query.sort.1", "no field ''"),
    ({"fields": "text,nothing"}, "query.fields.1", "Fields: id,"),
    ({"expand": "nobody"}, "query.expand.0", "Relations: none"),
    ({"after": "x"}, "query.after", "not a cursor"),
    ({"after": "AAAA\0"}, "query.after", "not a cursor"),
    ({"search": "a\0"}, "query.search", "NUL"),
    ({"limit": 0}, "query.limit", ""),
    ({"limit": 1001}, "query.limit", ""),
    ({"offset": -1}, "query.offset", ""),
    ({"skip": 10**30}, "query.skip", ""),
    ({"skip": 1, "offset": 2}, "query.skip", "one of them"),
    ({"deleted": "perhaps"}, "query.deleted", ""),
]


async def test_what_cannot_be_understood_is_named(api: Entities) -> None:
    for params, place, says in MISTAKES:
        found = misfits(await api.ask("GET", "/Sample/instances", params=params))
        assert set(found) == {place}, params
        assert says in found[place], params


async def test_a_cursor_belongs_to_its_order(api: Entities) -> None:
    await api.make_many("Sample", [{"text": str(n), "moment": "2024-01-01T00:00:00Z"} for n in range(3)])
    first = await api.list("Sample", limit=1, sort="text")
    answer = await api.ask("GET", "/Sample/instances", params={"after": first["next"], "sort": "-text"})
    assert "another order" in misfits(answer)["query.after"]
    assert misfits(await api.ask("GET", "/City/instances", params={"after": first["next"], "sort": "name"}))
    for place in range(0, len(first["next"]), 3):
        broken = first["next"][:place] + "A" + first["next"][place + 1 :]
        answer = await api.ask("GET", "/Sample/instances", params={"after": broken, "sort": "text"})
        assert answer.status_code in (200, 422), answer.text


async def test_long_values_make_no_long_cursors(api: Entities) -> None:
    texts = sorted(sign * 30_000 + end for sign in "aü😀" for end in "01")
    made = await api.make_many("Sample", [{"text": text, "maybe": text[-1]} for text in texts])
    by_end = sorted(sorted(texts, reverse=True), key=lambda text: text[-1])
    for sort, wanted in (("text", texts), ("maybe,-text", by_end)):
        seen, page = [], await api.list("Sample", limit=1, sort=sort)
        while page.get("next"):
            assert len(page["next"]) <= 2000
            seen += page["items"]
            page = await api.list("Sample", limit=1, sort=sort, after=page["next"])
        assert [item["data"]["text"] for item in [*seen, *page["items"]]] == wanted
    after = (await api.list("Sample", limit=1, sort="text"))["next"]
    first = next(row for row in made if row["data"]["text"] == texts[0])
    await api.ask("DELETE", f"/Sample/instances/{first['id']}")
    answer = await api.ask("GET", "/Sample/instances", params={"sort": "text", "after": after})
    assert "is gone" in misfits(answer)["query.after"]


async def test_an_entity_may_allow_smaller_pages_only(api: Entities) -> None:
    assert (await api.list("Note"))["limit"] == 50
    assert misfits(await api.ask("GET", "/Note/instances", params={"limit": 51})) == {
        "query.limit": "Input should be less than or equal to 50"
    }


async def test_names_of_the_reference_still_work(api: Entities) -> None:
    await api.make_many("City", [{"name": str(n)} for n in range(5)])
    page = await api.list("City", skip=3)
    assert ([item["data"]["name"] for item in page["items"]], page["total"], page["offset"], page["limit"]) == (["3", "4"], 5, 3, 100)
    assert (await api.list("City", total=False))["total"] is None
