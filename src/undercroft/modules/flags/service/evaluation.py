"""Evaluates the flags of this application in memory, without a statement."""

from collections.abc import Mapping
from uuid import UUID

from undercroft.core import find_declared
from undercroft.core.auth import Principal
from undercroft.core.context import current_context
from undercroft.core.errors import CodeError
from undercroft.modules.flags.live import rules
from undercroft.modules.flags.models import Flag


class DeclaredFlags(dict[str, Flag]):
    """The flags of the application by key."""


def declared_flags() -> Mapping[str, Flag]:
    """Return the flags that the modules declare, found once per application.

    Raises `CodeError` if two of them have the same key.
    """
    context = current_context()
    flags = context.find(DeclaredFlags)
    if flags is None:
        flags = DeclaredFlags()
        for flag in find_declared("flags", Flag):
            if flags.setdefault(flag.key, flag) is not flag:
                raise CodeError(f"The flag {flag.key} is declared twice. Give one of them another key.", at=Flag)
        context.add(DeclaredFlags, flags)
    return flags


def is_enabled(
    flag: Flag, principal: Principal | None = None, *, user_id: UUID | None = None, team_id: UUID | None = None
) -> bool:
    """Whether a feature is on for the caller of a request, or for a user and a team where there is no request.

    Without all of them, it is on only if it is on for everyone. Raises `CodeError` for a flag that no `flags.py`
    declares, which no administrator could change.
    """
    if declared_flags().get(flag.key) is not flag:
        raise CodeError(f"The flag {flag.key} is not declared. Define it in the file flags.py of its module.", at=Flag)
    if principal is not None:
        user_id, team_id = principal.user_id_or_none, principal.team_id
    return _evaluate(flag, user_id, team_id)


def evaluate_all(principal: Principal) -> dict[str, bool]:
    """Return whether each feature is on for the caller, by key."""
    return {
        key: _evaluate(flag, principal.user_id_or_none, principal.team_id)
        for key, flag in sorted(declared_flags().items())
    }


def _evaluate(flag: Flag, user_id: UUID | None, team_id: UUID | None) -> bool:
    rule = rules.current.get(flag.key)
    return flag.default if rule is None else rule.includes(user_id, team_id)
