"""Response bodies of the health checks."""

from enum import StrEnum
from typing import Any

from pydantic import Field

from undercroft.core.health import HealthStatus
from undercroft.core.validation import Schema


class Liveness(Schema):
    status: HealthStatus = Field(description="State of the process.")
    version: str = Field(description="Version of the running release.", examples=["1.4.0"])


class ComponentStatus(StrEnum):
    UP = "up"
    DOWN = "down"


class ComponentRead(Schema):
    status: ComponentStatus = Field(description="Whether the component works.")
    latency_ms: float = Field(description="Response time of the component, in milliseconds.")
    required: bool = Field(description="Whether the service requires the component.")
    details: dict[str, Any] = Field(default_factory=dict, description="More data, by component.")


class Readiness(Schema):
    status: HealthStatus = Field(description="State of the service.")
    components: dict[str, ComponentRead] = Field(description="State of each component, by name.")
