"""Request and response bodies of feature flags."""

from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field, field_validator

from undercroft.core.validation import NOT_GIVEN, Schema, UpdateSchema
from undercroft.modules.flags.models import MAX_LISTED, FlagRule, FlagUnit, RuleBase

EXAMPLE: dict[str, Any] = {"enabled": True, "percentage": 25, "unit": "team"}


class FlagRuleUpdate(UpdateSchema):
    """Changes of a rule; only the given fields are changed."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    enabled: bool = Field(NOT_GIVEN, description="Whether the feature is on at all.")
    percentage: float = Field(
        NOT_GIVEN,
        ge=0,
        le=100,
        allow_inf_nan=False,
        description="Percentage of the users or teams that have the feature. The same ones stay when it grows.",
    )
    unit: FlagUnit = Field(NOT_GIVEN, description="`user` or `team`: what `percentage` is a share of.")
    users: list[UUID] = Field(NOT_GIVEN, max_length=MAX_LISTED, description="Users that always have the feature.")
    teams: list[UUID] = Field(NOT_GIVEN, max_length=MAX_LISTED, description="Teams that always have the feature.")
    starts_at: AwareDatetime | None = Field(
        NOT_GIVEN, description="Time before which the feature is off; null for no limit."
    )
    ends_at: AwareDatetime | None = Field(
        NOT_GIVEN, description="Time from which the feature is off; null for no limit."
    )

    @field_validator("users", "teams")
    @classmethod
    def _remove_duplicates(cls, ids: list[UUID]) -> list[UUID]:
        return list(dict.fromkeys(ids))


class FlagRead(RuleBase):
    """A flag and its rule."""

    key: str = Field(description="Key of the flag.", examples=["hotel.beta"])
    description: str = Field(description="The feature.")
    default: bool | None = Field(
        description="Whether the feature is on while no administrator has set a rule; null if the code no longer "
        "declares the flag."
    )
    is_default: bool = Field(description="Whether no administrator has set a rule: the default of the code applies.")
    is_declared: bool = Field(description="Whether the code declares the flag. Otherwise the rule is unused.")
    version: int = Field(description="Version number, incremented by every change; also the ETag.")

    @classmethod
    def of(cls, row: FlagRule, default: bool | None) -> "FlagRead":
        """`default` is None if the code does not declare the flag."""
        known: dict[str, Any] = {name: getattr(row, name) for name in cls.model_fields if name != "default"}
        if row.is_default and default is not None:
            known["enabled"] = default
        return cls.model_validate({**known, "default": default, "is_declared": default is not None})


class FlagList(Schema):
    items: list[FlagRead] = Field(description="Flags by key.")


class EvaluatedFlags(Schema):
    flags: dict[str, bool] = Field(
        description="Whether each feature is on for the caller, by the key of its flag.",
        examples=[{"hotel.beta": True}],
    )
