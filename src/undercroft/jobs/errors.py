"""What can be wrong with a job."""

from undercroft.core.errors import Conflict, NotFound


class InvalidArguments(ValueError):
    """The arguments do not fit the task's signature. Raised where the job is enqueued; a fault in our own program."""


class InvalidTask(TypeError):
    """A function cannot be a task as it is written. Raised where it is decorated."""


class UnknownTask(LookupError):
    """No task of this name was imported."""


class JobNotFound(NotFound):
    code = "JOB_NOT_FOUND"
    message = "There is no such job."


class JobNotFinished(Conflict):
    code = "JOB_NOT_FINISHED"
    message = "This job has not finished, so there is nothing to retry."


class JobFinished(Conflict):
    code = "JOB_FINISHED"
    message = "This job has finished and can no longer be cancelled."


class JobKeyTaken(Conflict):
    code = "JOB_KEY_TAKEN"
    message = "Another job of this task with the same key is waiting or running."
