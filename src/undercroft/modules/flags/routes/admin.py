"""Routes with which administrators change the rules of flags."""

from typing import Annotated

from fastapi import Path, Response

from undercroft.core.db import ReadSessionDep, SessionDep
from undercroft.core.errors import Conflict, PreconditionFailed
from undercroft.core.http import Audit, Exempt, IfMatch, InvalidIfMatch, Router, Tag, etag
from undercroft.modules.flags.errors import FlagNotFound, InvalidFlagSchedule
from undercroft.modules.flags.models import KEY_LENGTH, FlagRule
from undercroft.modules.flags.schemas import FlagList, FlagRead, FlagRuleUpdate
from undercroft.modules.flags.service.evaluation import declared_flags
from undercroft.modules.flags.service.rules import FlagRuleService

RULES = Tag("Feature flags", "Rules that decide who has a feature.", group="Administration")
GRANTS_NOTHING = Exempt("A flag shows a feature and grants no permission.")

admin = Router(surface="admin", prefix="/flags", tag=RULES)

Key = Annotated[str, Path(max_length=KEY_LENGTH, description="Key of the flag.", examples=["hotel.beta"])]


@admin.get("", summary="List flags")
async def list_flags(session: ReadSessionDep) -> FlagList:
    """Returns all flags by key: those that the code declares, and unused rules of earlier ones."""
    return FlagList(items=[_read(row) for row in await FlagRuleService(session).list()])


@admin.get("/{key}", summary="Get a flag", errors=(FlagNotFound,))
async def read_flag(key: Key, session: ReadSessionDep, response: Response) -> FlagRead:
    """Returns a flag with its rule, and the version as the ETag."""
    return _respond(await FlagRuleService(session).read(key), response)


@admin.patch(
    "/{key}",
    audit=Audit("flag.changed", none_when="nothing changed"),
    step_up=GRANTS_NOTHING,
    summary="Change the rule of a flag",
    errors=(FlagNotFound, InvalidFlagSchedule, InvalidIfMatch, PreconditionFailed, Conflict),
)
async def change_flag(
    key: Key, body: FlagRuleUpdate, session: SessionDep, versions: IfMatch, response: Response
) -> FlagRead:
    """Changes only the given fields, on every process within a second.

    With `If-Match`, fails if the rule has changed since that version.
    """
    values = body.model_dump(exclude_unset=True)
    return _respond(await FlagRuleService(session).change(key, values, versions=versions), response)


@admin.delete(
    "/{key}",
    status_code=204,
    audit=Audit("flag.reset", "flag.deleted", none_when="no rule is set"),
    step_up=GRANTS_NOTHING,
    summary="Reset a flag",
    errors=(FlagNotFound, InvalidIfMatch, PreconditionFailed, Conflict),
)
async def reset_flag(key: Key, session: SessionDep, versions: IfMatch) -> None:
    """Returns the flag to the default of the code. Deletes the rule of a flag that the code no longer declares."""
    await FlagRuleService(session).reset(key, versions=versions)


def _respond(row: FlagRule, response: Response) -> FlagRead:
    response.headers["ETag"] = etag(row.version)
    return _read(row)


def _read(row: FlagRule) -> FlagRead:
    flag = declared_flags().get(row.key)
    return FlagRead.of(row, None if flag is None else flag.default)
