"""What a route declares: who may call it, what it records, how often it may be called, and how a retry is handled.

`Router` builds a `RouteInfo` from its own options and those of the route, and stores it as `route.info`. Access
control, audit checks, rate limits, idempotency, OpenAPI and `undercroft routes` read it.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any, Literal, TypeAlias, TypedDict, TypeVar, Unpack

from msgspec import Struct
from starlette.routing import BaseRoute

from undercroft.core.auth.principal import PlatformRole
from undercroft.core.errors import AppError, CodeError
from undercroft.core.http.deprecation import Deprecation
from undercroft.core.http.same_site import SAFE_METHODS

R = TypeVar("R", bound=BaseRoute)


class Surface(StrEnum):
    """Groups of routes with a common URL prefix and guard."""

    PUBLIC = "public"
    AUTH = "auth"
    APP = "app"
    ADMIN = "admin"
    ROOT = "root"

    @property
    def prefix(self) -> str:
        """The prefix of the routes of version 1."""
        return self.prefix_at(1)

    def prefix_at(self, version: int) -> str:
        """The prefix of the routes of a version."""
        return "" if self is Surface.ROOT else f"/api/v{version}/{self.value}"


class Exempt(Struct, frozen=True):
    """The reason why a route records no audit entry, requires no reauthentication or ignores `Idempotency-Key`."""

    reason: str

    def __post_init__(self) -> None:
        if not self.reason:
            raise ValueError("State the reason for the exemption.")


class When(Struct, frozen=True):
    """The case in which the service requires a recent reauthentication (`require_recent_authentication`)."""

    case: str

    def __post_init__(self) -> None:
        if not self.case:
            raise ValueError("State when reauthentication is required.")


class Audit:
    """The audit entries of a request: a success records exactly one entry, with one of `actions`.

    It may also record each of `optional` once and each of `repeatable` any number of times, and a refused request those
    in `on_failure`. `none_when` is the case in which a success records no entry; without actions, that is always so.
    The action `*` stands for any actions.
    """

    __slots__ = ("actions", "none_when", "on_failure", "optional", "repeatable")

    def __init__(
        self,
        *actions: str,
        optional: tuple[str, ...] = (),
        repeatable: tuple[str, ...] = (),
        on_failure: tuple[str, ...] = (),
        none_when: str = "",
    ) -> None:
        if not actions and not none_when:
            raise ValueError("Name the action that a success records, or state why it records none.")
        self.actions = actions
        self.optional = optional
        self.repeatable = repeatable
        self.on_failure = on_failure
        self.none_when = none_when


StepUp: TypeAlias = Literal[True] | When | Exempt
Idempotency: TypeAlias = Literal["store", "never_store"] | Exempt
Guard: TypeAlias = Callable[..., Any]
"""A dependency that requires the route's permission, `get_info(request.scope["route"]).permission`, in another team."""


class InfoOptions(TypedDict, total=False):
    """Options of a route, or of all routes of a router.

    - `permission`: required in the current team. With `or_self`, the name of a path parameter with a user ID, it is not
      required of this user. With `guard`, that dependency checks it instead.
    - `self_only`: the route concerns only the current user, in the current team. `team_independent`: in no team, so
      that the MFA requirement of a team does not apply.
    - `role`: the platform role that a route on `admin` requires, by default `admin`.
    - `api_keys=False`: only for the users themselves; refuses API keys and impersonators.
    - `impersonation`: whether impersonators may use the route; by default only if it reads, and never on `auth` and
      `admin`. Set it only for routes that grant no access: an administrator may have chosen the data that is stored.
    - `step_up`: `True` requires a recent reauthentication, `When("…")` does so in some cases, `Exempt("…")` never.
    - `limit`: a named rate, one of its own such as `"5/minute"`, or None for no limit; by default the surface's rate.
    - `idempotency`: `"never_store"` for a response with a secret, `Exempt("…")` if `Idempotency-Key` is ignored.
    - `audit`: the action of the entry that a success records, `Audit(…)`, or `Exempt("…")`.
    - `any_host`: whether the route accepts every Host header, for load balancers that use the IP address.
    - `errors`: the errors to document.
    - `supersedes`: on a router with a `version`, when the route of the older version at the same path was deprecated.
    - `deprecation`: when the route itself was deprecated, if nothing replaces it.
    """

    permission: str
    or_self: str
    guard: Guard
    self_only: bool
    team_independent: bool
    role: PlatformRole
    api_keys: bool
    impersonation: bool
    step_up: StepUp
    limit: str | None
    idempotency: Idempotency
    audit: str | Audit | Exempt
    any_host: bool
    errors: tuple[type[AppError], ...]
    supersedes: Deprecation
    deprecation: Deprecation


WEBSOCKET = "WEBSOCKET"
"""What `methods` is for a WebSocket route. It may change data."""

SURFACE_RATE = ""
"""The `limit` of a route that declares none."""


class RouteInfo(Struct, frozen=True, kw_only=True):
    """What is true of a route; `InfoOptions` explains the fields. `changes_data` is true for unsafe methods.

    `version` is the one of its router, and `successor` that of the route that supersedes it.
    """

    surface: Surface
    changes_data: bool = True
    permission: str | None = None
    or_self: str | None = None
    guard: Guard | None = None
    self_only: bool = False
    team_independent: bool = False
    role: PlatformRole | None = None
    api_keys: bool = True
    impersonation: bool = False
    step_up: StepUp | None = None
    limit: str | None = SURFACE_RATE
    idempotency: Idempotency = "store"
    audit: Audit | Exempt | None = None
    any_host: bool = False
    errors: tuple[type[AppError], ...] = ()
    version: int = 1
    supersedes: Deprecation | None = None
    deprecation: Deprecation | None = None
    successor: int | None = None

    @property
    def prefix(self) -> str:
        """The prefix of its surface in its version."""
        return self.surface.prefix_at(self.version)

    @property
    def uses_current_team(self) -> bool:
        return self.surface is Surface.APP and not (self.self_only or self.team_independent)


UNDECLARED = RouteInfo(surface=Surface.ROOT)
"""The strictest declaration, for routes without one."""

_SURFACES: Mapping[str, frozenset[Surface]] = {
    **dict.fromkeys(("permission", "or_self", "guard", "self_only", "team_independent"), frozenset({Surface.APP})),
    "role": frozenset({Surface.ADMIN}),
    "any_host": frozenset({Surface.ROOT}),
    "api_keys": frozenset({Surface.APP, Surface.ADMIN}),
    **dict.fromkeys(("impersonation", "step_up"), frozenset({Surface.APP, Surface.ADMIN, Surface.AUTH})),
}
"""The surfaces on which an option is enforced."""


def get_info(route: Any) -> RouteInfo:
    """The declaration of a route."""
    info: RouteInfo = getattr(route, "info", UNDECLARED)
    return info


def declare(route: R, **options: Unpack[InfoOptions]) -> R:
    """Add a declaration to a route that no `Router` made, such as a mounted application."""
    methods = getattr(route, "methods", None) or {"POST"}
    route.info = build_info(Surface.ROOT, methods, options, at=getattr(route, "endpoint", None))  # type: ignore[attr-defined]
    return route


def build_info(
    surface: Surface, methods: Iterable[str], options: Mapping[str, Any], *, path: str = "", version: int = 1, at: Any
) -> RouteInfo:
    """The declaration with these options. Raises `CodeError` for an option that the surface does not enforce."""
    _check_options(surface, options, path, at)
    if version == 1 and "supersedes" in options:
        raise CodeError(f"{path}: supersedes has no effect without a version. Add version=2 to its router.", at=at)
    audit = options.get("audit")
    api_keys = options.get("api_keys", surface is not Surface.AUTH)
    changes_data = not SAFE_METHODS.issuperset(methods)
    reads_as_user = api_keys and not changes_data and surface is not Surface.ADMIN
    return RouteInfo(
        **{
            **options,
            "surface": surface,
            "version": version,
            "changes_data": changes_data,
            "team_independent": options.get("team_independent", False) or surface is not Surface.APP,
            "role": options.get("role", PlatformRole.ADMIN if surface is Surface.ADMIN else None),
            "api_keys": api_keys,
            "impersonation": options.get("impersonation", reads_as_user),
            "audit": Audit(audit) if isinstance(audit, str) else audit,
        }
    )


def _check_options(surface: Surface, options: Mapping[str, Any], path: str, at: Any) -> None:
    for name in options:
        if surface not in _SURFACES.get(name, Surface):
            surfaces = ", ".join(sorted(_SURFACES[name]))
            raise CodeError(
                f"{path}: {name} has no effect on the surface {surface}, only on {surfaces}. Remove it.", at=at
            )
    permission, parameter = options.get("permission"), options.get("or_self")
    if permission is None and (parameter or "guard" in options):
        raise CodeError(f"{path}: or_self and guard require the option permission. Add it.", at=at)
    if permission is not None and options.get("team_independent"):
        raise CodeError(f"{path}: a permission belongs to a team. Remove team_independent.", at=at)
    if parameter is not None and not {f"{{{parameter}}}", f"{{{parameter}:uuid}}"} & set(path.split("/")):
        raise CodeError(f"{path} has no parameter {parameter}. Name the one with the user ID in or_self.", at=at)
