"""Pages of the console that extensions bring: the manifest and the files."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
import pytest_asyncio

from undercroft.core.context import current_context
from undercroft.core.errors import CodeError
from undercroft.core.http.application import Api
from undercroft.core.modules import ModuleFolders
from undercroft.modules.console.lifespan import start
from undercroft.testing.users import make_client

PAGE: dict[str, Any] = {"path": "rooms", "title": {"en": "Rooms"}, "script": "rooms.js", "permission": "teams:read"}


@pytest_asyncio.fixture(loop_scope="session")
async def folder(app: Api, tmp_path: Path) -> Path:
    """The folder `console` of an extension called hotel."""
    found = tmp_path / "console"
    found.mkdir()
    write(found, PAGE)
    app.context.add(ModuleFolders, ModuleFolders(lambda name: {"hotel": found} if name == "console" else {}))
    return found


@pytest_asyncio.fixture(loop_scope="session")
async def http(app: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with make_client(app) as client:
        yield client


def write(folder: Path, *pages: dict[str, Any]) -> None:
    (folder / "manifest.json").write_text(json.dumps({"pages": pages}))
    (folder / "rooms.js").write_text("export default () => undefined;")


async def test_page_is_listed_and_its_script_served(http: httpx.AsyncClient, folder: Path) -> None:
    (page,) = (await http.get("/api/v1/public/console")).json()["pages"]
    assert page == {**PAGE, "area": "team", "module": "hotel", "script": "/app/extensions/hotel/rooms.js"}
    script = await http.get(page["script"])
    assert (script.status_code, script.text) == (200, "export default () => undefined;")
    assert script.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert script.headers["Cache-Control"] == "no-cache"
    again = await http.get(page["script"], headers={"If-None-Match": script.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    "path",
    [
        "hotel/nothing.js",
        "hotel/secret.py",
        "hotel/.env.js",
        "hotel/.git/config.json",
        "hotel/link.js",
        "hotel/..%2Fsecret.js",
        "hotel/%2e%2e/secret.js",
        "hotel/",
        "hotel/folder.js",
        "motel/rooms.js",
        "hotel/%00.js",
    ],
)
async def test_other_files_are_not_found(http: httpx.AsyncClient, folder: Path, path: str) -> None:
    (folder.parent / "secret.js").write_text("secret")
    (folder / "secret.py").write_text("secret")
    (folder / ".env.js").write_text("secret")
    (folder / "folder.js").mkdir()
    (folder / "link.js").symlink_to(folder.parent / "secret.js")
    response = await http.get(f"/app/extensions/{path}")
    assert response.status_code == 404
    assert "secret" not in response.text


INVALID: dict[str, tuple[list[dict[str, Any]], str]] = {
    "path": ([{**PAGE, "path": "Rooms and more"}], "pages.0.path"),
    "title": ([{**PAGE, "title": {"de": "Zimmer"}}], "no English title"),
    "script": ([{**PAGE, "script": "nothing.js"}], "names nothing.js"),
    "outside": ([{**PAGE, "script": "../rooms.js"}], "pages.0.script"),
    "permission": ([{**PAGE, "permission": "rooms:paint"}], "no module declares"),
    "twice": ([PAGE, PAGE], "two pages called rooms"),
    "unknown field": ([{**PAGE, "icon": "door"}], "icon"),
    "none": ([], "pages"),
}


@pytest.mark.parametrize("reason", INVALID)
async def test_invalid_manifest_is_an_error_at_startup(app: Api, folder: Path, reason: str) -> None:
    pages, message = INVALID[reason]
    (folder.parent / "rooms.js").write_text("")
    write(folder, *pages)
    with pytest.raises(CodeError, match=message.replace(".", r"\.")) as error:
        await start(current_context())
    assert error.value.at == (str(folder / "manifest.json"), 1)


async def test_folder_without_manifest_is_an_error_at_startup(app: Api, folder: Path) -> None:
    (folder / "manifest.json").unlink()
    with pytest.raises(CodeError, match=r"has no manifest\.json"):
        await start(current_context())
    (folder / "manifest.json").write_text("{")
    with pytest.raises(CodeError, match="The manifest is invalid"):
        await start(current_context())
