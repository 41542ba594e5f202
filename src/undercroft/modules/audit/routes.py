"""The audit log over HTTP: all of it for administrators, a team's own for those whom its roles let."""

from typing import Annotated, Any

from fastapi import Response
from fastapi.responses import StreamingResponse

from undercroft.core.auth import CurrentPrincipal, Router, require_permission
from undercroft.core.db import DatabaseDep, ReadSessionDep, utc_now
from undercroft.core.http.answers import json_answer
from undercroft.core.http.errors import responses
from undercroft.core.http.pagination import CursorPage, CursorQuery, InvalidCursor, Page, cursor_of, pages
from undercroft.core.http.query import query
from undercroft.core.http.tags import Tag
from undercroft.modules.audit.export import MEDIA_TYPES
from undercroft.modules.audit.schemas import AdminAuditQuery, AuditEntryRead, AuditFilter, AuditQuery, ExportQuery
from undercroft.modules.audit.service import AuditLog, export
from undercroft.modules.teams import NAMED_TEAM, TeamNotFound

AUDIT = Tag("Audit log", "Who did what, and when.", group="Administration")
FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file, as long as it is.",
        "content": {media: {"schema": {"type": "string"}} for media in MEDIA_TYPES.values()},
    }
}
LISTED = Page[AuditEntryRead] | CursorPage[AuditEntryRead]

admin = Router(surface="admin", prefix="/audit-logs", tag=AUDIT)
of_team = Router(surface="app", prefix="/teams/{team_id}/audit-logs", tag="Teams", dependencies=[NAMED_TEAM])


@admin.get("", response_model=LISTED, summary="List audit entries", responses=responses(InvalidCursor))
async def list_entries(query: Annotated[AdminAuditQuery, query(AdminAuditQuery)], session: ReadSessionDep) -> Response:
    """Newest first, by pages with a total; with `cursor` or `limit` by stretches, which are as fast in a long log."""
    return await _listed(AuditLog(session), query, query)


@admin.get("/export", response_class=StreamingResponse, summary="Export audit entries", responses=FILE)
async def export_entries(query: Annotated[ExportQuery, query(ExportQuery)], database: DatabaseDep) -> Response:
    """All entries that match, newest first, as a file. The export is an entry of its own.

    In CSV, a cell that a spreadsheet would take for a formula begins with an apostrophe.
    """
    name = f"audit-log-{utc_now():%Y%m%d-%H%M%S}.{query.format}"
    return StreamingResponse(
        await export(database, query),
        media_type=MEDIA_TYPES[query.format],
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


@of_team.get(
    "",
    response_model=LISTED,
    summary="List a team's audit entries",
    dependencies=[require_permission("audit:read")],
    responses=responses(TeamNotFound, InvalidCursor),
)
async def list_team_entries(
    query: Annotated[AuditQuery, query(AuditQuery)], principal: CurrentPrincipal, session: ReadSessionDep
) -> Response:
    """What was done to the team and what it owns, newest first."""
    return await _listed(AuditLog(session, team_id=principal.team_id), query, query)


async def _listed(log: AuditLog, asked: AuditFilter, how: CursorQuery) -> Response:
    if how.by_cursor:
        items, following = await log.stretch(asked, after=how.position, limit=how.limit or 20)
        return json_answer({"items": items, "next_cursor": cursor_of(following)})
    items, total = await log.page(asked, page=how.page, size=how.size)
    counted = {"total": total, "page": how.page, "size": how.size, "pages": pages(total, how.size)}
    return json_answer({"items": items, **counted})
