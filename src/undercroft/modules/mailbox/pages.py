"""The mailbox page: the list of emails and one email, with its HTML in a sandboxed frame without scripts."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Query, Request
from fastapi.responses import HTMLResponse
from markupsafe import Markup, escape

from undercroft.core.http import Router, asset_url, build_csp, render_page
from undercroft.modules.mailbox.dependencies import require_local_client
from undercroft.modules.mailbox.errors import MailNotFound
from undercroft.modules.mailbox.repository import MailboxRepository
from undercroft.modules.mailbox.service import Mail, extract_links

FOLDER = Path(__file__).parent
MAX_MAILS = 200

PAGE_POLICY = build_csp(script_src="'self'", connect_src="'self'", frame_src="'self'")
MAIL_POLICY = "sandbox allow-popups allow-popups-to-escape-sandbox; " + build_csp(
    style_src="'unsafe-inline'", img_src="data: https: http:", form_action="'none'", frame_ancestors="'self'"
)
PRIVATE_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


router = Router(surface="root", prefix="/dev/mailbox", dependencies=[Depends(require_local_client)])


class View(StrEnum):
    HTML = "html"
    TEXT = "text"
    SOURCE = "source"


@router.get("", limit=None, response_class=HTMLResponse)
async def mailbox(
    request: Request,
    to: Annotated[str, Query(max_length=254)] = "",
    id: Annotated[str, Query(max_length=64)] = "",  # noqa: A002
    view: View = View.HTML,
) -> HTMLResponse:
    """Show the list of emails and the selected one."""
    repository = MailboxRepository()
    mail = await repository.get(id) if id else None
    return render_page(
        request,
        "mailbox/mailbox.html",
        headers=PRIVATE_HEADERS,
        csp=PAGE_POLICY,
        mails=await repository.list_newest(to=to, limit=MAX_MAILS),
        mail=mail,
        is_deleted=bool(id and mail is None),
        to=to,
        view=_available_view(view, mail),
        text=_linkify(mail.text) if mail else "",
        source=await repository.source(mail) if mail and view is View.SOURCE else "",
        style=asset_url(FOLDER / "assets" / "mailbox" / "mailbox.css"),
        script=asset_url(FOLDER / "assets" / "mailbox" / "mailbox.js"),
    )


@router.get("/messages/{mail_id}/html", limit=None, response_class=HTMLResponse)
async def mail_html(mail_id: str) -> HTMLResponse:
    """Return the HTML of one email for the frame: without scripts, and with links that open in a new tab."""
    mail = await MailboxRepository().get(mail_id)
    if mail is None or mail.html is None:
        raise MailNotFound
    headers = {**PRIVATE_HEADERS, "Content-Security-Policy": MAIL_POLICY, "X-Frame-Options": "SAMEORIGIN"}
    return HTMLResponse(_open_links_in_new_tab(mail.html), headers=headers)


def _available_view(view: View, mail: Mail | None) -> View:
    return View.TEXT if view is View.HTML and mail is not None and mail.html is None else view


def _open_links_in_new_tab(html: str) -> str:
    base = '<base target="_blank">'
    changed, count = re.subn(r"<head[^>]*>", lambda head: head[0] + base, html, count=1, flags=re.IGNORECASE)
    return changed if count else base + html


def _linkify(text: str) -> Markup:
    parts, rest = [], text
    for link in extract_links(text):
        before, _, rest = rest.partition(link)
        anchor = Markup('<a href="{0}" target="_blank" rel="noopener noreferrer">{0}</a>').format(link)
        parts += [escape(before), anchor]
    return Markup("").join([*parts, escape(rest)])
