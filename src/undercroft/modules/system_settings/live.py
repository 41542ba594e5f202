"""The values that administrators have set, in every process."""

from collections.abc import Mapping
from types import MappingProxyType

import structlog

from undercroft.core.context import current_context
from undercroft.core.db import ReadSession
from undercroft.core.live import live
from undercroft.core.runtime_settings import apply_values
from undercroft.modules.system_settings.repository import SystemSettingRepository

log = structlog.get_logger("undercroft.application")

NO_VALUES: Mapping[str, str] = MappingProxyType({})


class InvalidValues(dict[str, str]):
    """The reasons why stored values are ignored, by the names of the settings."""


def set_values(values: Mapping[str, str]) -> None:
    """Set the values in this process. An invalid one is logged and ignored: the environment applies."""
    invalid = InvalidValues(apply_values(values))
    for name, reason in invalid.items():
        log.error("setting.invalid", setting=name, reason=reason, remedy=f"undercroft settings reset {name}")
    current_context().add(InvalidValues, invalid)


@live(default=NO_VALUES, on_change=set_values)
async def values(session: ReadSession) -> Mapping[str, str]:
    return await SystemSettingRepository(session).read_values()
