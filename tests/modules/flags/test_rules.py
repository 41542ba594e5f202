"""Who has a feature."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.modules.flags.conftest import BETA, MAPS, SetRule
from undercroft.core.errors import CodeError
from undercroft.modules.flags import Flag, is_enabled, require_flag
from undercroft.modules.flags.models import FlagUnit
from undercroft.modules.flags.service.rule import Rule, position

USERS = [UUID(int=number) for number in range(100_000)]
HOUR = timedelta(hours=1)


def rule(**values: Any) -> Rule:
    options: dict[str, Any] = {
        "key": "hotel.beta",
        "enabled": True,
        "percentage": 0,
        "unit": FlagUnit.USER,
        "starts_at": None,
        "users": frozenset(),
        "teams": frozenset(),
        "ends_at": None,
    }
    return Rule(**{**options, **values})


@pytest.mark.parametrize("percentage", [1, 25, 50, 99.5])
def test_share_is_within_one_percent_of_100_000_users(percentage: float) -> None:
    included = sum(rule(percentage=percentage).includes(user, None) for user in USERS)
    assert abs(included / len(USERS) * 100 - percentage) < 1


def test_growing_share_removes_no_user() -> None:
    before: set[UUID] = set()
    for percentage in (1, 2, 10, 10.5, 60, 100):
        now = {user for user in USERS[:2000] if rule(percentage=percentage).includes(user, None)}
        assert before <= now
        before = now
    assert len(before) == 2000


def test_position_of_a_user_never_changes() -> None:
    """These figures must survive every release: otherwise users would lose features."""
    user = UUID("01a22e12-1462-703d-90ef-b18bf2aae64f")
    assert round(position("hotel.beta", user), 6) == 58.672834
    assert round(position("hotel.maps", user), 6) == 45.057128


def test_flags_choose_their_users_independently() -> None:
    first, second = (
        {user for user in USERS[:4000] if rule(key=key, percentage=50).includes(user, None)}
        for key in ("hotel.beta", "hotel.maps")
    )
    assert 0.4 < len(first & second) / len(first) < 0.6


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"percentage": 100}, True),
        ({"percentage": 0}, False),
        ({"percentage": 100, "enabled": False}, False),
        ({"users": frozenset({USERS[1]})}, True),
        ({"users": frozenset({USERS[2]})}, False),
        ({"teams": frozenset({USERS[2]})}, True),
        ({"users": frozenset({USERS[1]}), "enabled": False}, False),
    ],
)
def test_listed_users_and_teams_have_a_feature_that_is_enabled(values: dict[str, Any], expected: bool) -> None:
    assert rule(**values).includes(USERS[1], USERS[2]) is expected


@pytest.mark.parametrize(
    ("starts", "ends", "expected"),
    [(-HOUR, HOUR, True), (HOUR, None, False), (None, -HOUR, False), (-HOUR, None, True), (None, HOUR, True)],
)
def test_feature_is_off_outside_of_its_schedule(
    starts: timedelta | None, ends: timedelta | None, expected: bool
) -> None:
    now = datetime.now(UTC)
    times = {"starts_at": now + starts if starts else None, "ends_at": now + ends if ends else None}
    assert rule(percentage=100, **times).includes(USERS[1], None) is expected


def test_share_of_teams_includes_whole_teams() -> None:
    shares = rule(percentage=50, unit=FlagUnit.TEAM)
    for team in USERS[:50]:
        assert len({shares.includes(user, team) for user in USERS[:20]}) == 1


def test_api_key_of_a_team_counts_as_the_team() -> None:
    by_user, by_team = rule(percentage=50), rule(percentage=50, unit=FlagUnit.TEAM)
    assert [by_user.includes(None, team) for team in USERS[:50]] == [
        by_team.includes(None, team) for team in USERS[:50]
    ]


async def test_without_a_caller_a_feature_is_on_only_for_everyone(set_rule: SetRule) -> None:
    assert (is_enabled(BETA), is_enabled(MAPS)) == (False, True)
    await set_rule(BETA, enabled=True, percentage=99.9)
    assert not is_enabled(BETA)
    assert {is_enabled(BETA, user_id=uuid4()) for _ in range(50)} >= {True}
    await set_rule(BETA, percentage=100)
    assert is_enabled(BETA)


def test_undeclared_flag_is_refused() -> None:
    with pytest.raises(CodeError, match=r"The flag hotel.spa is not declared. Define it in the file flags.py"):
        is_enabled(Flag("hotel.spa", description="A spa."))
    with pytest.raises(TypeError, match=r"'hotel\.beta' is not a flag"):
        require_flag("hotel.beta")  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["beta", "Hotel.beta", "hotel.", "hotel.be ta", "hotel/beta", "", f"hotel.{'b' * 100}"])
def test_invalid_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="is not a key of a flag"):
        Flag(key, description="It has an invalid key.")
