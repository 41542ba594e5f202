import pytest

from undercroft.core.http.rates import Rate


@pytest.mark.parametrize(
    ("text", "times", "seconds"),
    [
        ("60/minute", 60, 60),
        ("5/10 seconds", 5, 10),
        (" 1000 / hour ", 1000, 3600),
        ("1/day", 1, 86400),
        ("3/2minutes", 3, 120),
        ("7/SECOND", 7, 1),
    ],
)
def test_rate_is_parsed(text: str, times: int, seconds: int) -> None:
    assert Rate.parse(text) == Rate(times, seconds)


@pytest.mark.parametrize(
    "text", ["", "60", "0/minute", "-1/minute", "60/0 seconds", "60/week", "1.5/minute", "60/minute/2"]
)
def test_invalid_rate_raises_with_the_expected_format(text: str) -> None:
    with pytest.raises(ValueError, match="use 60/minute"):
        Rate.parse(text)


@pytest.mark.parametrize("text", ["60/minute", "5/10 seconds", "90/hour", "1/2 days"])
def test_rate_round_trips_as_text(text: str) -> None:
    assert str(Rate.parse(text)) == text


def test_scaled_rate_is_at_least_one() -> None:
    assert Rate(5, 60).scaled(100) == Rate(500, 60)
    assert Rate(5, 60).scaled(0.01) == Rate(1, 60)
