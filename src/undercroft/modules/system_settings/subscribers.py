"""Deletes the settings of an extension whose data is removed."""

from undercroft.core.db import Session
from undercroft.core.events import ExtensionRemoved, subscribe
from undercroft.modules.system_settings import live
from undercroft.modules.system_settings.repository import SystemSettingRepository


@subscribe(ExtensionRemoved)
async def delete_settings(session: Session, event: ExtensionRemoved) -> None:
    if await SystemSettingRepository(session).delete_prefix(f"{event.name.upper()}_"):
        await live.values.announce(session)
