"""The documentation for programs: `/llms.txt` (llmstxt.org) and, in development, each page of it as Markdown.

Production serves no pages about Undercroft: its `/llms.txt` lists only the documents of the API, which `/docs` shows.
"""

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import cast

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import undercroft
from undercroft.core.errors import NotFound
from undercroft.core.http.application import Api
from undercroft.core.http.conditional import weak_etag
from undercroft.core.settings import CoreSettings, load

_PACKAGE = Path(undercroft.__file__).parent
_OVERVIEWS = ("README.md", "CONTRIBUTING.md")
_SECTIONS = {"docs": "Documentation of Undercroft", "docs/extending": "Extending", "": "Optional"}
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_PROSE = re.compile(r"^[\w`*\[].*(?:\n.+)*", re.MULTILINE)
_FIRST_SENTENCE = re.compile(r".+?\.(?=\s|$)")


class Page(Struct, frozen=True):
    """A page of the documentation. `path` is that in the repository, such as `docs/extending/fields.md`."""

    path: str
    file: Path

    def read(self) -> str:
        return self.file.read_text(encoding="utf-8")

    @property
    def section(self) -> str:
        return self.path.rpartition("/")[0]

    def describe(self) -> str:
        """The line of `/llms.txt`, without the address of the server: the title, and the first sentence."""
        title, _, text = self.read().partition("\n")
        paragraph = _PROSE.search(_FENCED.sub("", text))
        prose = _LINK.sub(r"\1", " ".join(paragraph[0].split())) if paragraph else ""
        sentence = _FIRST_SENTENCE.match(prose)
        return f"[{title.removeprefix('# ')}](/{self.path}): {sentence[0] if sentence else prose}"


def list_pages() -> list[Page]:
    """The pages of the documentation: in the wheel beside the code, in the repository at its root."""
    shipped = _PACKAGE / "docs"
    folder = shipped if shipped.is_dir() else _PACKAGE.parents[1] / "docs"
    overviews = [(shipped if shipped.is_dir() else folder.parent) / name for name in _OVERVIEWS]
    pages = sorted(
        set(folder.rglob("*.md")) - set(overviews), key=lambda file: (file.parent, file.name != "index.md", file.name)
    )
    found = [Page(f"docs/{file.relative_to(folder).as_posix()}", file) for file in pages]
    return found + [Page(file.name, file) for file in overviews]


def render_llms_txt(app: Api, server: str) -> str:
    """The file for language models. Its links begin with the address of the server, such as `http://localhost:8000`."""
    lines = [
        f"# {app.title}",
        "",
        f"> An API on Undercroft {undercroft.__version__}, a backend for SaaS products in Python.",
        "",
        "Requests are authorized by `Authorization: Bearer TOKEN`, with an access token or an API key. Errors are",
        '`{"error": {"code", "message", "details"}}`. The OpenAPI documents state the permission, the errors and an',
        "example of each operation.",
        "",
        "## API",
        "",
        *(f"- [OpenAPI, version {each}](/openapi/v{each}.json): All operations, as JSON." for each in app.versions),
        "- [API reference](/docs): The same for people.",
    ]
    with_pages = lines + list(_list_sections()) if serves_pages() else lines
    return "\n".join(with_pages).replace("](/", f"]({server}/") + "\n"


def _list_sections() -> Iterator[str]:
    for section, pages in groupby(list_pages(), key=lambda page: page.section):
        yield from ("", f"## {_SECTIONS[section]}", "")
        yield from (f"- {page.describe()}" for page in pages)


def serves_pages() -> bool:
    """Whether pages about Undercroft are served: those who develop the application read them, not its users."""
    return not load(CoreSettings).is_production


def routes() -> list[Route]:
    """The routes of the application. The pages have the same paths as in the repository, so that their links work."""
    found = [Route("/llms.txt", _llms_txt, include_in_schema=False)]
    if serves_pages():
        paths = ("/docs/{name:path}.md", *(f"/{name}" for name in _OVERVIEWS))
        found += [Route(path, _page, include_in_schema=False) for path in paths]
    return found


def _llms_txt(request: Request) -> Response:
    server = str(request.base_url).rstrip("/")
    return _respond(render_llms_txt(cast(Api, request.app), server), "text/plain")


def _page(request: Request) -> Response:
    """Return a page. It is read for each request, so that it can be written while the server runs."""
    wanted = request.url.path.removeprefix("/")
    for page in list_pages():
        if page.path == wanted:
            return _respond(page.read(), "text/markdown")
    raise NotFound("The documentation has no such page. See /llms.txt.")


def _respond(text: str, media_type: str) -> Response:
    body = text.encode()
    headers = {"ETag": weak_etag(body), "Cache-Control": "no-cache"}
    return Response(body, media_type=media_type, headers=headers)
