"""Demo accounts for development: a user and a superadmin."""

from undercroft.core.auth import PlatformRole
from undercroft.core.db import Session
from undercroft.core.security import passwords
from undercroft.core.settings import load
from undercroft.modules.users.repository import UserRepository
from undercroft.modules.users.service import NewUser, UserService
from undercroft.modules.users.settings import DEMO_EMAIL, DemoSettings

ADMIN_EMAIL = "admin@example.com"
DEMO_USERS = (
    (DEMO_EMAIL, "Demo User", PlatformRole.USER),
    (ADMIN_EMAIL, "Demo Admin", PlatformRole.SUPERADMIN),
)


async def seed(session: Session) -> None:
    """Create the demo accounts with DEMO_PASSWORD, or set their password to it; without the setting do nothing."""
    password = load(DemoSettings).demo_password.get_secret_value()
    if not password:
        return
    for email, full_name, role in DEMO_USERS:
        user = await UserRepository(session).get_by_email(email)
        if user is not None and await passwords.verify(password, user.password_hash, subject=email):
            continue
        password_hash = await passwords.hash(password, subject=email)
        if user is None:
            new = NewUser(email=email, password_hash=password_hash, full_name=full_name, role=role)
            await UserService(session).create(new)
        else:
            await UserService(session).set_password(
                user.id, password_hash, action="user.password_changed", actor_id=None
            )
