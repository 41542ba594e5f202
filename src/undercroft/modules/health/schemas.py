"""Response bodies of the health checks."""

from enum import StrEnum
from typing import Any

from pydantic import Field

from undercroft.core.health import HealthStatus
from undercroft.core.validation import Schema


class Liveness(Schema):
    status: HealthStatus
    version: str


class ComponentStatus(StrEnum):
    UP = "up"
    DOWN = "down"


class ComponentRead(Schema):
    status: ComponentStatus
    latency_ms: float = Field(description="Response time of the component, in milliseconds.")
    required: bool = Field(description="Whether the service requires the component.")
    details: dict[str, Any] = Field(default_factory=dict)


class Readiness(Schema):
    status: HealthStatus
    components: dict[str, ComponentRead]
