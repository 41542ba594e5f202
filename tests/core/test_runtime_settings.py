"""Settings that change at runtime: the value of the environment is the default, invalid values change nothing."""

from collections.abc import Iterator

import pytest
from pydantic import Field, SecretStr

from undercroft.core.context import AppContext, use_context
from undercroft.core.errors import CodeError
from undercroft.core.runtime_settings import RuntimeSettings, apply_values, check_value, runtime_settings, watch
from undercroft.core.settings import SettingsBase, SettingsConfigDict, StringList, load


class HotelSettings(SettingsBase):
    model_config = SettingsConfigDict(env_prefix="hotel_")
    section = "Hotel"
    runtime = ("beds", "tags")

    beds: int = Field(2, ge=1, description="Number of beds.")
    tags: StringList = ()
    name: str = "Grand"


@pytest.fixture(autouse=True)
def context() -> Iterator[AppContext]:
    context = AppContext({"HOTEL_BEDS": "3", "HOTEL_NAME": "Ritz"})
    with use_context(context):
        context.add(RuntimeSettings, RuntimeSettings([HotelSettings]))
        yield context


def test_value_at_runtime_replaces_the_one_of_the_environment() -> None:
    assert (load(HotelSettings).beds, runtime_settings()["HOTEL_BEDS"].default) == (3, 3)
    assert apply_values({"HOTEL_BEDS": "4", "HOTEL_TAGS": "a,b"}) == {}
    assert (load(HotelSettings).beds, load(HotelSettings).tags) == (4, ("a", "b"))
    assert runtime_settings()["HOTEL_BEDS"].default == 3
    assert apply_values({}) == {}
    assert load(HotelSettings).beds == 3


def test_settings_that_are_loaded_later_have_the_values(context: AppContext) -> None:
    apply_values({"HOTEL_BEDS": "4"})
    context.settings.clear()
    assert load(HotelSettings).beds == 4


def test_other_settings_do_not_change() -> None:
    assert apply_values({"HOTEL_NAME": "Plaza", "DATABASE_URL": "postgresql://elsewhere"}) == {}
    assert load(HotelSettings).name == "Ritz"


def test_invalid_value_is_left_out_and_the_others_apply() -> None:
    invalid = apply_values({"HOTEL_BEDS": "0", "HOTEL_TAGS": "a"})
    assert invalid == {"HOTEL_BEDS": "HOTEL_BEDS must be at least 1."}
    assert (load(HotelSettings).beds, load(HotelSettings).tags) == (3, ("a",))


def test_watchers_are_called_after_a_change_only_and_cannot_prevent_it() -> None:
    seen: list[int] = []

    def fail() -> None:
        raise ZeroDivisionError

    watch(fail)
    watch(lambda: seen.append(load(HotelSettings).beds))
    for values in (
        {"HOTEL_BEDS": "4"},
        {"HOTEL_BEDS": "4"},
        {"HOTEL_BEDS": "5"},
        {"OTHER": "1", "HOTEL_BEDS": "5"},
        {},
    ):
        apply_values(values)
    assert seen == [4, 5, 3]


def test_reason_names_the_setting_and_not_the_value() -> None:
    beds = runtime_settings()["HOTEL_BEDS"]
    with pytest.raises(ValueError, match=r"^HOTEL_BEDS must be a whole number\.$"):
        check_value(beds, "several", {})
    check_value(beds, "5", {"HOTEL_TAGS": "a"})


def test_secret_and_missing_fields_are_refused() -> None:
    class Secret(SettingsBase):
        runtime = ("token",)
        token: SecretStr = SecretStr("")

    class Missing(SettingsBase):
        runtime = ("bed",)

    for declared, message in ((Secret, "token of Secret is a secret"), (Missing, "Missing has no field bed")):
        with pytest.raises(CodeError, match=message):
            RuntimeSettings([declared])
