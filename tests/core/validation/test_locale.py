from zoneinfo import ZoneInfo

import pytest
from pydantic import TypeAdapter, ValidationError

from undercroft.core.validation import Locale, TimeZone

locale = TypeAdapter(Locale)
zone = TypeAdapter(TimeZone)


@pytest.mark.parametrize(
    ("raw", "normalized"),
    [
        ("en", "en"),
        ("EN-gb", "en-GB"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("es-419", "es-419"),
        ("fil", "fil"),
        ("sr-LATN", "sr-Latn"),
    ],
)
def test_locale_is_normalized_to_its_usual_case(raw: str, normalized: str) -> None:
    assert locale.validate_python(raw) == normalized


@pytest.mark.parametrize(
    "value", ["", "e", "english", "en_GB", "en-", "en-GB\n", "en-G\x00", "../en", "en GB", "é", None, 1]
)
def test_invalid_locale_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        locale.validate_python(value)


@pytest.mark.parametrize("value", ["UTC", "Europe/Berlin", "Asia/Jakarta", "America/Argentina/Ushuaia"])
def test_existing_time_zone_is_accepted(value: str) -> None:
    assert ZoneInfo(zone.validate_python(value)).key == value


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Europe",
        "Europe/Atlantis",
        "europe/berlin",
        "../../etc/passwd",
        "/etc/localtime",
        "UTC\x00",
        "x" * 500,
        None,
        1,
    ],
)
def test_unknown_time_zone_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        zone.validate_python(value)
