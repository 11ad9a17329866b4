"""Of which entity does a field hold the key? Of the class that it names, whatever other classes are called."""

from typing import Annotated, Any

from sqlalchemy import MetaData
from sqlalchemy.orm import registry

from planar.entities import EntityRegistry
from planar.entities.describing import describe
from planar.entities.relations import relations_of
from planar.modeling.field_helpers import PRESENTATION, EntityField
from planar.modeling.orm import Field, PlanarBaseEntity


def base() -> type[PlanarBaseEntity]:
    """A base whose tables are nobody else's."""

    class Base(PlanarBaseEntity, registry=registry(metadata=MetaData())):
        pass

    return Base


def client(where: str) -> Any:
    """A class that is called `Client`, as others are."""

    class Client(base(), table=True):  # type: ignore[misc] - a base that is made on the spot
        name: str = ""

    Client.__module__ = where
    return Client


Buyer, Seller = client("buying"), client("selling")


class Deal(base(), table=True):  # type: ignore[misc] - a base that is made on the spot
    """What both kinds of clients take part in."""

    seller: Annotated[str | None, EntityField(entity=Seller)] = None
    buyer: str | None = EntityField(entity=Buyer)
    named: str | None = Field(
        default=None, schema_extra={"json_schema_extra": {PRESENTATION: {"inputType": "entity-select", "entity": "Client"}}}
    )


def served(*classes: tuple[type[Any], str | None]) -> dict[str, str]:
    """The entity that each field of a deal is found to name."""
    entities = EntityRegistry()
    for cls, name in classes:
        entities.register(cls, name)
    deal = entities.register(Deal)
    relations = relations_of(deal, entities)
    shown = describe(deal, relations).create_schema["properties"]
    for name, relation in relations.items():
        assert shown[name][PRESENTATION]["entity"] == relation.target.name
    return {name: relation.target.name for name, relation in relations.items()}


def test_a_field_names_a_class_and_not_what_it_is_called() -> None:
    assert served((Buyer, None), (Seller, "SalesClient")) == {"seller": "SalesClient", "buyer": "Client"}
    assert served((Seller, None), (Buyer, "Purchaser")) == {"seller": "Client", "buyer": "Purchaser"}


def test_a_class_that_is_not_served_is_not_mistaken_for_one_of_its_name() -> None:
    assert served((Buyer, None)) == {"buyer": "Client", "named": "Client"}


def test_a_bare_name_counts_if_one_entity_has_it() -> None:
    assert "named" not in served((Buyer, None), (Seller, "SalesClient"))
