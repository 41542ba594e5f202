"""The texts of emails."""

from datetime import timedelta

import pytest

from undercroft.modules.auth.service.emails import format_duration


@pytest.mark.parametrize(
    ("minutes", "text"),
    [
        (1, "1 minute"),
        (15, "15 minutes"),
        (60, "60 minutes"),
        (61, "61 minutes"),
        (90, "90 minutes"),
        (120, "2 hours"),
        (1440, "24 hours"),
    ],
)
def test_duration_is_whole_hours_or_else_minutes(minutes: int, text: str) -> None:
    assert format_duration(timedelta(minutes=minutes)) == text
