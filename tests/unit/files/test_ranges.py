from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as some

from planar.files.ranges import NotModified, Part, Unsatisfiable, Validators, Whole, names, part_of, wanted

THIS = Validators('"abc"', datetime(2026, 1, 2, 3, 4, 5, 999, tzinfo=UTC))


@given(
    some.integers(0, 10**6), some.one_of(some.text(max_size=60), some.from_regex(r"bytes=-?\d{0,20}-?\d{0,20}(,\d*-\d*)*", fullmatch=True))
)
def test_whatever_is_asked_a_part_lies_in_the_file(size: int, header: str) -> None:
    found = part_of(size, header)
    assert isinstance(found, (Whole, Part, Unsatisfiable))
    if isinstance(found, Part):
        assert 0 <= found.start < found.end <= size


@given(some.integers(1, 1000), some.data())
def test_a_range_means_what_the_standard_says(size: int, data: some.DataObject) -> None:
    first = data.draw(some.integers(0, size - 1))
    last = data.draw(some.integers(first, 2 * size))
    content = bytes(number % 256 for number in range(size))
    part = part_of(size, f"bytes={first}-{last}")
    assert isinstance(part, Part)
    assert content[part.start : part.end] == content[first : last + 1]
    tail = part_of(size, f"bytes=-{last + 1}")
    assert isinstance(tail, Part)
    assert content[tail.start : tail.end] == content[-(last + 1) :]


def test_an_empty_file_has_no_part() -> None:
    for header in ("bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0"):
        assert part_of(0, header) == Unsatisfiable()


def test_what_the_client_has_counts_before_what_it_asks() -> None:
    assert wanted(10, THIS, range_="bytes=0-1", if_none_match='"abc"') == NotModified()
    assert wanted(10, THIS, range_="bytes=0-1", if_range='"abc"') == Part(0, 2)
    assert wanted(10, THIS, range_="bytes=0-1", if_range='W/"abc"') == Whole()
    assert wanted(10, THIS, range_="bytes=0-1", if_range="Fri, 02 Jan 2026 03:04:05 GMT") == Part(0, 2)
    assert wanted(10, THIS, range_="bytes=0-1", if_range="Fri, 02 Jan 2026 03:04:06 GMT") == Whole()
    assert wanted(10, THIS) == Whole()


def test_an_etag_is_named_in_a_list() -> None:
    assert names('"x", W/"abc"', '"abc"')
    assert not names("abc", '"abc"')
    assert not names('"abcd"', '"abc"')
