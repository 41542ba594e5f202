"""Request and response schemas of projects."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ConfigDict, Field

from undercroft.core.validation import LongText, Name, Schema
from undercroft.modules.projects.models import ProjectBase, ProjectStatus

EXAMPLE: Any = {"name": "Website", "description": "The new website.", "status": "active"}


class ProjectCreate(ProjectBase):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})  # type: ignore[assignment]


class ProjectUpdate(Schema):
    """Only the given fields are changed."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"status": "done"}]})

    name: Name = Field(default="", max_length=200)
    description: LongText = Field(default="", max_length=10_000)
    status: ProjectStatus = Field(default=ProjectStatus.ACTIVE)


class ProjectRead(ProjectBase):
    id: UUID
    team_id: UUID
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime
    version: int = Field(description="Version number, incremented by every change; also the ETag.")
