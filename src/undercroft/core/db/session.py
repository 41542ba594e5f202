"""The two kinds of session: `Session` is one transaction, `ReadSession` reads without one."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

import asyncpg
from sqlalchemy import CursorResult, Result, ScalarResult, event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql import Executable

from undercroft.core.db.errors import NothingCommitted, OutcomeUnknown, is_lost, raise_translated
from undercroft.core.db.pool import Borrowed, Pool
from undercroft.core.db.settings import DatabaseSettings, required
from undercroft.core.db.statement import Statement
from undercroft.core.db.tenancy import current_tenant, telling
from undercroft.core.errors import AppError

T = TypeVar("T")
_UNKNOWN = object()
BeginHook = Callable[[asyncpg.Connection], Awaitable[None]]


class ReadSession:
    """Reads: compiled statements or Core and ORM statements, without a transaction unless `Session` adds one.

    A connection is taken at the first statement. Compiled statements give it back at once; the first Core or ORM
    statement keeps it until the session closes. Relations must be loaded on purpose: nothing loads lazily.

    With row-level security on there is a transaction around what reads a team's rows, which says whose they are.
    """

    _BEGIN = "BEGIN READ ONLY"

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._borrowed: Borrowed | None = None
        self._orm: AsyncSession | None = None
        self._told: object = None
        self._in_transaction = False

    @property
    def secures_rows(self) -> bool:
        """Whether row-level security is on."""
        return self._pool.secures_rows

    async def orm(self) -> AsyncSession:
        """SQLAlchemy's session on this session's connection. Never commit or roll back through it."""
        if self._orm is not None and not self._pool.secures_rows:
            return self._orm
        borrowed = await self._hold()
        if self._orm is None:
            self._orm = AsyncSession(borrowed.connection(), expire_on_commit=False)
            if self._pool.secures_rows:
                event.listen(self._orm.sync_session, "after_soft_rollback", self._forget_tenant)
        return self._orm

    async def execute(self, statement: Executable, values: Any = None) -> Result[Any]:
        return await (await self.orm()).execute(statement, values)

    async def scalar(self, statement: Executable) -> Any:
        return await (await self.orm()).scalar(statement)

    async def scalars(self, statement: Executable) -> ScalarResult[Any]:
        return await (await self.orm()).scalars(statement)

    async def get(self, model: type[T], key: Any) -> T | None:
        return cast("T | None", await (await self.orm()).get(model, key))

    async def fetch(self, statement: Statement, **values: Any) -> list[asyncpg.Record]:
        """The rows of a compiled statement, as the driver gives them."""
        if self._borrowed is None:
            return await self._pool.fetch(statement, **values)
        return await self._pool.run(await self._hold(), statement, values)

    async def fetchrow(self, statement: Statement, **values: Any) -> asyncpg.Record | None:
        rows = await self.fetch(statement, **values)
        return rows[0] if rows else None

    async def _hold(self) -> Borrowed:
        if not self._pool.secures_rows:
            if self._borrowed is None:
                self._borrowed = await self._pool.acquire()
            return self._borrowed
        return await self._hold_told()

    async def _hold_told(self) -> Borrowed:
        """Begin, or say anew whose rows the transaction works on when that is not who it was."""
        if self._borrowed is None:
            self._borrowed = await self._begin_anew() or await self._begin()
        tenant = current_tenant()
        if tenant is not self._told and tenant != self._told:
            await self._borrowed.raw.execute(telling(tenant))
            self._told = tenant
        return self._borrowed

    async def _begin_anew(self) -> Borrowed | None:
        """Begin; None when the connection was broken, which is worth one more try: nothing was sent yet."""
        try:
            return await self._begin()
        except Exception as error:
            if not is_lost(error):
                raise
            self._pool.discard_idle()
            return None

    async def _begin(self) -> Borrowed:
        """Begin the transaction and say whose rows it works on, in one round trip."""
        borrowed = await self._pool.acquire()
        tenant = current_tenant()
        try:
            await borrowed.raw.execute(f"{self._BEGIN}; {telling(tenant)}" if self._pool.secures_rows else self._BEGIN)
            await self._begun(borrowed)
        except BaseException:
            borrowed.discard()
            raise
        self._told, self._in_transaction = tenant, True
        return borrowed

    async def _begun(self, borrowed: Borrowed) -> None:
        """What else comes first in a transaction."""

    def _forget_tenant(self, *_: Any) -> None:
        """Rolling back to a savepoint took back what was said after it."""
        self._told = _UNKNOWN

    async def _close(self, *, broken: bool) -> None:
        if self._orm is not None and not broken:
            await self._orm.close()
        if self._in_transaction and not broken and self._borrowed is not None:
            broken = not await _ended(self._borrowed)
        if self._borrowed is not None:
            (self._borrowed.discard if broken else self._borrowed.release)()
        self._borrowed = self._orm = None


async def _ended(borrowed: Borrowed, how: str = "COMMIT") -> bool:
    """End a transaction of which nothing is to be kept, and say whether that went well."""
    try:
        await borrowed.raw.execute(how)
    except Exception:
        return False
    return True


class Session(ReadSession):
    """One transaction: begun at the first statement, ended by whoever opened the session and by nobody else.

    Raw, Core and ORM statements share it. It has no `commit`: raise to roll back.
    """

    _BEGIN = "BEGIN"

    def __init__(self, pool: Pool, on_begin: BeginHook | None = None) -> None:
        super().__init__(pool)
        self._on_begin = on_begin
        self._pending: list[object] = []
        self._spent = False
        self._shared = False
        self._after_commit: list[Callable[[], None]] = []

    def add(self, row: object) -> None:
        """Write this row at the next statement or at the end."""
        self._pending.append(row)

    def add_all(self, rows: Sequence[object]) -> None:
        self._pending.extend(rows)

    async def flush(self) -> None:
        """Write what was added or changed so far, so that constraints speak now."""
        await (await self.orm()).flush()

    async def delete(self, row: object) -> None:
        await (await self.orm()).delete(row)

    async def refresh(self, row: object) -> None:
        await (await self.orm()).refresh(row)

    async def rowcount(self, statement: Executable, values: Any = None) -> int:
        """Execute a statement and say how many rows it touched."""
        return cast("CursorResult[Any]", await self.execute(statement, values)).rowcount

    def share(self) -> None:
        """Somebody else writes in this transaction too: from now on `write_one` is one of its statements."""
        self._shared = True

    async def raw(self) -> asyncpg.Connection:
        """The driver's connection, inside this transaction, with everything added so far written."""
        await self._write_pending()
        return (await self._hold()).raw

    async def fetch(self, statement: Statement, **values: Any) -> list[asyncpg.Record]:
        await self._write_pending()
        return await self._pool.run(await self._hold(), statement, values)

    async def write_one(self, statement: Statement, **values: Any) -> asyncpg.Record | None:
        """Run the only statement of this session, atomic by itself, without BEGIN and COMMIT; returns its first row.

        With row-level security on, one that names a team's table has them after all.

        Raises `RuntimeError` when the session has run or is given another statement, unless it is shared.
        """
        if self._shared:
            return await self.fetchrow(statement, **values)
        if self._borrowed is not None or self._pending:
            raise RuntimeError("write_one is for a session's only statement.")
        if self._pool.secures_rows and statement.is_tenants:
            rows = await self.fetch(statement, **values)
            self._spent = True
            return rows[0] if rows else None
        self._spent = True
        return await self._pool.fetchrow(statement, **values)

    async def orm(self) -> AsyncSession:
        orm = await super().orm()
        if self._pending:
            orm.add_all(self._pending)
            self._pending.clear()
        return orm

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call this once the transaction has been committed; not at all when it rolls back."""
        self._after_commit.append(callback)

    async def _write_pending(self) -> None:
        if self._pending or self._orm is not None:
            await (await self.orm()).flush()

    async def _hold(self) -> Borrowed:
        if self._spent:
            raise RuntimeError("This session has already run its only statement.")
        if self._pool.secures_rows:
            return await self._hold_told()
        if self._borrowed is None:
            self._borrowed = await self._begin_anew() or await self._begin()
        return self._borrowed

    async def _begun(self, borrowed: Borrowed) -> None:
        if self._on_begin is not None:
            await self._on_begin(borrowed.raw)

    async def _commit(self) -> None:
        await self._write_pending()
        if self._in_transaction and self._borrowed is not None:
            try:
                ended = await self._borrowed.raw.execute("COMMIT")
            except Exception as error:
                if is_lost(error) or isinstance(error, TimeoutError):
                    raise OutcomeUnknown from error
                raise
            self._in_transaction = False
            if ended == "ROLLBACK":
                raise NothingCommitted
        await self._close(broken=False)
        for callback in self._after_commit:
            callback()

    async def _roll_back(self, cause: BaseException) -> None:
        """Undo everything; a connection in the middle of something is closed, which undoes it too."""
        broken = not isinstance(cause, Exception) or isinstance(cause, TimeoutError) or is_lost(cause)
        if self._in_transaction and self._borrowed is not None and not broken:
            broken = not await _ended(self._borrowed, "ROLLBACK")
        self._in_transaction = False
        await self._close(broken=broken)


class Database:
    """A PostgreSQL database as this process uses it: a pool for writing and a read-only one for reading.

    `name` is what the server calls the writing connections, after "undercroft"; `server_settings` are theirs too.
    Raises `ConfigurationError` when no database is configured.
    """

    def __init__(
        self,
        settings: DatabaseSettings,
        url: str | None = None,
        *,
        name: str = "write",
        server_settings: Mapping[str, str] | None = None,
    ) -> None:
        url = required(url or settings.url)
        self.url = url
        self.settings = settings
        self.write = Pool(url, settings, name=name, size=settings.db_pool_size, server_settings=server_settings)
        self.read = Pool(url, settings, name="read", size=settings.db_read_pool_size, read_only=True)
        self.on_begin: BeginHook | None = None

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """One transaction: committed at the end of the block, rolled back by an exception.

        An `AppError` that `commits` keeps what was written and is raised all the same. Driver errors come out as the
        `AppError` that stands for them.
        """
        session = Session(self.write, self.on_begin)
        try:
            yield session
            await session._commit()
        except AppError as error:
            await self._end_refused(session, error)
            raise
        except BaseException as error:
            await session._roll_back(error)
            raise_translated(error)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[ReadSession]:
        """Reads without a transaction, on connections that the server keeps read-only."""
        session = ReadSession(self.read)
        try:
            yield session
        except BaseException as error:
            await session._close(broken=not isinstance(error, AppError))
            raise_translated(error)
        await session._close(broken=False)

    async def close(self) -> None:
        """Close all connections."""
        await self.write.close()
        await self.read.close()

    @staticmethod
    async def _end_refused(session: Session, error: AppError) -> None:
        if not error.commits:
            await session._roll_back(error)
            return
        try:
            await session._commit()
        except BaseException as fault:
            await session._roll_back(fault)
            raise_translated(fault)
