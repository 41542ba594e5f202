"""The base class of request and response schemas, and the annotation of all their text types."""

from collections.abc import Callable
from typing import Any, cast

from msgspec import Struct
from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from undercroft.core.extras import require_extra


class Schema(BaseModel):
    """A pydantic model that builds its validator on first use, which shortens the startup."""

    model_config = ConfigDict(defer_build=True)


NOT_GIVEN: Any = None
"""The default of a field of an `UpdateSchema`."""


class UpdateSchema(Schema):
    """The body of a PATCH: only the given fields are changed, `model_dump(exclude_unset=True)`.

    Each field has the default `NOT_GIVEN`, whatever its type; the JSON schema shows no default.
    """

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        described = handler.resolve_ref_schema(handler(schema))
        for field in described.get("properties", {}).values():
            field.pop("default", None)
        return described


def secret_schema(description: str, example: str, max_length: int, min_length: int = 1) -> WithJsonSchema:
    """The JSON schema of a `SecretStr` that requests contain and responses never do."""
    return WithJsonSchema(
        {
            "type": "string",
            "format": "password",
            "writeOnly": True,
            "minLength": min_length,
            "maxLength": max_length,
            "description": description,
            "examples": [example],
        }
    )


def require_validation(package: str) -> None:
    """Raise `ConfigurationError` if a package of the extra `validation` is not installed."""
    require_extra(package, "validation", f"This validation needs {package}")


class Normalized(Struct, frozen=True):
    """Use as `Annotated[str, Normalized(normalizer, max_length=80)]`: a string type with normalized values.

    `normalizer` raises `PydanticCustomError` for invalid values. The lengths apply to its result, which is stored. A
    `Field(max_length=…)` on the attribute narrows them. `format`, `pattern` and `example` are for the JSON schema.
    `package` names the one that the normalizer imports, if only the extra `validation` installs it.
    """

    normalizer: Callable[[str], str]
    max_length: int
    min_length: int = 0
    format: str | None = None
    pattern: str | None = None
    example: str | None = None
    package: str | None = None

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        if self.package:
            require_validation(self.package)
        narrowed = cast(core_schema.StringSchema, handler(source))
        assert narrowed["type"] == "str", "this annotation is for str"
        narrowed["max_length"] = min(self.max_length, narrowed.get("max_length", self.max_length))
        if self.min_length:
            narrowed["min_length"] = max(self.min_length, narrowed.get("min_length", 0))
        return core_schema.no_info_before_validator_function(self._normalize, narrowed)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        extra = {
            "format": self.format,
            "pattern": self.pattern,
            "examples": [self.example] if self.example else None,
        }
        return {**handler(schema), **{name: value for name, value in extra.items() if value is not None}}

    def _normalize(self, value: object) -> object:
        return self.normalizer(value) if isinstance(value, str) else value
