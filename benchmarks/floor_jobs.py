"""The floor of the job queue, FROZEN like `floor.py`: the least that runs every job at least once and keeps history.

One connection, batches of 50: BEGIN, `DELETE … SKIP LOCKED RETURNING`, the jobs one after another, one INSERT into the
history, COMMIT; a kill gives the batch back. Run as a program it fills the queue and prints the jobs per second.
"""

import asyncio
import os
import sys
import time
from uuid import UUID

import asyncpg
import msgspec
from uuid_utils.compat import uuid7

BATCH = 50
SCHEMA = """
DROP TABLE IF EXISTS floor_queue, floor_history;
CREATE TABLE floor_queue (id uuid PRIMARY KEY, task text NOT NULL, arguments jsonb NOT NULL);
CREATE TABLE floor_history (id uuid PRIMARY KEY, task text NOT NULL, result jsonb, finished_at timestamptz NOT NULL);
"""
CLAIM = (
    "DELETE FROM floor_queue WHERE id IN (SELECT id FROM floor_queue ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED) "
    "RETURNING id, task, arguments"
)
FINISH = "INSERT INTO floor_history SELECT id, 'noop', 'null'::jsonb, now() FROM unnest($1::uuid[]) AS done (id)"

decode = msgspec.json.decode


async def noop(*, number: int) -> None:
    del number


async def drain_batch(connection: asyncpg.Connection) -> int:
    async with connection.transaction():
        jobs = await connection.fetch(CLAIM, BATCH)
        done: list[UUID] = []
        for job in jobs:
            await noop(**decode(job["arguments"]))
            done.append(job["id"])
        await connection.execute(FINISH, done)
    return len(jobs)


async def rate(url: str, count: int) -> float:
    """Return jobs per second for this many jobs."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(SCHEMA)
        jobs = [(uuid7(), "noop", f'{{"number": {number}}}') for number in range(count)]
        await connection.copy_records_to_table("floor_queue", records=jobs)
        await connection.execute("VACUUM ANALYZE floor_queue")
        started = time.perf_counter()
        while await drain_batch(connection):
            pass
        return count / (time.perf_counter() - started)
    finally:
        await connection.close()


if __name__ == "__main__":
    print(asyncio.run(rate(os.environ["FLOOR_DATABASE_URL"], int(sys.argv[1]))))
