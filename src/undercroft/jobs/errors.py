"""Errors of jobs and tasks."""

from undercroft.core.errors import Conflict, NotFound


class InvalidArguments(ValueError):
    """The arguments do not match the task's signature: a programming error. Raised when the job is enqueued."""


class InvalidTask(TypeError):
    """A function cannot be a task. Raised when it is decorated."""


class JobNotFound(NotFound):
    code = "JOB_NOT_FOUND"
    message = "Job not found."


class JobNotFinished(Conflict):
    code = "JOB_NOT_FINISHED"
    message = "This job has not finished yet. Only finished jobs can be retried."


class JobFinished(Conflict):
    code = "JOB_FINISHED"
    message = "This job has finished and can no longer be canceled."


class JobKeyTaken(Conflict):
    code = "JOB_KEY_TAKEN"
    message = "Another job of this task with the same key is queued or running."


class ScheduleNotFound(NotFound):
    code = "SCHEDULE_NOT_FOUND"
    message = "This release has no schedule for a task with this name."


class BackfillNotFound(NotFound):
    code = "BACKFILL_NOT_FOUND"
    message = "Backfill not found."


class BackfillStateConflict(Conflict):
    code = "BACKFILL_STATE_CONFLICT"
    message = "This is not possible in the current state of the backfill."


class RowsLeft(RuntimeError):
    """The function of a backfill did not change all rows of a batch: a programming error."""
