"""Where people come in by pages: what the pages of signing in and those in front of `/admin` have in common."""

import json
import re
from html import unescape
from typing import Any

import httpx

from tests.modules.forms import hidden_fields

ME = "/api/v1/app/users/me"
LONG_PASSKEY = json.dumps({"id": "A" * 15_000})
INVALID_PASSKEYS = ["{}", "[]", "null", "{", '{"id": 1}', "[" * 10_000, "\0", "x", '"\\ud800"', LONG_PASSKEY]


def get_passkey_options(page: httpx.Response) -> dict[str, Any]:
    """What a page wants to know of a passkey."""
    found = re.search(r'data-options="([^"]+)"', page.text)
    assert found, page.text
    options: dict[str, Any] = json.loads(unescape(found[1]))
    return options


def fill_passkey_form(page: httpx.Response, passkey: Any) -> dict[str, str]:
    """The page's form with what a passkey answered."""
    return {**hidden_fields(page), "passkey": passkey if isinstance(passkey, str) else json.dumps(passkey)}
