"""Administration of background jobs and schedules: view, retry, cancel."""

from undercroft.core import Module

MODULE = Module(optional=True)
