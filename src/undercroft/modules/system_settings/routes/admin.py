"""Routes with which administrators change settings."""

from typing import Annotated

from fastapi import Path, Response

from undercroft.core.auth import StepUpRequired
from undercroft.core.db import ReadSessionDep, SessionDep
from undercroft.core.errors import Conflict, PreconditionFailed
from undercroft.core.http import Audit, CurrentPrincipal, Exempt, IfMatch, InvalidIfMatch, Router, Tag, etag
from undercroft.modules.system_settings.errors import InvalidSetting, SettingNotFound
from undercroft.modules.system_settings.models import NAME_LENGTH
from undercroft.modules.system_settings.schemas import SettingList, SettingRead, SettingUpdate
from undercroft.modules.system_settings.service.settings import SettingService, StoredSetting

SETTINGS = Tag("Settings", "Settings that change at runtime.", group="Administration")

admin = Router(surface="admin", prefix="/settings", tag=SETTINGS)

Name = Annotated[str, Path(max_length=NAME_LENGTH, description="Name of the setting.", examples=["CORS_ORIGINS"])]


@admin.get("", summary="List settings")
async def list_settings(session: ReadSessionDep) -> SettingList:
    """Returns all settings that can change at runtime, with their values and JSON schemas."""
    return SettingList(items=[SettingRead.of(each) for each in await SettingService(session).list()])


@admin.get("/{name}", summary="Get a setting", errors=(SettingNotFound,))
async def read_setting(name: Name, session: ReadSessionDep, response: Response) -> SettingRead:
    """Returns a setting, and its version as the ETag."""
    return _respond(await SettingService(session).read(name), response)


@admin.put(
    "/{name}",
    audit=Audit("setting.changed", none_when="nothing changed"),
    step_up=True,
    summary="Change a setting",
    errors=(SettingNotFound, InvalidSetting, InvalidIfMatch, PreconditionFailed, Conflict, StepUpRequired),
)
async def change_setting(
    name: Name,
    body: SettingUpdate,
    principal: CurrentPrincipal,
    session: SessionDep,
    versions: IfMatch,
    response: Response,
) -> SettingRead:
    """Sets a value, which takes effect on every process within a second.

    With `If-Match`, fails if the setting has changed since that version.
    """
    service = SettingService(session, principal.user_id)
    return _respond(await service.change(name, body.value, versions=versions), response)


@admin.delete(
    "/{name}",
    status_code=204,
    audit=Audit("setting.reset", none_when="no value is set"),
    step_up=Exempt("It returns to the value with which the installation was deployed."),
    summary="Reset a setting",
    errors=(SettingNotFound, InvalidIfMatch, PreconditionFailed, Conflict),
)
async def reset_setting(name: Name, principal: CurrentPrincipal, session: SessionDep, versions: IfMatch) -> None:
    """Returns to the value of the environment, on every process within a second."""
    await SettingService(session, principal.user_id).reset(name, versions=versions)


def _respond(stored: StoredSetting, response: Response) -> SettingRead:
    response.headers["ETag"] = etag(stored.row.version)
    return SettingRead.of(stored)
