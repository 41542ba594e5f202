"""Errors of feature flags."""

from undercroft.core.errors import NotFound, Unprocessable


class FeatureNotFound(NotFound):
    """The feature is off for this caller, who does not learn whether it exists."""

    code = "FEATURE_NOT_FOUND"
    message = "This feature is not available."


class FlagNotFound(NotFound):
    code = "FLAG_NOT_FOUND"
    message = "There is no flag with this key."


class InvalidFlagSchedule(Unprocessable):
    code = "INVALID_FLAG_SCHEDULE"
    message = "starts_at must be before ends_at."
    field = "ends_at"
