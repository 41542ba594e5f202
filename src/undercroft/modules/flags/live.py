"""The rules of flags, which every process keeps in memory."""

from collections.abc import Mapping
from types import MappingProxyType

from undercroft.core.db import ReadSession
from undercroft.core.live import live
from undercroft.modules.flags.repository import FlagRuleRepository
from undercroft.modules.flags.service.rule import Rule

NO_RULES: Mapping[str, Rule] = MappingProxyType({})


@live(default=NO_RULES)
async def rules(session: ReadSession) -> Mapping[str, Rule]:
    """The rules that administrators have set, by the keys of the flags."""
    return {row.key: Rule.of(row) for row in await FlagRuleRepository(session).list_set()}
