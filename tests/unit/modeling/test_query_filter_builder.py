"""Queries are narrowed, ordered and cut; the count is that of the rows, also where they are grouped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import MetaData
from sqlalchemy.orm import registry
from sqlmodel import Field, Session, SQLModel, create_engine, func, select

from planar.modeling.errors import InvalidFilter
from planar.modeling.orm.query_filter_builder import SortDirection, build_paginated_query


class Shop(SQLModel, registry=registry(metadata=MetaData())):
    """Keeps these tables apart from those of other tests."""


class Article(Shop, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    price: int
    color: str | None = None


class Review(Shop, table=True):
    id: int | None = Field(default=None, primary_key=True)
    article_id: int


ARTICLES = [("apple", 3, "red"), ("Beer", 5, None), ("cherry", 3, "red"), ("date", 9, "brown"), ("elder", 5, None)]


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    engine = create_engine("sqlite://")
    Shop.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Article(id=i, name=n, price=p, color=c) for i, (n, p, c) in enumerate(ARTICLES, start=1)])
        session.add_all([Review(article_id=1), Review(article_id=1), Review(article_id=2)])
        session.commit()
        yield session
    engine.dispose()


def found(session: Session, *filters: tuple[Any, str, Any]) -> set[str]:
    query, count = build_paginated_query(select(Article), list(filters))
    articles = session.exec(query).all()
    assert session.exec(count).one() == len(articles)
    return {article.name for article in articles}


@pytest.mark.parametrize(
    ("operator", "value", "names"),
    [
        ("=", 5, {"Beer", "elder"}),
        ("==", 5, {"Beer", "elder"}),
        ("!=", 5, {"apple", "cherry", "date"}),
        (">", 5, {"date"}),
        (">=", 5, {"Beer", "elder", "date"}),
        ("<", 5, {"apple", "cherry"}),
        ("<=", 3, {"apple", "cherry"}),
        ("in", [3, 9], {"apple", "cherry", "date"}),
        ("in", [], set()),
        ("not_in", (3, 9), {"Beer", "elder"}),
    ],
)
def test_every_comparison_selects_what_it_says(session: Session, operator: str, value: Any, names: set[str]) -> None:
    assert found(session, (Article.price, operator, value)) == names


def test_patterns_match_text(session: Session) -> None:
    assert found(session, (Article.name, "like", "%rr%")) == {"cherry"}
    assert found(session, (Article.name, "ilike", "b%")) == {"Beer"}


@pytest.mark.parametrize(
    ("operator", "value", "names"),
    [
        ("is_null", True, {"Beer", "elder"}),
        ("is_null", None, {"Beer", "elder"}),
        ("is_null", False, {"apple", "cherry", "date"}),
        ("is_not_null", True, {"apple", "cherry", "date"}),
        ("is_not_null", False, {"Beer", "elder"}),
    ],
)
def test_missing_values_can_be_asked_for(session: Session, operator: str, value: bool | None, names: set[str]) -> None:
    assert found(session, (Article.color, operator, value)) == names


def test_filters_add_up_and_an_empty_one_is_left_out(session: Session) -> None:
    assert found(session, (Article.price, ">", 3), (Article.color, "is_null", True), (Article.name, "=", None)) == {"Beer", "elder"}


@pytest.mark.parametrize(
    ("filters", "rest", "message"),
    [
        ([(Article.price, "=>", 1)], {}, "no operator '=>'.*is_not_null"),
        ([(Article.price, "in", "abc")], {}, "list of values"),
        ([(Article.price, "in", 3)], {}, "list of values"),
        ([(Article.price, "is_null", 3)], {}, "True, False or None"),
        ([], {"offset": -1}, "0 or more, not -1"),
        ([], {"limit": -5}, "0 or more, not -5"),
        ([], {"order_direction": "up"}, "'asc' or 'desc', not 'up'"),
        ([("name", "=", "apple")], {}, "as the attribute of its class, not as the text 'name'"),
        ([], {"order_by": "name"}, "not as the text 'name'"),
    ],
)
def test_what_cannot_be_understood_is_refused(filters: Any, rest: Any, message: str) -> None:
    with pytest.raises(InvalidFilter, match=message):
        build_paginated_query(select(Article), filters, **rest)


def test_the_default_direction_is_largest_first(session: Session) -> None:
    for direction, first in (
        (None, "date"),
        ("desc", "date"),
        (SortDirection.DESC, "date"),
        ("asc", "apple"),
        (SortDirection.ASC, "apple"),
    ):
        query, _ = build_paginated_query(select(Article), order_by=Article.price, order_direction=direction)
        assert session.exec(query).all()[0].name == first


def test_pages_do_not_overlap_although_the_order_has_ties(session: Session) -> None:
    names: list[str] = []
    for offset in range(0, 6, 2):
        query, count = build_paginated_query(select(Article), offset=offset, limit=2, order_by=Article.price, order_direction="asc")
        assert session.exec(count).one() == 5
        names.extend(article.name for article in session.exec(query).all())
    assert names == ["apple", "cherry", "Beer", "elder", "date"]


def test_several_columns_may_give_the_order(session: Session) -> None:
    query, _ = build_paginated_query(select(Article), order_by=[Article.price, Article.name], order_direction="asc")
    assert [article.name for article in session.exec(query).all()] == ["apple", "cherry", "Beer", "elder", "date"]


def test_grouped_rows_are_counted_as_groups(session: Session) -> None:
    grouped = select(Article.price, func.count()).group_by(Article.price)
    query, count = build_paginated_query(grouped, limit=1, order_by=Article.price, order_direction="asc")
    assert session.exec(query).all() == [(3, 2)]
    assert session.exec(count).one() == 3


def test_distinct_rows_are_counted_once(session: Session) -> None:
    query, count = build_paginated_query(select(Article.color).distinct(), [(Article.color, "is_not_null", True)])
    assert set(session.exec(query).all()) == {"red", "brown"}
    assert session.exec(count).one() == 2


def test_joined_rows_are_counted_as_joined(session: Session) -> None:
    joined = select(Article, Review).outerjoin(Review, Review.article_id == Article.id)  # type: ignore[arg-type]
    query, count = build_paginated_query(joined, [(Article.price, "<=", 5)], limit=2)
    assert len(session.exec(query).all()) == 2
    assert session.exec(count).one() == 5
