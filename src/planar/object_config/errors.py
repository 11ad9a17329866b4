"""What can go wrong with versions of what users edit.

::

    PlanarError
    └── ObjectConfigError
        ├── ConfigNotFoundError     404  there is no such version of an object of that type (also LookupError)
        ├── ConfigurableNotFound    404  there is no such object (also LookupError)
        ├── UnknownObjectType       404  this app has no objects of that type (also LookupError)
        ├── ConfigValidationError   400  the version does not fit the code (also ValueError)
        ├── ConfigUnreadable        422  what is to be saved is no such object at all (also ValueError)
        ├── ConfigOfAnotherObject   409  the version belongs to another object than the one named (also ValueError)
        ├── ConfigNotDeletable      409  the version was active once
        ├── ActiveConfigBroken      409  the version to be used does not fit the code
        ├── NotJudgedNow            503  whether the version fits the code cannot be found out now: try again
        ├── VersionNotPinned        500  workflow code asked for a version that nothing records (also RuntimeError)
        └── ObjectTypeTaken         500  another type of that name is registered (also ValueError)
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from planar.errors import PlanarError
from planar.object_config.diagnostics import ConfigDiagnostics, ConfigValidationErrorResponse


class ObjectConfigError(PlanarError):
    """Something is wrong with a version of what users edit."""

    code = "object_config_error"


class ConfigNotFoundError(ObjectConfigError, LookupError):
    """There is no version *invalid_id* of an object of the type *object_type*."""

    code = "configuration_not_found"
    status = 404

    def __init__(self, invalid_id: UUID, object_type: str | None = None) -> None:
        super().__init__(f"There is no configuration {invalid_id}" + (f" of the type '{object_type}'." if object_type else "."))
        self.invalid_id = invalid_id
        self.object_type = object_type


class ConfigurableNotFound(ObjectConfigError, LookupError):
    """There is no object of that type and name."""

    code = "configurable_not_found"
    status = 404

    def __init__(self, object_type: str, object_name: str) -> None:
        super().__init__(f"{object_type.capitalize()} not found: this app has no {object_type} '{object_name}'.")


class UnknownObjectType(ObjectConfigError, LookupError):
    """This app has no objects of that type."""

    code = "unknown_object_type"
    status = 404


class ConfigValidationError(ObjectConfigError, ValueError):
    """The version does not fit the code; *diagnostics* say where."""

    code = "configuration_invalid"
    status = 400

    def __init__(self, object_name: str, object_type: str, diagnostics: ConfigDiagnostics[Any]) -> None:
        self.object_name = object_name
        self.object_type = object_type
        self.diagnostics = diagnostics
        answer = self.to_api_response().model_dump(mode="json", by_alias=True)
        super().__init__(f"This configuration of the {object_type} '{object_name}' is not valid: {diagnostics.summary()}", answer=answer)

    def to_api_response(self) -> ConfigValidationErrorResponse:
        """What the answer to a request holds beside ``detail`` and ``code``."""
        return ConfigValidationErrorResponse(object_name=self.object_name, object_type=self.object_type, diagnostics=self.diagnostics)


class ConfigUnreadable(ObjectConfigError, ValueError):
    """What is to be saved is no such object at all."""

    code = "configuration_unreadable"
    status = 422


class ConfigOfAnotherObject(ObjectConfigError, ValueError):
    """The version belongs to another object than the one named."""

    code = "configuration_of_another_object"
    status = 409


class ConfigNotDeletable(ObjectConfigError):
    """Only a version that was never active can be deleted: runs may have used any other."""

    code = "configuration_not_deletable"
    status = 409


class ActiveConfigBroken(ObjectConfigError):
    """The version to be used does not fit the code, and nothing else is used in its place."""

    code = "active_configuration_broken"
    status = 409


class NotJudgedNow(ObjectConfigError):
    """Whether the version fits the code cannot be found out now. Try again later."""

    code = "configuration_not_judged_now"
    status = 503


class VersionNotPinned(ObjectConfigError, RuntimeError):
    """Workflow code would get another version when it is replayed: ask in a step, or for the pinned version."""

    code = "version_not_pinned"


class ObjectTypeTaken(ObjectConfigError, ValueError):
    """Another type of that name is registered."""

    code = "object_type_taken"
