"""Routes of the audit log: all entries for administrators, and those of a team for members with permission."""

from typing import Annotated, Any

from fastapi import Response
from fastapi.responses import StreamingResponse

from undercroft.core.db import DatabaseDep, ReadSessionDep, utc_now
from undercroft.core.http import CurrentPrincipal, Router, require_permission
from undercroft.core.http.errors import responses
from undercroft.core.http.pagination import CursorPage, CursorQuery, InvalidCursor, Page, encode_cursor, pages
from undercroft.core.http.query import query
from undercroft.core.http.responses import json_response
from undercroft.core.http.tags import Tag
from undercroft.modules.audit.export import MEDIA_TYPES
from undercroft.modules.audit.schemas import AdminAuditQuery, AuditEntryRead, AuditFilter, AuditQuery, ExportQuery
from undercroft.modules.audit.service import AuditLog, export
from undercroft.modules.teams import TEAM_FROM_PATH, TeamNotFound

AUDIT = Tag("Audit log", "Audit log of the platform.", group="Administration")
EXPORT_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The exported file, streamed.",
        "content": {media: {"schema": {"type": "string"}} for media in MEDIA_TYPES.values()},
    }
}
AuditEntryPage = Page[AuditEntryRead] | CursorPage[AuditEntryRead]

admin = Router(surface="admin", prefix="/audit-logs", tag=AUDIT)
team = Router(surface="app", prefix="/teams/{team_id}/audit-logs", tag="Teams", dependencies=[TEAM_FROM_PATH])


@admin.get("", response_model=AuditEntryPage, summary="List audit entries", responses=responses(InvalidCursor))
async def list_entries(query: Annotated[AdminAuditQuery, query(AdminAuditQuery)], session: ReadSessionDep) -> Response:
    """Returns entries, newest first.

    Offset pages with a total count, or cursor pages when `cursor` or `limit` is given, which stay fast in a long log.
    """
    return await _list_response(AuditLog(session), query, query)


@admin.get("/export", response_class=StreamingResponse, summary="Export audit entries", responses=EXPORT_RESPONSES)
async def export_entries(query: Annotated[ExportQuery, query(ExportQuery)], database: DatabaseDep) -> Response:
    """Exports all matching entries, newest first, as a file. The export is recorded in the audit log.

    In CSV files, a cell that a spreadsheet would evaluate as a formula starts with an apostrophe.
    """
    name = f"audit-log-{utc_now():%Y%m%d-%H%M%S}.{query.format}"
    return StreamingResponse(
        await export(database, query),
        media_type=MEDIA_TYPES[query.format],
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


@team.get(
    "",
    response_model=AuditEntryPage,
    summary="List a team's audit entries",
    dependencies=[require_permission("audit:read")],
    responses=responses(TeamNotFound, InvalidCursor),
)
async def list_team_entries(
    query: Annotated[AuditQuery, query(AuditQuery)], principal: CurrentPrincipal, session: ReadSessionDep
) -> Response:
    """Returns entries about the team and its data, newest first."""
    return await _list_response(AuditLog(session, team_id=principal.team_id), query, query)


async def _list_response(log: AuditLog, filters: AuditFilter, paging: CursorQuery) -> Response:
    if paging.uses_cursor:
        items, following = await log.list_after(filters, after=paging.position, limit=paging.limit or 20)
        return json_response({"items": items, "next_cursor": encode_cursor(following)})
    items, total = await log.page(filters, page=paging.page, size=paging.size)
    counted = {"total": total, "page": paging.page, "size": paging.size, "pages": pages(total, paging.size)}
    return json_response({"items": items, **counted})
