"""What does a class say about how people may see and edit its rows, and whether changes are kept?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DEFAULT_MAX_PAGE: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityOptions:
    """How an entity is served: ``entity_options: ClassVar[EntityOptions] = EntityOptions(display_field="name")``.

    Args:
        soft_delete: deleting a row only marks it, in the column of `planar.modeling.mixins.SoftDeleteMixin`; it can be restored.
        display_field: which field people recognise a row by; None takes the first of ``name, title, username, label, display_name``.
        search_fields: the text fields in which a search looks; None is all that are shown.
        read_only: nobody changes rows over HTTP.
        history: whether each change of a row is kept, with who made it.
        max_page: how many rows a page has at most, from 1 to 1000.
    """

    soft_delete: bool = False
    display_field: str | None = None
    search_fields: tuple[str, ...] | None = None
    read_only: bool = False
    history: bool = True
    max_page: int = DEFAULT_MAX_PAGE

    def __post_init__(self) -> None:
        if not 1 <= self.max_page <= DEFAULT_MAX_PAGE:
            raise ValueError(f"max_page is a number from 1 to {DEFAULT_MAX_PAGE}, not {self.max_page}.")
        if isinstance(self.search_fields, str):
            raise ValueError(f"search_fields is a tuple of names: write ({self.search_fields!r},).")
