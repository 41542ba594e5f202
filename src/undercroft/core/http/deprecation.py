"""Deprecated routes, parameters and fields: since when, until when they work, and what to use instead.

A response to a request that uses one has `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and `Link`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from urllib.parse import quote

from typing_extensions import deprecated

Header = tuple[bytes, bytes]

_URL = "/:?#[]@!$&'()*+,;=%~"


@dataclass(frozen=True, kw_only=True)
class Deprecation(deprecated):
    """When a route, parameter or field was or will be deprecated, and when it may be removed.

    A route declares it as `deprecation` or, with a version, as `supersedes`; a parameter or field as FastAPI's and
    Pydantic's `deprecated`, on which nothing else depends:

        sort: Annotated[str | None, Query(deprecated=Deprecation(since=date(2026, 12, 1), instead="order"))] = None

    `release` is the release of your product that deprecates it, `instead` names what replaces it, and `documentation`
    is a page that explains how to migrate. Raises `ValueError` if the sunset is before `since`.
    """

    since: date
    sunset: date | None = None
    release: str = ""
    instead: str = ""
    documentation: str = "/docs"

    message = None  # type: ignore[assignment] # Pydantic would warn whenever the server itself reads the field

    def __post_init__(self) -> None:
        if self.sunset is not None and self.sunset < self.since:
            raise ValueError("The sunset cannot be before the deprecation.")

    def describe(self, successor: str | None = None) -> str:
        """The sentences for the documentation. `successor` is the path of the route that replaces this one."""
        release = f" (release {self.release})" if self.release else ""
        removed = f" It may be removed from {self.sunset} on." if self.sunset else ""
        instead = successor or self.instead
        used = f" Use `{instead}`." if instead else ""
        return f"Deprecated since {self.since}{release}.{removed}{used}"


def build_headers(deprecations: Iterable[Deprecation], successor: str | None = None) -> list[Header]:
    """Return the response headers for all of these, with the earliest dates."""
    found = list(deprecations)
    since = min(each.since for each in found)
    headers = [(b"deprecation", f"@{int(_midnight(since).timestamp())}".encode())]
    if sunset := min((each.sunset for each in found if each.sunset), default=None):
        headers.append((b"sunset", format_datetime(_midnight(sunset), usegmt=True).encode()))
    pages = dict.fromkeys(each.documentation for each in found)
    links = [f'<{quote(page, safe=_URL)}>; rel="deprecation"; type="text/html"' for page in pages]
    links += [f'<{quote(successor, safe=_URL)}>; rel="successor-version"'] if successor else ()
    return [*headers, (b"link", ", ".join(links).encode())]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
