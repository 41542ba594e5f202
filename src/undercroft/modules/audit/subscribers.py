"""Binds the audit log to every process, and erases from it who has gone."""

from undercroft.core import audit
from undercroft.core.audit import person_of
from undercroft.core.db import Session
from undercroft.core.events import subscribe
from undercroft.modules.audit.erasure import erase_values
from undercroft.modules.audit.sink import AuditTable
from undercroft.modules.users import UserDeleted

AFTERWARDS = 600
"""Seconds after which no request of somebody who has gone is on its way any more."""

audit.bind(AuditTable())


@subscribe(UserDeleted)
async def erase_person(session: Session, event: UserDeleted) -> None:
    """Names and addresses go with the account; what was done to what remains, by ids.

    What others record of the same deletion, or of requests that are still on their way, is erased a little later.
    """
    from undercroft.jobs import enqueue
    from undercroft.modules.audit.tasks import erase

    for person_id in (event.user_id, person_of(event.email)):
        await erase_values(session, person_id)
        await enqueue(session, erase, user_id=person_id, delay=AFTERWARDS)
