"""Requests and queries that several tests use."""

from typing import Any

import httpx2 as httpx
from sqlalchemy import func, select
from sqlmodel import col

from undercroft.core.db import Database
from undercroft.devstack.emulators.oidc import ProviderUser
from undercroft.modules.identities.models import ExternalIdentity
from undercroft.modules.users import User

ME = "/api/v1/app/users/me"
JWKS = "/.well-known/jwks.json"


async def get_as(http: httpx.AsyncClient, token: str, path: str = ME, **more: Any) -> httpx.Response:
    return await http.get(path, headers={"Authorization": f"Bearer {token}", **more})


async def count(database: Database, model: Any) -> int:
    async with database.read_session() as session:
        number: int = await session.scalar(select(func.count()).select_from(model))
        return number


async def find_user(database: Database, provider_user: ProviderUser) -> User | None:
    async with database.read_session() as session:
        query = select(User).join(ExternalIdentity, col(ExternalIdentity.user_id) == col(User.id))
        user: User | None = (
            await session.scalars(query.where(col(ExternalIdentity.subject) == provider_user.subject))
        ).first()
        return user


def error_code(response: httpx.Response) -> str:
    code: str = response.json()["error"]["code"]
    return code


async def create_local_account(database: Database, email: str, *, verified: bool) -> User:
    from undercroft.modules.users import NewUser, UserService

    async with database.session() as session:
        user = await UserService(session).create(NewUser(email=email, password_hash="$argon2id$none"))
        if not verified:
            user.email_verified_at = None
        return user
