"""Normalize PostgreSQL URLs from users and hosting providers to the form that the driver reads."""

from collections.abc import Iterator
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

POSTGRES_SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg")
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

LIBPQ_ONLY_OPTIONS = frozenset(
    {
        "channel_binding",
        "connect_timeout",
        "fallback_application_name",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "load_balance_hosts",
        "sslcompression",
        "sslsni",
        "tcp_user_timeout",
    }
)
"""Options in providers' URLs that asyncpg would send to the server, which does not know them.

Options that require more security (`require_auth`, …) are not included: the server refuses a URL with them.
`channel_binding` is, because providers add it by default; `sslmode=verify-full` provides the protection here.
"""

CACHE_SIZES = ("prepared_statement_cache_size", "statement_cache_size")
"""SQLAlchemy's and asyncpg's names for the number of prepared statements that a connection caches."""

_SETTING_BY_OPTION = {"timeout": "DB_CONNECT_TIMEOUT", "command_timeout": "DB_STATEMENT_TIMEOUT"}
_CODE_ONLY_OPTIONS = frozenset(
    {
        "async_creator_fn",
        "async_fallback",
        "connection_class",
        "direct_tls",
        "loop",
        "max_cacheable_statement_size",
        "max_cached_statement_lifetime",
        "prepared_statement_name_func",
        "record_class",
        "server_settings",
    }
)
"""Arguments of asyncpg or SQLAlchemy's dialect that a URL cannot contain, or that Undercroft sets."""


def normalize_url(url: str) -> str:
    """The URL with the scheme and options that asyncpg supports; empty if it is empty."""
    if not url:
        return ""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(scheme="postgresql", query=urlencode(list(_driver_options(parts.query)))))


def get_hosts(url: str) -> list[tuple[str, int]]:
    """The hosts and ports of a URL in their order; several for a failover cluster. Raises `ValueError`."""
    parts = urlsplit(url)
    named = [urlsplit(f"//{each}") for each in parts.netloc.rpartition("@")[2].split(",") if each]
    listed = dict(parse_qsl(parts.query)).get("host", "")
    return [(each.hostname or "?", each.port or 5432) for each in named] or [(listed or "?", 5432)]


def cache_size(url: str) -> int | None:
    """The number of cached prepared statements that the URL sets; None if it does not."""
    options = dict(parse_qsl(urlsplit(url).query))
    sizes = [int(options[name]) for name in CACHE_SIZES if name in options]
    return min(sizes) if sizes else None


def url_errors(url: str) -> Iterator[str]:
    """Why this URL cannot be used, one sentence each."""
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in POSTGRES_SCHEMES and bool(parts.hostname or "host=" in parts.query)
        _ = get_hosts(url)
    except ValueError:
        is_valid = False
    if not is_valid:
        yield "must look like postgresql://user:password@host:5432/name (password URL-encoded)"
        return
    yield from _option_errors(parse_qsl(parts.query))


def _option_errors(options: list[tuple[str, str]]) -> Iterator[str]:
    modes = {value for name, value in options if name in ("ssl", "sslmode")}
    if len(modes) > 1:
        yield f"has conflicting ssl and sslmode: {' and '.join(sorted(modes))}"
    for name, value in options:
        if name in ("ssl", "sslmode") and value not in SSL_MODES:
            yield f"has {name}={value}; use one of {', '.join(SSL_MODES)}"
        elif name in CACHE_SIZES and not value.isdecimal():
            yield f"has {name}={value}; use a number, 0 for no cache"
        elif name in _SETTING_BY_OPTION:
            yield f"has {name}={value}; remove it and set {_SETTING_BY_OPTION[name]} instead"
        elif name in _CODE_ONLY_OPTIONS:
            yield f"has {name}, which a URL cannot set; remove it"


def _driver_options(query: str) -> Iterator[tuple[str, str]]:
    options = parse_qsl(query)
    # SQLAlchemy repeats `host` for several servers; the driver expects one list.
    hosts = [value.rpartition(":")[::2] if ":" in value else (value, "") for name, value in options if name == "host"]
    several = len(hosts) > 1
    if several:
        yield "host", ",".join(host or port for host, port in hosts)
        if all(host and port for host, port in hosts):
            yield "port", ",".join(port for _, port in hosts)
    for name, value in options:
        if name in LIBPQ_ONLY_OPTIONS or name in CACHE_SIZES or (several and name == "host"):
            continue
        yield _driver_option(name, value)


def _driver_option(name: str, value: str) -> tuple[str, str]:
    """Translate an option. Reading connections are read-only by default, so only `primary` finds a writable server."""
    if (name, value) == ("target_session_attrs", "read-write"):
        return name, "primary"
    return ("sslmode" if name == "ssl" else name), value
