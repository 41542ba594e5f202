"""Administration of background jobs and schedules: view, retry, cancel."""

from undercroft.core.modules import Module

MODULE = Module()
