"""A minimal FastAPI + SQLModel application, the measure for our import time. FROZEN like `floor.py`."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import Field, SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession


class Item(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str


engine = create_async_engine("postgresql+asyncpg://nobody@127.0.0.1/nothing")
app = FastAPI()


async def open_session() -> AsyncIterator[AsyncSession]:
    async with AsyncSession(engine) as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(open_session)]


@app.get("/items")
async def list_items(session: SessionDep) -> list[Item]:
    return list(await session.exec(select(Item)))


@app.post("/items")
async def create_item(item: Item, session: SessionDep) -> Item:
    session.add(item)
    await session.commit()
    return item
