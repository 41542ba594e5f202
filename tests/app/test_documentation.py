"""`/llms.txt` and the pages of the documentation as Markdown."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from httpx2 import AsyncClient

from tests.cli.command_runner import PRODUCTION
from undercroft.app import documentation
from undercroft.app.api import create_app
from undercroft.app.documentation import Page, list_pages
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.core.settings import reset
from undercroft.testing.users import make_client

LINK = re.compile(r"^- \[(.+)\]\((.+)\): (.+)$", re.MULTILINE)


async def test_production_serves_only_what_is_about_its_api(database: Database) -> None:
    reset()
    environ = PRODUCTION | {"DATABASE_URL": "postgresql://a:b@127.0.0.1:1/c"}
    environ |= {"ENVIRONMENT": "production", "ALLOWED_HOSTS": "test.local", "APP_NAME": "Hotel"}
    async with make_client(create_app(environ=environ, database=database)) as http:
        listed = (await http.get("/llms.txt")).text
        assert listed.startswith("# Hotel\n")
        assert re.findall(r"^## (.+)$", listed, re.MULTILINE) == ["API"]
        for page in list_pages():
            assert (await http.get(f"/{page.path}")).status_code == 404


async def test_every_page_is_listed_and_served_as_markdown(app: Api, client: AsyncClient) -> None:
    listed = await client.get("/llms.txt")
    assert (listed.status_code, listed.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    links = {urlsplit(url).path: note for _, url, note in LINK.findall(listed.text)}
    pages = {f"/{page.path}" for page in list_pages()}
    assert set(links) == pages | {"/docs", *(f"/openapi/v{version}.json" for version in app.versions)}
    assert {"/README.md", "/docs/tutorial.md", "/docs/extending/index.md"} < pages
    for path in links:
        response = await client.get(path)
        assert response.status_code == 200, path
        assert path not in pages or response.headers["content-type"] == "text/markdown; charset=utf-8"


async def test_file_follows_the_convention(client: AsyncClient) -> None:
    text = (await client.get("/llms.txt")).text
    assert text.startswith("# ")
    assert text.splitlines()[2].startswith("> ")
    assert all(url.startswith("http://test.local/") for _, url, _ in LINK.findall(text))
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == [
        "API",
        "Documentation of Undercroft",
        "Extending",
        "Optional",
    ]
    assert not [line for line in text.splitlines() if line.startswith("- ") and not LINK.fullmatch(line)]


async def test_links_between_pages_are_served(client: AsyncClient) -> None:
    for page in list_pages():
        for target in re.findall(r"\]\((?!https?:)([^)#]+\.md)", page.read()):
            response = await client.get(f"/{page.path.rpartition('/')[0]}/{target}".replace("//", "/"))
            assert response.status_code == 200, (page.path, target)


def test_pages_of_the_wheel_are_beside_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("README.md", "CONTRIBUTING.md", "tutorial.md", "index.md", "clients.md", "extending/fields.md"):
        page = tmp_path / "docs" / name
        page.parent.mkdir(exist_ok=True)
        page.write_text(f"# Title of {name}\n\nA sentence with a [link](x.md). Another one.\n")
    monkeypatch.setattr(documentation, "_PACKAGE", tmp_path)
    pages = list_pages()
    guides = ["docs/index.md", "docs/clients.md", "docs/tutorial.md", "docs/extending/fields.md"]
    assert [page.path for page in pages] == [*guides, "README.md", "CONTRIBUTING.md"]
    assert pages[2].describe() == "[Title of tutorial.md](/docs/tutorial.md): A sentence with a link."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Reads\na file: it is `a.md`. More.", "Reads a file: it is `a.md`."),
        ("```\nmake dev. Now.\n```\n\n## Heading\n\n- A list.\n\n| a. |\n\nProse.", "Prose."),
        ("[All](x.md) *of* it", "All *of* it"),
        ("", ""),
    ],
)
def test_page_is_described_by_its_first_sentence(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "a.md"
    file.write_text(f"# A title\n\n{text}\n")
    assert Page("docs/a.md", file).describe() == f"[A title](/docs/a.md): {expected}"


async def test_page_is_not_sent_again(client: AsyncClient) -> None:
    tag = (await client.get("/docs/tutorial.md")).headers["etag"]
    again = await client.get("/docs/tutorial.md", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["nothing.md", "tutorial", "%2e%2e/README.md", "extending//index.md", ".md", "é.md"])
async def test_other_files_are_not_found(client: AsyncClient, path: str) -> None:
    assert (await client.get(f"/docs/{path}")).status_code == 404


async def test_reference_has_its_path_with_a_slash(client: AsyncClient) -> None:
    redirect = await client.get("/docs/")
    assert (redirect.status_code, redirect.headers["location"]) == (307, "/docs")
