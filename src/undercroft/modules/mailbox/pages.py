"""The mailbox as a page: a list, and one mail with its HTML locked into a frame where nothing runs."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Query, Request
from fastapi.responses import HTMLResponse
from markupsafe import Markup, escape

from undercroft.core.auth import Router
from undercroft.core.http.assets import add_assets, asset
from undercroft.core.http.limits import limit
from undercroft.core.http.pages import add_templates, page, policy
from undercroft.modules.mailbox.access import from_this_machine
from undercroft.modules.mailbox.errors import MailNotFound
from undercroft.modules.mailbox.mail import Mail, links_in
from undercroft.modules.mailbox.repository import MailboxRepository

FOLDER = Path(__file__).parent
SHOWN = 200

PAGE_POLICY = policy(script_src="'self'", connect_src="'self'", frame_src="'self'")
MAIL_POLICY = "sandbox allow-popups allow-popups-to-escape-sandbox; " + policy(
    style_src="'unsafe-inline'", img_src="data: https: http:", form_action="'none'", frame_ancestors="'self'"
)
PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}

add_templates(FOLDER / "templates")
add_assets(FOLDER / "assets")

router = Router(surface="root", prefix="/dev/mailbox", dependencies=[Depends(from_this_machine)])


class View(StrEnum):
    HTML = "html"
    TEXT = "text"
    SOURCE = "source"


@router.get("", response_class=HTMLResponse)
@limit(None)
async def mailbox(
    request: Request,
    to: Annotated[str, Query(max_length=254)] = "",
    id: Annotated[str, Query(max_length=64)] = "",  # noqa: A002
    view: View = View.HTML,
) -> HTMLResponse:
    """The list of mails and the chosen one."""
    repository = MailboxRepository()
    mail = await repository.get(id) if id else None
    return page(
        request,
        "mailbox.html",
        headers=PRIVATE,
        csp=PAGE_POLICY,
        mails=await repository.newest(to=to, limit=SHOWN),
        mail=mail,
        gone=bool(id and mail is None),
        to=to,
        view=_possible(view, mail),
        text=_with_links(mail.text) if mail else "",
        source=await repository.source(mail) if mail and view is View.SOURCE else "",
        style=asset(FOLDER / "assets" / "mailbox.css"),
        script=asset(FOLDER / "assets" / "mailbox.js"),
    )


@router.get("/messages/{mail_id}/html", response_class=HTMLResponse)
@limit(None)
async def mail_html(mail_id: str) -> HTMLResponse:
    """The HTML of one mail, for the frame: no scripts, links open beside it."""
    mail = await MailboxRepository().get(mail_id)
    if mail is None or mail.html is None:
        raise MailNotFound
    headers = {**PRIVATE, "Content-Security-Policy": MAIL_POLICY, "X-Frame-Options": "SAMEORIGIN"}
    return HTMLResponse(_with_links_beside(mail.html), headers=headers)


def _possible(view: View, mail: Mail | None) -> View:
    return View.TEXT if view is View.HTML and mail is not None and mail.html is None else view


def _with_links_beside(html: str) -> str:
    base = '<base target="_blank">'
    changed, count = re.subn(r"<head[^>]*>", lambda head: head[0] + base, html, count=1, flags=re.IGNORECASE)
    return changed if count else base + html


def _with_links(text: str) -> Markup:
    """The text with its addresses of the web as links."""
    parts, rest = [], text
    for link in links_in(text):
        before, _, rest = rest.partition(link)
        anchor = Markup('<a href="{0}" target="_blank" rel="noopener noreferrer">{0}</a>').format(link)
        parts += [escape(before), anchor]
    return Markup("").join([*parts, escape(rest)])
