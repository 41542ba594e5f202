"""The console in Chromium, against a real server."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest_asyncio

from tests.modules.conftest import take_screenshot
from undercroft.core.http.application import Api
from undercroft.core.settings import CoreSettings, load, use
from undercroft.modules.sessions import SESSION_COOKIE, Client, SessionKind, SessionService, SessionServices
from undercroft.modules.users import User
from undercroft.scaffolding import console as sources
from undercroft.testing import eventually
from undercroft.testing.users import SignedInUser

AXE = Path("console/node_modules/axe-core/axe.min.js")
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 740}
REFUSALS = ("401", "403", "404", "409", "412", "422", "429", "500", "ERR_")
"""Parts of the messages with which Chromium reports a response or a connection that a test has refused."""

FIND_VIOLATIONS = """async () => {
    const { violations } = await axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] });
    const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
    return serious.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" | ")}`);
}"""


class Visit:
    """A signed-in user in a browser. `page` is a page of Playwright; its errors are recorded."""

    def __init__(self, person: SignedInUser, address: str, context: Any, page: Any) -> None:
        self.person = person
        self.address = address
        self.context = context
        self.page = page
        self.errors: list[str] = []
        self.record_errors(page)

    def record_errors(self, page: Any) -> None:
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    async def open(self, path: str = "/", **parameters: Any) -> Any:
        """Open a page of the console, such as `/projects/`, and wait until it is shown; returns the page."""
        query = f"?{urlencode(parameters)}" if parameters else ""
        await self.page.goto(f"{self.address}/app{path}{query}")
        await self.page.wait_for_selector("h1")
        return self.page

    async def new_tab(self, path: str = "/", **parameters: Any) -> "Visit":
        """Open a page in another tab of the same browser."""
        visit = Visit(self.person, self.address, self.context, await self.context.new_page())
        await visit.open(path, **parameters)
        return visit

    async def wait_for_focus(self, locator: Any) -> None:
        """Wait until an element has the focus."""
        await eventually(lambda: locator.evaluate("element => element === document.activeElement"))

    async def fail(self, method: str, path: str, *, status: int = 0, code: str = "", **headers: str) -> None:
        """Let requests to a path of the API fail: with a status and code, or by a lost connection without them."""

        async def respond(route: Any) -> None:
            if route.request.method != method:
                await route.fallback()
            elif not status:
                await route.abort("connectionreset")
            else:
                body = {"error": {"code": code, "message": f"Refused: {code}", "details": None}, "request_id": "req-1"}
                await route.fulfill(status=status, json=body, headers={"X-Request-ID": "req-1", **headers})

        await self.page.route(f"**/api/v1{path}", respond)

    async def recover(self) -> None:
        """End what `fail` does."""
        await self.page.unroute_all()

    async def check(self, name: str = "") -> None:
        """Assert that the page is accessible, fits the window and caused no error of its own; takes a screenshot."""
        if name:
            await take_screenshot(self.page, name)
        await self.page.evaluate(read_axe())
        assert await self.page.evaluate(FIND_VIOLATIONS) == []
        assert await self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        self.check_errors()

    def check_errors(self) -> None:
        """Assert that the browser reported nothing but responses that the test has refused."""
        assert [error for error in self.errors if not any(part in error for part in REFUSALS)] == []


Visitor = Callable[..., Awaitable[Visit]]


@cache
def read_axe() -> str:
    """Return the script that finds what is not accessible."""
    if not AXE.exists():
        sources.install_packages()
    return AXE.read_text(encoding="utf-8")


async def start_cookie_session(app: Api, person: SignedInUser) -> str:
    """Start a browser session and return the value of its cookie."""
    async with app.context.get(SessionServices).database.session() as session:
        user = await session.get(User, person.user_id)
        assert user is not None
        started = await SessionService(session).start(user, Client("127.0.0.1", "Chromium"), SessionKind.COOKIE)
    return started.secret


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(app: Api, chromium: Any, address: str, create_user: Any) -> AsyncIterator[Visitor]:
    """Opens browsers: `visit = await visitor(owner, viewport=PHONE)`; without a user, it creates one."""
    site = address.replace("127.0.0.1", "localhost")  # where browsers allow passkeys
    use(load(CoreSettings).model_copy(update={"public_url": site}))
    async with AsyncExitStack() as stack:

        async def open_browser(person: SignedInUser | None = None, **options: Any) -> Visit:
            person = person or await create_user()
            context = await chromium.new_context(viewport=options.pop("viewport", DESKTOP), **options)
            stack.push_async_callback(context.close)
            cookie = await start_cookie_session(app, person)
            await context.add_cookies([{"name": SESSION_COOKIE.name, "value": cookie, "url": site}])
            return Visit(person, site, context, await context.new_page())

        yield open_browser


async def read_slug(person: SignedInUser, team_id: Any) -> str:
    """Return the slug of a team, with which URLs of the console name it."""
    response = await person.in_team(team_id).get(f"/api/v1/app/teams/{team_id}")
    return str(response.json()["slug"])
