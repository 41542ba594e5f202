"""Read-only views of jobs and schedules in `/admin`. Retry and cancel are available in the API."""

from sqladmin.filters import AllUniqueStringValuesFilter, StaticValuesFilter
from sqlmodel import col

from undercroft.core.admin import AdminView, Chart, Series, enum_choices
from undercroft.jobs.models import Job, JobStatus, Schedule


class JobView(AdminView, model=Job):
    name = "Job"
    icon = "fa-solid fa-gears"
    category = "Operation"
    label = "task"
    choices = {"status": JobStatus}
    column_list = ["task", "status", "attempts", "key", "created_at", "finished_at"]
    column_details_exclude_list = ["message_id"]
    column_searchable_list = ["task", "key"]
    column_sortable_list = ["task", "status", "created_at", "finished_at"]
    column_default_sort = ("created_at", True)
    column_filters = [StaticValuesFilter("status", values=enum_choices(JobStatus)), AllUniqueStringValuesFilter("task")]


class ScheduleView(AdminView, model=Schedule):
    name = "Schedule"
    icon = "fa-solid fa-clock"
    category = "Operation"
    label = "task"
    references = {"last_job_id": "job"}
    column_list = ["task", "cron", "timezone", "next_run_at", "last_run_at", "last_job_id"]
    column_default_sort = "next_run_at"


CHARTS = (
    Chart(
        "Jobs",
        [
            Series("Succeeded", Job, "finished_at", [col(Job.status) == JobStatus.SUCCEEDED.value]),
            Series("Failed", Job, "finished_at", [col(Job.status) == JobStatus.FAILED.value]),
        ],
    ),
)
