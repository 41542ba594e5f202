"""Hooks for schemathesis: sign in, again when the session has ended, spare the own account, and count the responses.

Environment: `FUZZ_EMAIL` and `FUZZ_PASSWORD` (empty for anonymous requests), `FUZZ_URL`, and the file `FUZZ_COUNTS`.
"""

import atexit
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import schemathesis

EMAIL = os.environ.get("FUZZ_EMAIL", "")
statuses: Counter[int] = Counter()
broken: Counter[str] = Counter()
own_ids: set[str] = set()


class BearerAuth:
    def get(self, _case: schemathesis.Case[Any], _context: schemathesis.AuthContext) -> str:
        body = {"email": EMAIL, "password": os.environ["FUZZ_PASSWORD"]}
        response = httpx.post(f"{os.environ['FUZZ_URL']}/api/v1/auth/login", json=body, timeout=30, trust_env=False)
        signed_in = response.raise_for_status().json()
        own_ids.add(signed_in["user"]["id"])
        return str(signed_in["access_token"])

    def set(self, case: schemathesis.Case[Any], data: str, _context: schemathesis.AuthContext) -> None:
        case.headers["Authorization"] = f"Bearer {data}"


if EMAIL:
    schemathesis.auth(refresh_interval=600)(BearerAuth)


@schemathesis.hook
def before_call(_context: Any, case: schemathesis.Case[Any], **_options: Any) -> None:
    """Replace the administrator's own ID, which schemathesis reads in lists: a required password reset ends the run."""
    if case.path_parameters and case.path_parameters.get("user_id") in own_ids:
        case.path_parameters["user_id"] = str(uuid4())


@schemathesis.hook
def after_call(_context: Any, case: schemathesis.Case[Any], response: schemathesis.Response) -> None:
    statuses[response.status_code] += 1
    if response.status_code >= 500:
        broken[f"{response.status_code} {case.method} {case.operation.path}"] += 1


@atexit.register
def write_counts() -> None:
    Path(os.environ["FUZZ_COUNTS"]).write_text(json.dumps({"statuses": statuses, "broken": broken}), encoding="utf-8")
