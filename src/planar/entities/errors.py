"""What can go wrong between a caller and a row.

::

    PlanarError
    └── EntityError
        ├── NotAnEntity             500  the class cannot be served (also TypeError)
        ├── UnusableOptions         500  its options do not fit its fields (also ValueError)
        ├── EntityNameTaken         500  another class of this app has the name (also ValueError)
        ├── EntityNotFound          404  the app serves no entity of that name (also LookupError)
        ├── InstanceNotFound        404  there is no such row (also LookupError)
        ├── EntityReadOnly          403  nobody changes its rows over HTTP
        ├── NotSoftDeleted          409  its rows are not there to be restored
        ├── StaleInstance           412  the row has changed since it was read
        ├── TooManyRows             413  a bulk request has too many rows, or too large ones
        ├── UnreadableBody          400  the body is not JSON
        └── ConstraintViolated      409  the database refuses the row
            ├── NotUnique           409  another row has the value
            ├── MissingReference    409  a field refers to a row that does not exist
            ├── StillReferenced     409  other rows refer to the row
            ├── MissingValue        409  a value must be given
            └── CheckFailed         409  a condition of the table does not hold

What does not fit in a request is `planar.modeling.errors.Misfits`.
"""

from __future__ import annotations

from planar.errors import PlanarError


class EntityError(PlanarError):
    """Something is wrong with an entity, or with what was asked of it."""

    code = "entity_error"


class NotAnEntity(EntityError, TypeError):
    """This class cannot be served as an entity."""

    code = "not_an_entity"


class UnusableOptions(EntityError, ValueError):
    """The options of an entity do not fit its fields."""

    code = "unusable_entity_options"


class EntityNameTaken(EntityError, ValueError):
    """Another entity of this app has the name."""

    code = "entity_name_taken"


class EntityNotFound(EntityError, LookupError):
    """The app serves no such entity."""

    code = "entity_not_found"
    status = 404


class InstanceNotFound(EntityError, LookupError):
    """There is no such row."""

    code = "instance_not_found"
    status = 404


class EntityReadOnly(EntityError):
    """The rows of this entity cannot be changed over HTTP."""

    code = "entity_read_only"
    status = 403


class NotSoftDeleted(EntityError):
    """This entity keeps nothing of what was deleted, so there is nothing to restore."""

    code = "not_soft_deleted"
    status = 409


class StaleInstance(EntityError):
    """The row has changed since it was read. Read it again, and repeat the change."""

    code = "stale_instance"
    status = 412


class TooManyRows(EntityError):
    """A request has more rows, or more bytes, than this app allows."""

    code = "too_many_rows"
    status = 413


class UnreadableBody(EntityError):
    """The body cannot be read as JSON."""

    code = "unreadable_body"
    status = 400


class ConstraintViolated(EntityError):
    """The database refuses the row."""

    code = "constraint_violated"
    status = 409


class NotUnique(ConstraintViolated):
    """Another row has the value."""

    code = "not_unique"


class MissingReference(ConstraintViolated):
    """A field refers to a row that does not exist."""

    code = "missing_reference"


class StillReferenced(ConstraintViolated):
    """Other rows refer to the row."""

    code = "still_referenced"


class MissingValue(ConstraintViolated):
    """A value must be given."""

    code = "missing_value"


class CheckFailed(ConstraintViolated):
    """A condition of the table does not hold."""

    code = "check_failed"
