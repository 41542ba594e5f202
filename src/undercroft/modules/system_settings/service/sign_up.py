"""The sign-up policy in force."""

from undercroft.core.db import Session
from undercroft.core.runtime_settings import runtime_settings, settings_with
from undercroft.core.settings import CoreSettings, load
from undercroft.modules.system_settings.repository import SystemSettingRepository
from undercroft.modules.system_settings.settings import SignUpPolicy, SignUpSettings


async def read_sign_up_settings(session: Session) -> SignUpSettings:
    """Return the settings as they are in the database, and lock them against changes until the transaction ends.

    This process may learn of a change up to a second later, in which it would create accounts that are no longer
    allowed. With the lock, an account is either committed before the policy changes, or decided by the new policy.
    """
    names = [name for name, each in runtime_settings().items() if each.owner is SignUpSettings]
    values = await SystemSettingRepository(session).lock_values(names)
    settings = settings_with(SignUpSettings, values)
    has_waitlist = load(CoreSettings).has_module("waitlist")
    if SignUpPolicy.WAITLIST in (values.get("SIGN_UP_POLICY"), settings.sign_up_policy) and not has_waitlist:
        # The module was disabled while the policy was in force: the value is invalid now, but sign-up must not open.
        return settings.model_copy(update={"sign_up_policy": SignUpPolicy.INVITE})
    return settings
