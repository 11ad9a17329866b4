"""What can be wrong with the settings?

::

    PlanarError
    └── InvalidConfigurationError   also a ValueError: the settings cannot be used
        └── UnsupportedFeature      they ask for something that this version does not have
"""

from __future__ import annotations

from planar.errors import PlanarError


class InvalidConfigurationError(PlanarError, ValueError):
    """The configuration is invalid."""

    code = "invalid_configuration"


class UnsupportedFeature(InvalidConfigurationError):
    """The configuration asks for a feature that this version does not have."""

    code = "unsupported_feature"
