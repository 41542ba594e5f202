"""The mailbox as a page: a list, and one mail with its HTML locked into a frame where nothing runs."""

import re
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Query, Response
from fastapi.responses import FileResponse, HTMLResponse

from undercroft.core.auth import Router
from undercroft.core.settings import CoreSettings, load
from undercroft.modules.mailbox.access import from_this_machine
from undercroft.modules.mailbox.errors import MailNotFound
from undercroft.modules.mailbox.mail import Mail, links_in
from undercroft.modules.mailbox.repository import MailboxRepository

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

FOLDER = Path(__file__).parent
SHOWN = 200

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-src 'self'; "
    "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
MAIL_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data: https: http:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)
PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}

router = Router(
    surface="root", prefix="/dev/mailbox", dependencies=[Depends(from_this_machine)], include_in_schema=False
)


class View(StrEnum):
    HTML = "html"
    TEXT = "text"
    SOURCE = "source"


@router.get("", response_class=HTMLResponse)
async def mailbox(
    to: Annotated[str, Query(max_length=254)] = "",
    id: Annotated[str, Query(max_length=64)] = "",  # noqa: A002
    view: View = View.HTML,
) -> Response:
    """The list of mails and the chosen one."""
    repository = MailboxRepository()
    mails = await repository.newest(to=to, limit=SHOWN)
    chosen = await repository.get(id) if id else None
    source = await repository.source(chosen) if chosen and view is View.SOURCE else ""
    shown = {"mails": mails, "mail": chosen, "gone": bool(id and not chosen), "to": to, "source": source}
    page = _page("mailbox.html", **shown, view=_possible(view, chosen), app_name=load(CoreSettings).app_name)
    return HTMLResponse(page, headers={**PRIVATE, "Content-Security-Policy": PAGE_POLICY})


@router.get("/messages/{mail_id}/html", response_class=HTMLResponse)
async def mail_html(mail_id: str) -> Response:
    """The HTML of one mail, for the frame: no scripts, links open beside it."""
    mail = await MailboxRepository().get(mail_id)
    if mail is None or mail.html is None:
        raise MailNotFound
    headers = {**PRIVATE, "Content-Security-Policy": MAIL_POLICY, "X-Frame-Options": "SAMEORIGIN"}
    return HTMLResponse(_with_links_beside(mail.html), headers=headers)


@router.get("/mailbox.css")
async def style() -> Response:
    return FileResponse(FOLDER / "static" / "mailbox.css", headers={"Cache-Control": "no-cache"})


@router.get("/mailbox.js")
async def script() -> Response:
    return FileResponse(FOLDER / "static" / "mailbox.js", headers={"Cache-Control": "no-cache"})


def _possible(view: View, mail: Mail | None) -> View:
    return View.TEXT if view is View.HTML and mail is not None and mail.html is None else view


def _with_links_beside(html: str) -> str:
    base = '<base target="_blank">'
    changed, count = re.subn(r"<head[^>]*>", lambda head: head[0] + base, html, count=1, flags=re.IGNORECASE)
    return changed if count else base + html


def _page(template: str, **values: Any) -> str:
    return _environment().get_template(template).render(values)


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["linked"] = _linked
    return environment


def _linked(text: str) -> "Markup":
    """The text with its addresses of the web as links."""
    from markupsafe import Markup, escape

    parts, rest = [], text
    for link in links_in(text):
        before, _, rest = rest.partition(link)
        anchor = Markup('<a href="{0}" target="_blank" rel="noopener noreferrer">{0}</a>').format(link)
        parts += [escape(before), anchor]
    return Markup("").join([*parts, escape(rest)])
