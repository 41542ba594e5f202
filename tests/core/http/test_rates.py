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
def test_the_notation_is_read(text: str, times: int, seconds: int) -> None:
    assert Rate.parse(text) == Rate(times, seconds)


@pytest.mark.parametrize(
    "text", ["", "60", "0/minute", "-1/minute", "60/0 seconds", "60/week", "1.5/minute", "60/minute/2"]
)
def test_anything_else_says_how_it_is_written(text: str) -> None:
    with pytest.raises(ValueError, match="write 60/minute"):
        Rate.parse(text)


@pytest.mark.parametrize("text", ["60/minute", "5/10 seconds", "90/hour", "1/2 days"])
def test_a_rate_is_written_as_it_is_read(text: str) -> None:
    assert str(Rate.parse(text)) == text


def test_scaling_never_reaches_nothing() -> None:
    assert Rate(5, 60).scaled(100) == Rate(500, 60)
    assert Rate(5, 60).scaled(0.01) == Rate(1, 60)
