"""Lets settings that change at runtime take effect: maintenance mode, banners on pages, and the rows for `/admin`."""

import structlog

from undercroft.core.context import AppContext, current_context
from undercroft.core.db import Database
from undercroft.core.errors import ServiceUnavailable
from undercroft.core.health import Component, ComponentDown, Health
from undercroft.core.http import PageBanners
from undercroft.core.runtime_settings import watch
from undercroft.modules.system_settings.live import InvalidValues
from undercroft.modules.system_settings.service.announcements import list_banners
from undercroft.modules.system_settings.service.maintenance import apply_maintenance_mode
from undercroft.modules.system_settings.service.settings import store_declared_settings

log = structlog.get_logger("undercroft.application")


async def start(context: AppContext) -> None:
    context.add(PageBanners, PageBanners(list_banners))
    apply_maintenance_mode()
    watch(apply_maintenance_mode)
    context.get(Health).add(Component("system_settings", check_values))
    try:
        await store_declared_settings(context.get(Database))
    except ServiceUnavailable:
        log.warning("settings.not_listed", hint="/admin lists new settings after the next start.")


async def check_values() -> None:
    """Raise `ComponentDown` with the names of the settings whose stored values are invalid and ignored."""
    if invalid := current_context().find(InvalidValues):
        raise ComponentDown({"invalid": sorted(invalid)})
