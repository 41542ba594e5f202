"""Services for the administration of backfills."""

from undercroft.core.db import ReadSession
from undercroft.jobs.backfills import control
from undercroft.jobs.models import BackfillRow


class BackfillService:
    """Backfills for administrators. Pass a `Session` to change them, a `ReadSession` to read."""

    def __init__(self, session: ReadSession) -> None:
        self._session = session

    async def list(self) -> list[BackfillRow]:
        return await control.list_backfills(self._session)

    async def pause(self, name: str) -> BackfillRow:
        """Stop a backfill until it is resumed. Raises `BackfillNotFound`, `BackfillStateConflict`."""
        return await control.change_and_record(self._session.writable, "backfill.paused", control.pause, name)

    async def resume(self, name: str) -> BackfillRow:
        """Continue a paused backfill. Raises `BackfillNotFound`, `BackfillStateConflict`."""
        return await control.change_and_record(self._session.writable, "backfill.resumed", control.resume, name)

    async def retry(self, name: str) -> BackfillRow:
        """Continue a failed or canceled backfill, or start a completed one again.

        Raises `BackfillNotFound`, `BackfillStateConflict`.
        """
        return await control.change_and_record(self._session.writable, "backfill.retried", control.retry, name)

    async def cancel(self, name: str) -> BackfillRow:
        """Stop a backfill until it is retried. Raises `BackfillNotFound`, `BackfillStateConflict`."""
        return await control.change_and_record(self._session.writable, "backfill.canceled", control.cancel, name)
