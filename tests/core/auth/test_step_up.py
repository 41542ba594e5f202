"""Who must reauthenticate, and how."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.core.auth.principals import make_principal
from undercroft.core import settings
from undercroft.core.auth.principal import ImpersonationForbidden, InteractiveSessionRequired
from undercroft.core.auth.settings import StepUpSettings
from undercroft.core.auth.step_up import (
    MfaEnrollmentRequired,
    MfaRequiredByTeam,
    StepUpAuthentication,
    StepUpRequired,
    get_step_up_methods,
    require_recent_authentication,
    require_second_factor,
    require_team_mfa,
)
from undercroft.core.context import AppContext, current_context, use_context
from undercroft.core.db import utc_now
from undercroft.core.ids import new_id

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def step_up_authentication() -> Iterator[None]:
    """The application serves `POST /auth/step-up`."""
    context = current_context()
    before = context.find(StepUpAuthentication)
    context.add(StepUpAuthentication, StepUpAuthentication())
    yield
    if before is None:
        context.remove(StepUpAuthentication)


def test_recently_authenticated_session_is_accepted() -> None:
    require_recent_authentication(make_principal())


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"reauthenticated_at": None}, StepUpRequired),
        ({"reauthenticated_at": utc_now() - HOUR}, StepUpRequired),
        ({"reauthenticated_at": utc_now() + HOUR}, StepUpRequired),
        ({"api_key_id": new_id()}, InteractiveSessionRequired),
        ({"impersonator_id": new_id()}, ImpersonationForbidden),
    ],
    ids=["never", "long ago", "in the future", "API key", "impersonator"],
)
def test_other_callers_are_refused(changes: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        require_recent_authentication(make_principal(**changes))


@pytest.mark.parametrize(
    ("changes", "methods"),
    [
        ({}, ["code", "recovery_code", "sign_in"]),
        ({"second_factors": ("passkey",)}, ["passkey", "recovery_code", "sign_in"]),
        ({"second_factors": ("passkey", "other", "totp")}, ["passkey", "code", "recovery_code", "sign_in"]),
        ({"second_factors": ("other",)}, ["password", "sign_in"]),
        ({"second_factors": ()}, ["password", "sign_in"]),
        ({"session_id_or_none": None}, ["sign_in"]),
    ],
)
def test_methods_depend_on_the_factors_of_the_user(changes: dict[str, Any], methods: list[str]) -> None:
    assert get_step_up_methods(make_principal(**changes)) == {"methods": methods}


def test_user_can_only_sign_in_again_where_step_up_is_not_served() -> None:
    with use_context(AppContext({})), pytest.raises(StepUpRequired) as stale:
        require_recent_authentication(make_principal(reauthenticated_at=None))
    assert (stale.value.text, stale.value.details) == (
        "Confirm your identity: sign in again.",
        {"methods": ["sign_in"]},
    )


def test_second_factor_must_exist_and_be_verified() -> None:
    require_second_factor(make_principal(), MfaRequiredByTeam)
    with pytest.raises(MfaRequiredByTeam):
        require_second_factor(make_principal(passed_mfa=False), MfaRequiredByTeam)
    with pytest.raises(MfaEnrollmentRequired):
        require_second_factor(make_principal(second_factors=(), passed_mfa=True), MfaRequiredByTeam)


def test_team_requirement_applies_only_to_blocked_sessions() -> None:
    require_team_mfa(make_principal(passed_mfa=False))
    with pytest.raises(MfaRequiredByTeam):
        require_team_mfa(make_principal(passed_mfa=False, mfa_blocked=True))


@pytest.mark.parametrize("direction", [-1, 1], ids=["past", "future"])
def test_authentication_is_recent_for_exactly_the_configured_time(direction: int) -> None:
    settings.use(StepUpSettings(step_up_minutes=7))
    inside, outside = timedelta(minutes=6, seconds=30) * direction, timedelta(minutes=7, seconds=30) * direction
    require_recent_authentication(make_principal(reauthenticated_at=utc_now() + inside))
    with pytest.raises(StepUpRequired):
        require_recent_authentication(make_principal(reauthenticated_at=utc_now() + outside))


def test_refused_session_is_told_how_to_reauthenticate() -> None:
    methods = {"methods": ["code", "recovery_code", "sign_in"]}
    with pytest.raises(StepUpRequired) as stale:
        require_recent_authentication(make_principal(reauthenticated_at=None))
    with pytest.raises(MfaRequiredByTeam) as blocked:
        require_second_factor(make_principal(passed_mfa=False), MfaRequiredByTeam)
    assert (stale.value.details, blocked.value.details) == (methods, methods)
