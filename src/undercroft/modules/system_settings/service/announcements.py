"""The announcements that are shown now."""

from collections.abc import Sequence

from undercroft.core.db import utc_now
from undercroft.core.http import PageBanner
from undercroft.core.settings import load
from undercroft.modules.system_settings.settings import Announcement, AnnouncementLevel, MaintenanceSettings

MAINTENANCE_NOTICE = "Maintenance mode is on: only administrators can use this site."


def list_announcements() -> Sequence[Announcement]:
    """Return the announcements that are shown now, without a statement."""
    announcements = load(MaintenanceSettings).announcements
    if not announcements:
        return ()
    now = utc_now()
    return [
        each
        for each in announcements
        if (each.starts_at is None or each.starts_at <= now) and (each.ends_at is None or now < each.ends_at)
    ]


def list_banners() -> Sequence[PageBanner]:
    """Return the banners of all pages. In maintenance mode, only administrators see pages."""
    banners = [
        PageBanner(each.text, is_urgent=each.level is not AnnouncementLevel.INFO) for each in list_announcements()
    ]
    if load(MaintenanceSettings).maintenance_mode:
        banners.insert(0, PageBanner(MAINTENANCE_NOTICE, is_urgent=True))
    return banners
