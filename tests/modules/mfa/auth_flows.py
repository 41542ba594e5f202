"""Helpers for the sign-in pages of the site and of `/admin`."""

import json
import re
from html import unescape
from typing import Any

import httpx2 as httpx

from tests.modules.forms import hidden_fields

ME = "/api/v1/app/users/me"
LONG_PASSKEY = json.dumps({"id": "A" * 15_000})
INVALID_PASSKEYS = ["{}", "[]", "null", "{", '{"id": 1}', "[" * 10_000, "\0", "x", '"\\ud800"', LONG_PASSKEY]


def get_passkey_options(page: httpx.Response) -> dict[str, Any]:
    """Return the WebAuthn options in a page."""
    match = re.search(r'data-options="([^"]+)"', page.text)
    assert match, page.text
    options: dict[str, Any] = json.loads(unescape(match[1]))
    return options


def fill_passkey_form(page: httpx.Response, passkey: Any) -> dict[str, str]:
    """Return the fields of the page's form with the passkey's response."""
    return {**hidden_fields(page), "passkey": passkey if isinstance(passkey, str) else json.dumps(passkey)}
