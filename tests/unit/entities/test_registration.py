"""A class is read when it is registered, and a mistake in it is told at once."""

from typing import Annotated, Any, ClassVar

import pytest
from sqlalchemy import JSON, MetaData
from sqlalchemy.orm import registry

from planar import PlanarApp, sqlite_config
from planar.entities import EntityRegistry
from planar.entities.errors import EntityNameTaken, EntityNotFound, NotAnEntity, UnusableOptions
from planar.files import PlanarFile
from planar.modeling.column_types import JSONText
from planar.modeling.entity_options import EntityOptions
from planar.modeling.field_helpers import Hidden, ReadOnly, WriteOnce
from planar.modeling.mixins import SoftDeleteMixin, TimestampMixin
from planar.modeling.orm import Field, PlanarBaseEntity, SQLModel


def base() -> type[PlanarBaseEntity]:
    """A base whose tables are nobody else's."""

    class Base(PlanarBaseEntity, registry=registry(metadata=MetaData())):
        pass

    return Base


Base: Any = base()


class Bill(TimestampMixin, Base, table=True):
    """What is owed."""

    number: Annotated[str, WriteOnce] = Field(max_length=10)
    title: str
    paid: Annotated[bool, ReadOnly] = False
    secret: Annotated[str, Hidden] = "x"


def test_an_entity_knows_its_fields() -> None:
    entity = EntityRegistry().register(Bill)
    assert (entity.name, entity.key, entity.display_field, entity.description) == ("Bill", "id", "title", "What is owed.")
    assert "secret" not in entity.visible
    assert {name for name, field in entity.fields.items() if field.read_only} == {
        "id",
        "created_at",
        "updated_at",
        "created_by",
        "updated_by",
        "paid",
    }
    assert set(entity.create_model.model_fields) == {"number", "title"}
    assert set(entity.import_model.model_fields) == {"id", "number", "title"}
    assert set(entity.update_model.model_fields) == set(entity.replace_model.model_fields) == {"title"}
    assert "secret" not in entity.searchable


def test_markers_survive_with_and_without_a_field() -> None:
    class Marked(base(), table=True):  # type: ignore[misc] - a base that is made on the spot
        plain: Annotated[int, ReadOnly] = 0
        declared: Annotated[str, Hidden] = Field(default="", max_length=3, index=True)
        inside: Annotated[str | None, WriteOnce, Field(max_length=5)] = None

    fields = EntityRegistry().register(Marked).fields
    assert fields["plain"].read_only
    assert fields["declared"].hidden
    assert fields["inside"].write_once
    assert fields["inside"].column.type.length == 5


def test_a_class_is_registered_once_however_often_it_is_named() -> None:
    found = EntityRegistry()
    assert found.register(Bill) is found.register(Bill)
    assert len(found) == 1
    app = PlanarApp(config=sqlite_config(":memory:"))
    assert app.register_entity(Bill).register_entity(Bill) is app
    assert app._object_registry.get_entities() == [Bill]


def test_two_classes_of_a_name_need_two_names() -> None:
    other: Any = type("Bill", (base(),), {"__module__": "elsewhere", "__qualname__": "Bill"}, table=True)
    found = EntityRegistry()
    found.register(Bill)
    with pytest.raises(EntityNameTaken, match=r"elsewhere.Bill cannot be served as 'Bill'.*name="):
        found.register(other)
    assert found.register(other, name="other bill").name == "other bill"
    assert found.get("Bill").cls is Bill
    for unreachable in ("a/b", "", ".."):
        with pytest.raises(UnusableOptions, match="part of an address"):
            found.register(other, name=unreachable)
    with pytest.raises(EntityNotFound, match="'Nothing'"):
        found.get("Nothing")


class NoTable(SQLModel):
    id: int


class Plain(SQLModel, registry=registry(metadata=MetaData())):
    """A base without a key."""


class TwoKeys(Plain, table=True):
    left: int = Field(primary_key=True)
    right: int = Field(primary_key=True)


@pytest.mark.parametrize(
    ("thing", "says"),
    [
        (NoTable, "is not a table"),
        (dict, "is not a table"),
        (1, "is not a table"),
        (TwoKeys, r"2 columns \(left, right\), and an entity has one: give it an id"),
    ],
)
def test_what_is_no_entity_is_refused(thing: Any, says: str) -> None:
    with pytest.raises(NotAnEntity, match=says):
        EntityRegistry().register(thing)
    with pytest.raises(TypeError, match=says):
        PlanarApp(config=sqlite_config(":memory:")).register_entity(thing)


def declared(options: Any, *mixins: type) -> Any:
    class Thing(*mixins, base(), table=True):  # type: ignore[misc] - bases that are made on the spot
        entity_options: ClassVar[Any] = options
        name: str
        number: int = 0
        secret: Annotated[str, Hidden] = ""

    return Thing


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (EntityOptions(soft_delete=True), "derive it from SoftDeleteMixin"),
        (EntityOptions(display_field="nothing"), "names 'nothing'.*It shows: id"),
        (EntityOptions(display_field="secret"), "names 'secret'"),
        (EntityOptions(search_fields=("number",)), "'number', which is not a text"),
        (EntityOptions(search_fields=("secret",)), "names 'secret'"),
        ({"soft_delete": True}, "is an EntityOptions"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: Any, says: str) -> None:
    with pytest.raises(UnusableOptions, match=says):
        EntityRegistry().register(declared(options))


def test_options_that_fit_are_taken() -> None:
    entity = EntityRegistry().register(
        declared(EntityOptions(soft_delete=True, search_fields=("name",), display_field="number"), SoftDeleteMixin)
    )
    assert (entity.searchable, entity.display_field, entity.fields["deleted_at"].read_only) == (("name",), "number", True)
    for wrong in ({"max_page": 0}, {"max_page": 1001}, {"search_fields": "name"}):
        with pytest.raises(ValueError, match=r"max_page|tuple"):
            EntityOptions(**wrong)


def test_a_field_that_nobody_could_give_is_refused() -> None:
    class Stuck(base(), table=True):  # type: ignore[misc] - a base that is made on the spot
        number: Annotated[int, ReadOnly]

    with pytest.raises(UnusableOptions, match=r"Stuck.number must be given, and nobody may give it"):
        EntityRegistry().register(Stuck)


def test_files_in_a_json_column_are_refused_with_what_to_do() -> None:
    class Folder(base(), table=True):  # type: ignore[misc] - a base that is made on the spot
        scans: list[PlanarFile] = Field(default_factory=list, sa_type=JSON)

    class Sleeve(base(), table=True):  # type: ignore[misc] - a base that is made on the spot
        scan: PlanarFile | None = Field(default=None, sa_type=JSONText)

    class Names(base(), table=True):  # type: ignore[misc] - a base that is made on the spot
        scans: list[str] = Field(default_factory=list, sa_type=JSON)

    for cls, name in ((Folder, "Folder.scans"), (Sleeve, "Sleeve.scan")):
        with pytest.raises(UnusableOptions, match=rf"{name} cannot hold a PlanarFile in a JSON column.*file_field\(\)"):
            EntityRegistry().register(cls)
    EntityRegistry().register(Names)
