"""Values of the database that every server and worker process keeps in memory, such as settings and rules.

    @live(default=MappingProxyType({}))                   # live.py of a module
    async def rates(session: ReadSession) -> Mapping[str, Decimal]:
        return await RateRepository(session).read_all()

    rates.current["EUR"]                                  # anywhere: no statement
    await rates.announce(session)                         # in the transaction that changes the rows

A process reads all values when it starts. Then it reads the versions of the values twice per second, in one statement
on a connection of its own, and reads each value again whose version differs. So a change reaches every process within
a second of its commit, with and without Redis, behind any connection pooler and however busy the process is; there are
no notifications that can be lost. While the database is unavailable, the last values stay.
"""

from undercroft.core.live.value import Live, live

__all__ = ["Live", "live"]
