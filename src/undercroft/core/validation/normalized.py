"""The annotation of all text types: normalize a string, then check the length of the result."""

from collections.abc import Callable
from typing import cast

from msgspec import Struct
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema


class Normalized(Struct, frozen=True):
    """Use as `Annotated[str, Normalized(normalizer, max_length=80)]`: a string type with normalized values.

    `normalizer` raises `PydanticCustomError` for invalid values. The lengths apply to its result, which is stored. A
    `Field(max_length=…)` on the attribute narrows them. `format`, `pattern` and `example` are for the JSON schema.
    """

    normalizer: Callable[[str], str]
    max_length: int
    min_length: int = 0
    format: str | None = None
    pattern: str | None = None
    example: str | None = None

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
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
