"""The route of announcements."""

from undercroft.core.http import Router, Tag
from undercroft.modules.system_settings.schemas import AnnouncementList
from undercroft.modules.system_settings.service.announcements import list_announcements

ANNOUNCEMENTS = Tag("Announcements", "Texts for all users.", group="Operations")

public = Router(surface="public", prefix="/announcements", tag=ANNOUNCEMENTS)


@public.get("", summary="List announcements")
async def read_announcements() -> AnnouncementList:
    """Returns the announcements that are shown now, also in maintenance mode."""
    return AnnouncementList(items=list(list_announcements()))
