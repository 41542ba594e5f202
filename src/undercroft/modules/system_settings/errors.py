"""Errors of system settings and sign-up policies."""

from undercroft.core.errors import Forbidden, NotFound, ServiceUnavailable, Unprocessable


class SettingNotFound(NotFound):
    code = "SETTING_NOT_FOUND"
    message = "There is no setting with this name that can change at runtime."


class InvalidSetting(Unprocessable):
    """The message states the reason."""

    code = "INVALID_SETTING"
    message = "The value is invalid."
    field = "value"


class MaintenanceMode(ServiceUnavailable):
    """The message is MAINTENANCE_MESSAGE."""

    code = "MAINTENANCE_MODE"
    message = "The service is under maintenance."


class SignUpByInvitation(Forbidden):
    code = "SIGN_UP_BY_INVITATION"
    message = "You need an invitation to create an account. Ask a member of your team to invite you."


class SignUpDomainNotAllowed(Forbidden):
    code = "SIGN_UP_DOMAIN_NOT_ALLOWED"
    message = "Accounts cannot be created with email addresses at this domain. Use the address of your company."
    field = "email"


class SubaddressNotAllowed(Forbidden):
    code = "SUBADDRESS_NOT_ALLOWED"
    message = "Use your email address without a tag: the part between + and @."
    field = "email"
