"""When a request is authorized again, and what it may have lost meanwhile."""

from typing import Any, cast

import pytest

from tests.core.auth.principals import make_principal
from undercroft.core.auth import PlatformRole, Principal
from undercroft.core.auth import authorization as authorization_module
from undercroft.core.auth.authorization import (
    Authorization,
    AuthorizationChanged,
    current_authorization,
)
from undercroft.core.db import Session
from undercroft.core.db.reauthorization import bind_reauthorization
from undercroft.core.errors import Forbidden
from undercroft.core.ids import new_id


def authorize(before: Principal, now: Principal | None = None) -> Authorization:
    async def authenticate() -> Principal:
        return now or before

    async def lock(_session: Session, _principal: Principal) -> None:
        raise AssertionError("there is no session")

    return Authorization(before, authenticate, lock)


@pytest.fixture(autouse=True)
def long_validity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authorization_module, "FRESH_SECONDS", 3600)


async def test_fresh_authorization_is_due_after_a_lock_or_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    authorization = authorize(make_principal())
    assert not authorization.is_due(locked=False)
    assert authorization.is_due(locked=True)

    authorization.mark_waited()
    assert authorization.is_due(locked=False)
    await authorization.verify()
    assert not authorization.is_due(locked=False)

    monkeypatch.setattr(authorization_module, "FRESH_SECONDS", -1)
    assert authorization.is_due(locked=False)


LOSSES: dict[str, dict[str, Any]] = {
    "another user": {"user_id_or_none": new_id()},
    "another session": {"session_id_or_none": new_id()},
    "another team": {"team_id": new_id()},
    "an API key": {"api_key_id": new_id()},
    "an impersonator": {"impersonator_id": new_id()},
    "a weaker role": {"role": PlatformRole.USER},
    "a permission less": {"permissions": frozenset({"projects:read"})},
    "a lost second factor": {"passed_mfa": False},
    "a team that requires MFA": {"mfa_blocked": True},
}
GAINS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a stronger role": {"role": PlatformRole.SUPERADMIN},
    "a permission more": {"permissions": frozenset({"projects:read", "projects:write", "members:read"})},
}


@pytest.mark.parametrize("loss", LOSSES)
async def test_caller_who_may_do_less_is_refused(loss: str) -> None:
    with pytest.raises(AuthorizationChanged):
        await authorize(make_principal(), make_principal(**LOSSES[loss])).verify()


@pytest.mark.parametrize("gain", GAINS)
async def test_caller_who_may_do_as_much_is_accepted(gain: str) -> None:
    await authorize(make_principal(), make_principal(**GAINS[gain])).verify()


async def test_guards_check_the_new_principal() -> None:
    checked: list[Principal] = []
    now = make_principal(role=PlatformRole.SUPERADMIN)
    authorization = authorize(make_principal(), now)
    authorization.check = checked.append
    await authorization.verify()
    assert checked == [now]

    def refuse(_principal: Principal) -> None:
        raise Forbidden

    authorization.check = refuse
    with pytest.raises(Forbidden):
        await authorization.verify()


async def test_verification_is_not_verified_itself_and_locks_before_it_reads() -> None:
    principal, seen = make_principal(), list[Any]()

    async def authenticate() -> Principal:
        seen.append(("authenticate", current_authorization()))
        return principal

    async def lock(_session: Session, _principal: Principal) -> None:
        seen.append(("lock", current_authorization()))

    authorization = Authorization(principal, authenticate, lock)
    bind_reauthorization(authorization)
    try:
        await authorization.verify(cast(Session, object()))
        assert seen == [("lock", None), ("authenticate", None)]
        assert current_authorization() is authorization
    finally:
        bind_reauthorization(None)


async def test_refused_authorization_remains_due() -> None:
    authorization = authorize(make_principal(), make_principal(passed_mfa=False))
    authorization.mark_waited()
    with pytest.raises(AuthorizationChanged):
        await authorization.verify()
    assert authorization.is_due(locked=False)
