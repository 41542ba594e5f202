"""Descriptions and examples of fields that mean the same in every module, by name. A field may override them."""

from typing import Any

ID_EXAMPLE = "0198f3c2-7a41-7c3e-9d55-0b6f1f2f7a10"
TIME_EXAMPLE = "2026-11-21T14:03:07.120000Z"

DESCRIPTIONS: dict[str, str] = {
    "access_token": "Access token, to send as `Authorization: Bearer …`.",
    "captcha_token": "Response of the captcha, if one is configured.",
    "created_at": "Time of creation.",
    "created_by": "ID of the user who created it; null if the account was deleted.",
    "csrf_token": "Token to send as `X-CSRF-Token` with the session cookie and an unsafe method.",
    "deleted_at": "Time of deletion; null if it is not deleted.",
    "description": "Description, shown to members.",
    "email": "Email address.",
    "email_verified": "Whether the email address is verified.",
    "expires_at": "Expiry time; null if there is none.",
    "finished_at": "Time of the end; null before it.",
    "full_name": "Name of the user.",
    "id": "Unique ID.",
    "ip": "IP address of the client.",
    "items": "The items, in the order of the request.",
    "last_used_at": "Time of the last use; null if it was never used.",
    "last_used_ip": "IP address of the last use.",
    "locale": "Language tag (BCP 47) for emails and pages.",
    "message": "Message for the user.",
    "name": "Name, shown to members.",
    "next_cursor": "Value of `cursor` for the next page; null on the last page.",
    "page": "Page number, starting at 1.",
    "permissions": "Names of the permissions.",
    "provider": "Name of the provider.",
    "refresh_token": "Token that can be exchanged once for a new pair.",
    "request_id": "ID of the request, from the header `X-Request-ID`.",
    "role": "Name of the role.",
    "size": "Items per page.",
    "slug": "Name in URLs.",
    "team_name": "Name of the team.",
    "timezone": "Time zone, a name in the IANA database.",
    "token_type": "Scheme of the `Authorization` header.",
    "updated_at": "Time of the last change.",
    "user_agent": "User-Agent header of the client.",
}
"""A field `…_id` that is not listed is described as the ID of its object."""

EXAMPLES: dict[str, Any] = {
    "access_token": "eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiIwMTk4ZjNjMiJ9.c2lnbmF0dXJl",
    "csrf_token": "q1nYk3Vb0fJ7cD2sXwR9mZpL4uEoG6aTiQyB8vKjEhT",
    "description": "The new website.",
    "email": "ada@example.com",
    "full_name": "Ada Lovelace",
    "ip": "192.0.2.1",
    "last_used_ip": "192.0.2.1",
    "locale": "en",
    "message": "Check your email.",
    "name": "Website",
    "next_cursor": "AQAOH2RqbTFAAZjzwnpBfD6dVQtvHy96EA",
    "permissions": ["projects:read"],
    "provider": "google",
    "refresh_token": "hTq1nYk3Vb0fJ7cD2sXwR9mZpL4uEoG6aTiQyB8vKjE",
    "request_id": ID_EXAMPLE,
    "role": "member",
    "slug": "acme",
    "team_name": "Acme",
    "timezone": "Europe/Berlin",
    "user_agent": "Mozilla/5.0",
}

FORMAT_EXAMPLES: dict[str, Any] = {
    "date": "2026-11-21",
    "date-time": TIME_EXAMPLE,
    "email": "ada@example.com",
    "uri": "https://example.com/",
    "uuid": ID_EXAMPLE,
}
