"""A changed flag or setting reaches all servers and workers, with Valkey and without, also after an outage."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import asyncpg
import httpx2 as httpx

from tests.app.test_extensions import write_extension
from tests.app.test_server import SECRET, Server
from tests.core.tcp_proxy import TcpProxy
from tests.enabled import SAME_MODULES
from tests.jobs.processes import wait_until
from undercroft.core.db import Database
from undercroft.modules.flags.service.rules import FlagRuleService
from undercroft.modules.system_settings.live import values
from undercroft.modules.system_settings.repository import SystemSettingRepository

FILES = {
    "flags.py": 'from undercroft.modules.flags import Flag\nBETA = Flag("hotel.beta", "The new booking page.")\n',
    "settings.py": """\
from undercroft.core.settings import SettingsBase, SettingsConfigDict
class HotelSettings(SettingsBase):
    section = "Hotel"
    model_config = SettingsConfigDict(env_prefix="hotel_")
    runtime = ("beds",)
    beds: int = 2
""",
    "tasks.py": """\
from undercroft.core.settings import load
from undercroft.jobs import CurrentJob, task
from undercroft.modules.flags import is_enabled
from extensions.hotel.flags import BETA
from extensions.hotel.settings import HotelSettings
@task()
async def look(job: CurrentJob) -> list:
    return [is_enabled(BETA), load(HotelSettings).beds]
""",
    "routes.py": """\
from fastapi import Depends
from undercroft.core.db import SessionDep
from undercroft.core.http import Exempt, Router
from undercroft.core.settings import load
from undercroft.jobs import enqueue
from undercroft.modules.flags import require_flag
from extensions.hotel.flags import BETA
from extensions.hotel.settings import HotelSettings
from extensions.hotel.tasks import look
router = Router(surface="public", tag="Hotel", limit=None)
@router.get("/beta", dependencies=[Depends(require_flag(BETA))])
async def read_beta() -> int:
    return load(HotelSettings).beds
@router.post("/look", audit=Exempt("It is a test."), idempotency=Exempt("It is a test."))
async def start_job(session: SessionDep) -> str:
    return str((await enqueue(session, look)).id)
""",
}
PATH = "/api/v1/public/ext/hotel"


class Installation:
    """Two servers and a worker on one database, and what each of them sees."""

    def __init__(self, servers: list[Server], database: Database, owner_url: str) -> None:
        self.servers = servers
        self._database = database
        self._owner_url = owner_url

    async def change(self, *, beta: bool, beds: int) -> None:
        async with self._database.session() as session:
            await FlagRuleService(session).change("hotel.beta", {"enabled": beta})
            row = await SystemSettingRepository(session).lock_name("HOTEL_BEDS")
            row.value = str(beds)
            await values.announce(session)

    async def wait_for(self, expected: Any) -> None:
        """Wait until the servers and the worker see the flag and the setting: the beds, or None without the feature."""
        async with httpx.AsyncClient() as http:
            for server in self.servers:

                async def is_seen_by_server(url: str = server.url) -> bool:
                    response = await http.get(f"{url}{PATH}/beta")
                    return bool((response.json() if response.status_code == 200 else None) == expected)

                await wait_until(is_seen_by_server, limit=60)

            async def is_seen_by_worker() -> bool:
                started = await http.post(f"{self.servers[0].url}{PATH}/look")
                return started.status_code == 200 and await self._result(started.json()) == expected

            await wait_until(is_seen_by_worker, limit=60)

    async def _result(self, job_id: str) -> Any:
        connection = await asyncpg.connect(self._owner_url)
        try:
            async with asyncio.timeout(60):
                while True:
                    query = "SELECT result->>0, result->>1 FROM jobs WHERE id = $1 AND status = 'succeeded'"
                    if found := await connection.fetchrow(query, job_id):
                        return int(found[1]) if found[0] == "true" else None
                    await asyncio.sleep(0.02)
        finally:
            await connection.close()


@asynccontextmanager
async def running(folder: Path, url: str, redis_url: str) -> AsyncIterator[list[Server]]:
    """Two servers, one of them with Valkey, and a worker."""
    write_extension(folder, FILES, module='requires=("flags",)')
    environment = {"DATABASE_URL": url, "ENABLED_EXTENSIONS": "hotel"}
    servers = [Server(folder, **environment), Server(folder, **environment, REDIS_URL=redis_url)]
    inherited = {name: os.environ[name] for name in ("PATH", "TENANT_RLS") if name in os.environ}
    settings = {"ENVIRONMENT": "test", "SECRET_KEY": SECRET, "JOBS_POLL_INTERVAL": "0.2", "JOBS_STOP_TIMEOUT": "1"}
    worker = None
    try:
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "undercroft.cli", "worker"),
            cwd=folder,
            env=inherited | SAME_MODULES | settings | environment,
            stdout=DEVNULL,
            stderr=DEVNULL,
        )
        for server in servers:
            await server.start()
        for server in servers:
            await server.wait_until_healthy()
        yield servers
    finally:
        for server in servers:
            server.kill()
        if worker is not None:
            if worker.returncode is None:
                worker.kill()
            await worker.wait()


async def test_change_reaches_servers_and_workers_also_after_an_outage(
    tmp_path: Path, database: Database, database_url: str, owner_url: str, redis_url: str
) -> None:
    async with TcpProxy(database_url) as proxy, running(tmp_path, proxy.url, redis_url) as servers:
        installation = Installation(servers, database, owner_url)
        await installation.wait_for(None)
        await installation.change(beta=True, beds=3)
        await installation.wait_for(3)
        await proxy.close()
        await installation.change(beta=True, beds=4)
        async with httpx.AsyncClient() as http:  # the last value stays during the outage
            assert (await http.get(f"{servers[0].url}{PATH}/beta")).json() == 3
        await proxy.open()
        await installation.wait_for(4)
        await installation.change(beta=False, beds=4)
        await installation.wait_for(None)
