"""Administration of backfills: their progress, pause, resume, retry, cancel."""

from undercroft.core import Module

MODULE = Module(optional=True)
