"""Backfills in `/admin`: their progress, and buttons that pause, resume, retry and cancel them."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Literal

from pydantic import BaseModel
from sqladmin.filters import StaticValuesFilter

from undercroft.core.admin import AdminView, enum_choices
from undercroft.core.auth import Principal
from undercroft.core.db import Session
from undercroft.jobs.models import BackfillRow, BackfillStatus
from undercroft.modules.backfills.service import BackfillService

STORED = [choice for choice in enum_choices(BackfillStatus) if choice[0] != BackfillStatus.RUNNING]
"""The statuses of rows. `running` results from the time of the last batch."""


class StatusEdit(BaseModel):
    status: Literal["queued", "paused", "canceled"]


def _format_rows(row: BackfillRow, _name: str, _request: Any) -> str:
    return f"{row.done:,}" if row.total is None else f"{row.done:,} of {row.total:,}"


def _format_progress(row: BackfillRow, _name: str, _request: Any) -> str:
    return "" if row.fraction is None else f"{row.fraction:.0%}"


def _format_rate(row: BackfillRow, _name: str, _request: Any) -> str:
    return f"{row.rate:,.0f} rows/s" if row.rate and row.state is BackfillStatus.RUNNING else ""


def _format_remaining(row: BackfillRow, _name: str, _request: Any) -> str:
    return "" if row.remaining is None else f"{row.remaining:,.0f} s"


class BackfillView(AdminView, model=BackfillRow):
    name = "Backfill"
    name_plural = "Backfills"
    icon = "fa-solid fa-fill-drip"
    category = "Operation"
    label = "name"
    schema = StatusEdit
    choices = {"status": BackfillStatus}
    column_list = ["name", "status", "done", "fraction", "rate", "remaining", "throttled", "finished_at"]
    column_details_list = [*column_list[:-1], "attempts", "error", "started_at", "finished_at", "updated_at"]
    column_labels = {"done": "Rows", "fraction": "Progress", "remaining": "Time left", "throttled": "Waiting for"}
    column_searchable_list = ["name"]
    column_sortable_list = ["name", "status", "finished_at"]
    column_default_sort = "name"
    column_filters = [StaticValuesFilter("status", values=STORED)]
    form_args = {"status": {"choices": STORED}}
    column_formatters = {
        "status": lambda row, _name, _request: row.state.capitalize(),
        "done": _format_rows,
        "fraction": _format_progress,
        "rate": _format_rate,
        "remaining": _format_remaining,
    }
    column_formatters_detail = column_formatters
    list_template = "backfills/list.html"
    details_template = "backfills/details.html"

    def row_fingerprint(self, row: Any) -> str:
        """A hash of the status only: each batch changes the other columns."""
        return sha256(row.status.encode()).hexdigest()

    def get_actions(self, row: BackfillRow) -> list[tuple[str, str]]:
        """The labels of the buttons for a row, with the status that each one sets."""
        again = "Start again" if row.status == BackfillStatus.COMPLETED else "Retry"
        resume = "Resume" if row.status == BackfillStatus.PAUSED else again
        actions = {"Pause": "paused", resume: "queued", "Cancel": "canceled"}
        allowed = {
            BackfillStatus.QUEUED: ("Pause", "Cancel"),
            BackfillStatus.PAUSED: ("Resume", "Cancel"),
            BackfillStatus.FAILED: ("Retry", "Cancel"),
        }.get(BackfillStatus(row.status), (again,))
        return [(label, actions[label]) for label in allowed]

    async def update_row(self, session: Session, row: Any, values: Mapping[str, Any], *, by: Principal) -> None:  # noqa: ARG002
        """Pause, resume, retry or cancel a backfill. Raises `BackfillStateConflict`."""
        service, status = BackfillService(session), values["status"]
        if status == BackfillStatus.PAUSED:
            await service.pause(row.name)
        elif status == BackfillStatus.CANCELED:
            await service.cancel(row.name)
        elif row.status == BackfillStatus.PAUSED:
            await service.resume(row.name)
        else:
            await service.retry(row.name)


BackfillView.identity = "backfill"  # SQLAdmin derives it from the model
