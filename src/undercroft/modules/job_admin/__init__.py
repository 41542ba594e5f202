"""Background jobs and schedules, for administrators: look, retry, cancel."""
