"""Serialize the current user's profile from the row that authentication has already read."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Text, cast
from sqlmodel import col

from undercroft.modules.users.models import User

PROFILE_COLUMNS: tuple[Any, ...] = (
    col(User.id).label("user_id"),
    col(User.email),
    col(User.full_name),
    col(User.locale),
    col(User.timezone),
    col(User.avatar_url),
    cast(col(User.notifications), Text).label("notifications"),
    col(User.role),
    col(User.email_verified_at),
    col(User.created_at),
    col(User.updated_at),
)
"""Columns of a user that an authentication query selects, so that `encode_profile` needs no query."""

_encode = msgspec.json.Encoder().encode


def encode_profile(row: Mapping[str, Any], impersonated_by: UUID | None = None) -> bytes:
    """Encode a database row with `PROFILE_COLUMNS` as JSON in the form of `ProfileRead`."""
    return _encode(
        {
            "full_name": row["full_name"],
            "locale": row["locale"],
            "timezone": row["timezone"],
            "avatar_url": row["avatar_url"],
            "notifications": msgspec.Raw(row["notifications"].encode()),
            "id": row["user_id"],
            "email": row["email"],
            "role": row["role"],
            "email_verified": row["email_verified_at"] is not None,
            "created_at": row["created_at"],
            "updated_at": row["updated_at"],
            "impersonated_by": impersonated_by,
        }
    )
