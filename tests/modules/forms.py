"""Forms of pages, read as a browser reads them."""

import re
from html import unescape

import httpx2 as httpx


async def follow_redirect(http: httpx.AsyncClient, response: httpx.Response, **headers: str) -> httpx.Response:
    """The page that a form redirects to, opened twice: reloading it sends nothing and shows the same."""
    assert response.status_code == 303, response.text
    page = await http.get(response.headers["location"], headers=headers)
    again = await http.get(response.headers["location"], headers=headers)
    assert (page.status_code, page.text) == (200, again.text)
    return page


def hidden_fields(page: httpx.Response) -> dict[str, str]:
    """The hidden fields of a page's first form."""
    form = page.text.partition("<form")[2].partition("</form>")[0]
    fields = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form)
    return {name: unescape(value) for name, value in fields}


def home(team_slug: str = "") -> str:
    """The path to which a sign-in leads: the console, with a team if one is given, or else the welcome page."""
    from undercroft.modules.web.service.site import WELCOME_PAGE, console_page

    return console_page(team_slug) or WELCOME_PAGE
