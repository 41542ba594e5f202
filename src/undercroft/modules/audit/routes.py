"""Routes of the audit log: all entries for administrators, and those of a team for members with permission."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Response
from fastapi.responses import StreamingResponse

from undercroft.core.db import DatabaseDep, ReadSessionDep, utc_now
from undercroft.core.http import CurrentPrincipal, InvalidCursor, Page, Router, Tag
from undercroft.core.http.pagination import page_response
from undercroft.core.http.query import query
from undercroft.modules.audit.schemas import (
    AdminAuditQuery,
    AdminExportQuery,
    AuditEntryRead,
    AuditQuery,
    ExportFormat,
    ExportQuery,
)
from undercroft.modules.audit.service.log import MEDIA_TYPES, export, read_log
from undercroft.modules.teams import TEAM_FROM_PATH, TeamNotFound

AUDIT = Tag("Audit log", "Audit log of the platform.", group="Administration")
EXPORT_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The exported file, streamed.",
        "content": {
            "text/csv": {"schema": {"type": "string"}, "example": "action,target_type\nproject.created,project\n"},
            "application/jsonl": {"schema": {"type": "string"}, "example": '{"action": "project.created"}\n'},
        },
    }
}

admin = Router(surface="admin", prefix="/audit-logs", tag=AUDIT)
team = Router(surface="app", prefix="/teams/{team_id}/audit-logs", tag="Teams", dependencies=[TEAM_FROM_PATH])


@admin.get("", response_model=Page[AuditEntryRead], summary="List audit entries", errors=(InvalidCursor,))
async def list_entries(query: Annotated[AdminAuditQuery, query(AdminAuditQuery)], session: ReadSessionDep) -> Response:
    """Returns entries, newest first. Use `limit` and `cursor` to read a long log."""
    return page_response(await read_log(session, query, query.paging))


@admin.get("/export", response_class=StreamingResponse, summary="Export audit entries", responses=EXPORT_RESPONSES)
async def export_entries(
    query: Annotated[AdminExportQuery, query(AdminExportQuery)], database: DatabaseDep
) -> Response:
    """Exports all matching entries, newest first, as a file. The export is recorded in the audit log.

    In CSV files, a cell that a spreadsheet would evaluate as a formula starts with an apostrophe.
    """
    return _file(await export(database, query), query.format)


@team.get(
    "",
    permission="audit:read",
    response_model=Page[AuditEntryRead],
    summary="List a team's audit entries",
    errors=(TeamNotFound, InvalidCursor),
)
async def list_team_audit_entries(
    query: Annotated[AuditQuery, query(AuditQuery)], principal: CurrentPrincipal, session: ReadSessionDep
) -> Response:
    """Returns entries about the team and its data, newest first."""
    return page_response(await read_log(session, query, query.paging, team_id=principal.team_id))


@team.get(
    "/export",
    permission="audit:read",
    response_class=StreamingResponse,
    summary="Export a team's audit entries",
    responses=EXPORT_RESPONSES,
    errors=(TeamNotFound,),
)
async def export_team_audit_entries(
    query: Annotated[ExportQuery, query(ExportQuery)], principal: CurrentPrincipal, database: DatabaseDep
) -> Response:
    """Exports all matching entries of the team, newest first, as a file.

    In CSV files, a cell that a spreadsheet would evaluate as a formula starts with an apostrophe.
    """
    return _file(await export(database, query, team_id=principal.team_id), query.format)


def _file(content: AsyncIterator[bytes], file_format: ExportFormat) -> Response:
    name = f"audit-log-{utc_now():%Y%m%d-%H%M%S}.{file_format}"
    return StreamingResponse(
        content,
        media_type=MEDIA_TYPES[file_format],
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )
