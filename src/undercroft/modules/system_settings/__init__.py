"""Settings that administrators change while the application runs, among them maintenance mode, announcements and who
can sign up.

`core.runtime_settings` has the contract by which any module declares such settings; this module stores the values and
sets them in every process.
"""

from undercroft.core import Module
from undercroft.modules.system_settings.errors import SettingNotFound
from undercroft.modules.system_settings.service.settings import SettingService, list_changes
from undercroft.modules.system_settings.service.sign_up import read_sign_up_settings
from undercroft.modules.system_settings.settings import SignUpPolicy, SignUpSettings

MODULE = Module(requires=("users", "sessions"), optional=True)

__all__ = [
    "MODULE",
    "SettingNotFound",
    "SettingService",
    "SignUpPolicy",
    "SignUpSettings",
    "list_changes",
    "read_sign_up_settings",
]
