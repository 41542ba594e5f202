"""Routes with every kind of input and output, which the client of the tests calls."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import File, Form, Header, Query, Request, Response, UploadFile
from fastapi.responses import PlainTextResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from undercroft.core.http import Deprecation, Router

router = Router(surface="public", prefix="/edges", tag="Edges")


OLD = Deprecation(since=date(2026, 12, 1), sunset=date(2027, 12, 1), instead="text")


class Note(BaseModel):
    title: str = "untitled"
    subject: str | None = Field(None, description="Title. /* */", deprecated=OLD)
    remind_at: datetime | None = None
    tags: list[str] = []


class OpenNote(BaseModel):
    model_config = ConfigDict(extra="allow")

    title: str = "untitled"


class Renamed(BaseModel):
    name: str


@router.patch("/notes")
async def change_note(body: Note) -> dict[str, Any]:
    return body.model_dump(mode="json", exclude_unset=True)


@router.delete("/notes")
async def delete_notes(body: Note) -> dict[str, Any]:
    return body.model_dump(mode="json", exclude_unset=True)


@router.put("/optional")
async def change_optional(body: Note | None = None) -> dict[str, Any]:
    return {"given": None if body is None else body.model_dump(mode="json", exclude_unset=True)}


@router.put("/nullable")
async def change_nullable(body: Note | None) -> dict[str, Any]:
    return {"given": None if body is None else body.model_dump(mode="json", exclude_unset=True)}


@router.put("/numbers")
async def sum_numbers(body: list[int]) -> dict[str, Any]:
    return {"sum": sum(body), "count": len(body)}


@router.put("/open")
async def change_open(body: OpenNote) -> dict[str, Any]:
    return body.model_dump(exclude_unset=True)


@router.put("/renamed/{name}")
async def rename(name: str, body: Renamed) -> dict[str, Any]:
    return {"from": name, "to": body.name}


@router.post("/upload")
async def upload(
    request: Request,
    photo: Annotated[UploadFile | None, File()] = None,
    title: Annotated[str | None, Form()] = None,
    tags: Annotated[list[str], Form()] = [],  # noqa: B006
) -> dict[str, Any]:
    size = len(await photo.read()) if photo else None
    return {"name": photo and photo.filename, "size": size, "title": title, "tags": tags}


@router.post("/form")
async def send_form(
    title: Annotated[str, Form()] = "untitled",
    tags: Annotated[list[str], Form()] = [],  # noqa: B006
) -> dict[str, Any]:
    return {"title": title, "tags": tags}


@router.get("/query")
async def read_query(
    tags: Annotated[list[str], Query()] = [],  # noqa: B006
    text: str | None = None,
    flag: bool | None = None,
    when: datetime | None = None,
    level: Annotated[int | None, Header()] = None,
    q: Annotated[str | None, Query(deprecated=OLD)] = None,
    x_old: Annotated[str | None, Header(deprecated=True)] = None,
) -> dict[str, Any]:
    return {"tags": tags, "text": text, "flag": flag, "when": when and when.isoformat(), "level": level}


@router.get("/names")
async def list_names() -> list[str]:
    return ["all"]


@router.get("/names/{name}")
async def read_name(name: str) -> dict[str, str]:
    return {"name": name}


@router.delete("/names/{name}", status_code=204)
async def delete_name(name: str) -> None:
    """Has no response body."""


@router.get("/empty", response_class=PlainTextResponse)
async def read_empty() -> str:
    return ""


@router.get(
    "/lines",
    response_class=Response,
    responses={200: {"content": {"application/jsonl": {"schema": {"type": "string"}}}}},
)
async def read_lines() -> Response:
    return Response('{"line": 1}\n', media_type="application/jsonl")


@router.get(
    "/image",
    response_class=Response,
    responses={200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}},
)
async def read_image() -> Response:
    return Response(b"\x89PNG\x00", media_type="image/png")


@router.get("/endless", response_model=list[str])
async def read_endless() -> StreamingResponse:
    async def send() -> AsyncIterator[str]:
        yield "["
        await asyncio.sleep(60)

    return StreamingResponse(send(), media_type="application/json")


@router.get("/broken", response_model=list[str])
async def read_broken() -> Response:
    return Response("[", media_type="application/json")
