"""Backfills: their declaration, the process that runs them, and how they are paused and retried."""
