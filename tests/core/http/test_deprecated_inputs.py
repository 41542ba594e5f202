from datetime import date, datetime
from typing import Annotated, Any

import pytest
from fastapi import Body, Cookie, Depends, Form, Header, Query
from prometheus_client import REGISTRY
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, RootModel

from tests.core.http.asgi_client import AsgiClient, AsgiResponse
from tests.core.http.conftest import Build
from undercroft.core.errors import Conflict
from undercroft.core.http import Deprecation, Router
from undercroft.core.http.deprecated_inputs import find_deprecated_inputs
from undercroft.core.http.query import query

OLD = Deprecation(since=date(2026, 12, 1), sunset=date(2027, 12, 1), release="1.4", instead="text")
OLDER = Deprecation(since=date(2026, 6, 1), documentation="https://docs.example/old")
PATH = "/api/v1/public/notes"

notes = Router(surface="public", prefix="/notes", tag="Notes")
retired = Router(surface="public", prefix="/retired", tag="Notes", deprecation=OLDER)


class Part(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    text: str = ""
    body: str | None = Field(None, alias="content", description="Text.", deprecated=OLDER)
    parts: "list[Part]" = []


class Note(BaseModel):
    text: str = ""
    title: str | None = Field(None, validation_alias=AliasChoices("title", "subject"), deprecated=OLD)
    first: Part | None = None
    rest: list[Part] = []
    by_language: dict[str, Part] = {}


class Filters(BaseModel):
    q: str | None = Field(None, deprecated=OLD)
    page: int = 1


class OldHeaders(BaseModel):
    old_token: str | None = Field(None, deprecated=OLD)


class Notes(RootModel[list[Note]]):
    pass


class NoteRead(BaseModel):
    text: str = Field("", description="Text.")
    title: str = Field("", description="Title.", deprecated=OLD)


class NoteTaken(Conflict):
    code = "NOTE_TAKEN"
    message = "There is one."


async def read_order(order: Annotated[str | None, Query(deprecated=OLDER)] = None) -> str | None:
    return order


@notes.get("")
async def list_notes(
    order: Annotated[str | None, Depends(read_order)],
    q: Annotated[str | None, Query(alias="search", deprecated=OLD)] = None,
    x_old: Annotated[str | None, Header(deprecated=OLD)] = None,
    old_cookie: Annotated[str | None, Cookie(deprecated=OLD)] = None,
    undated: Annotated[str | None, Query(deprecated=True)] = None,
) -> list[str | None]:
    return [order, q, x_old, old_cookie, undated]


@notes.get("/filtered")
async def filter_notes(filters: Annotated[Filters, query(Filters)]) -> str | None:
    return filters.q


@notes.get("/modeled")
async def read_modeled(filters: Annotated[Filters, Query()], headers: Annotated[OldHeaders, Header()]) -> list[Any]:
    return [filters.q, headers.old_token]


@notes.post("")
async def create_note(body: Note) -> NoteRead:
    if body.text == "taken":
        raise NoteTaken
    return NoteRead(text=body.title or body.text)


@notes.post("/all")
async def import_all(body: Notes) -> int:
    return len(body.root)


@notes.post("/embedded")
async def embed_note(note: Annotated[Note, Body()], draft: Annotated[bool | None, Body(deprecated=OLD)] = None) -> None:
    """Has two bodies."""


@notes.post("/form")
async def send_form(
    text: Annotated[str, Form()] = "", title: Annotated[str | None, Form(deprecated=OLD)] = None
) -> str:
    return title or text


@retired.get("")
async def read_retired(q: Annotated[str | None, Query(deprecated=OLD)] = None) -> str | None:
    return q


@pytest.fixture
def client(build: Build) -> AsgiClient:
    return build(notes, retired)


def count(method: str, route: str, place: str, name: str) -> float:
    labels = {"method": method, "route": route, "place": place, "name": name}
    return REGISTRY.get_sample_value("http_deprecated_inputs_total", labels) or 0


def is_reported(response: AsgiResponse) -> bool:
    found = {"deprecation", "link"} & set(response.headers)
    assert len(found) != 1
    return bool(found)


async def test_used_parameters_are_reported_and_counted(client: AsgiClient) -> None:
    assert not is_reported(await client.get(PATH))
    before = count("GET", PATH, "query", "search")
    response = await client.get(PATH, query=b"search=a")
    assert response.json == [None, "a", None, None, None]
    assert response.headers["deprecation"] == f"@{int(datetime.fromisoformat('2026-12-01T00:00Z').timestamp())}"
    assert response.headers["sunset"] == "Wed, 01 Dec 2027 00:00:00 GMT"
    assert response.headers["link"] == '</docs>; rel="deprecation"; type="text/html"'
    assert count("GET", PATH, "query", "search") == before + 1
    for headers in ([("X-Old", "a")], [("Cookie", "old_cookie=a")]):
        assert is_reported(await client.get(PATH, headers=headers))
    assert is_reported(await client.get(f"{PATH}/filtered", query=b"q="))
    assert not is_reported(await client.get(f"{PATH}/filtered", query=b"page=2"))
    assert is_reported(await client.get(f"{PATH}/modeled", query=b"q=a"))
    assert is_reported(await client.get(f"{PATH}/modeled", headers=[("old-token", "a")]))
    assert not is_reported(await client.get(f"{PATH}/modeled", query=b"page=2"))


async def test_several_inputs_have_the_earliest_dates(client: AsgiClient) -> None:
    response = await client.get(PATH, query=b"search=a&order=b")
    assert [len(response.all(name)) for name in ("deprecation", "sunset", "link")] == [1, 1, 1]
    assert response.headers["deprecation"] == f"@{int(datetime.fromisoformat('2026-06-01T00:00Z').timestamp())}"
    assert response.headers["sunset"] == "Wed, 01 Dec 2027 00:00:00 GMT"
    assert {"</docs>", "<https://docs.example/old>"} <= {
        each.split(";")[0] for each in response.headers["link"].split(", ")
    }


async def test_deprecated_route_has_one_deprecation(client: AsgiClient) -> None:
    alone = await client.get("/api/v1/public/retired")
    used = await client.get("/api/v1/public/retired", query=b"q=a")
    assert "sunset" not in alone.headers
    assert (used.headers["sunset"], used.all("deprecation")) == (
        "Wed, 01 Dec 2027 00:00:00 GMT",
        alone.all("deprecation"),
    )


async def test_input_without_dates_is_only_counted(client: AsgiClient) -> None:
    before = count("GET", PATH, "query", "undated")
    assert not is_reported(await client.get(PATH, query=b"undated=1"))
    assert count("GET", PATH, "query", "undated") == before + 1


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"title": "a"}, "title"),
        ({"subject": None}, "title"),
        ({"first": {"content": "a"}}, "first.content"),
        ({"first": {"body": "a"}}, "first.content"),
        ({"rest": [{}, {"content": "a"}]}, "rest.content"),
        ({"by_language": {"en": {}, "de": {"content": "a"}}}, "by_language.*.content"),
    ],
)
async def test_used_fields_are_reported_and_counted(client: AsgiClient, body: dict[str, Any], name: str) -> None:
    before = count("POST", PATH, "body", name)
    for given, status in ((body, 200), ({**body, "text": "taken"}, 409), ({**body, "text": 1}, 422)):
        response = await client.post(PATH, json_body=given)
        assert (response.status, is_reported(response)) == (status, True)
    assert count("POST", PATH, "body", name) == before + 3
    assert is_reported(await client.post(f"{PATH}/all", json_body=[{}, body]))
    assert is_reported(await client.post(f"{PATH}/embedded", json_body={"note": body}))


async def test_other_bodies_are_not_reported(client: AsgiClient) -> None:
    assert is_reported(await client.post(f"{PATH}/embedded", json_body={"note": {}, "draft": True}))
    form = [("Content-Type", "application/x-www-form-urlencoded")]
    assert is_reported(await client.post(f"{PATH}/form", body=b"title=a", headers=form))
    assert not is_reported(await client.post(f"{PATH}/form", body=b"text=title", headers=form))
    plain: list[Any] = [
        {},
        {"text": "title"},
        {"first": None, "rest": [], "by_language": {"title": {}}},
        [],
        None,
        "title",
    ]
    for body in plain:
        assert not is_reported(await client.post(PATH, json_body=body)), body
    assert not is_reported(await client.post(PATH, body=b'{"title": '))


async def test_document_marks_inputs_and_fields(client: AsgiClient) -> None:
    document = client.app.openapi()
    note = "Deprecated since 2026-12-01 (release 1.4). It may be removed from 2027-12-01 on. Use `text`."
    parameters = {each["name"]: each for each in document["paths"][PATH]["get"]["parameters"]}
    marked = {name for name, each in parameters.items() if each.get("deprecated")}
    assert marked == {"search", "x-old", "old_cookie", "order", "undated"}
    assert parameters["search"]["description"] == note
    assert not any("deprecated" in each["schema"] for each in parameters.values())
    (q,) = (each for each in document["paths"][f"{PATH}/filtered"]["get"]["parameters"] if each["name"] == "q")
    assert (q["deprecated"], q["description"]) == (True, note)
    schemas = document["components"]["schemas"]
    part, read = schemas["Part"]["properties"], schemas["NoteRead"]["properties"]
    older = "Deprecated since 2026-06-01."
    assert (part["content"]["deprecated"], part["content"]["description"]) == (True, f"Text.\n\n{older}")
    assert (read["title"]["deprecated"], read["title"]["description"]) == (True, f"Title.\n\n{note}")
    assert schemas["Note"]["properties"]["title"]["description"] == note
    assert "deprecated" not in read["text"]


def test_route_without_deprecated_inputs_looks_for_none() -> None:
    found = {route.path.removeprefix(PATH): find_deprecated_inputs(route) for route in notes.routes}  # type: ignore[attr-defined]
    assert [each.name for each in found["/form"]] == ["title"]
    assert [each.describe() for each in found["/modeled"] if each.place == "header"] == [
        f"header parameter `old-token`: {OLD.describe()}"
    ]
    assert Note(title="a").title == "a"  # the server reads the field without a warning
