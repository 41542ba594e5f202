"""Sign-in on HTML pages: with a password, a second factor, or a passkey alone.

The site's sign-in page and `/admin` have the same forms at different paths; each has its `SignInPages`. They start
cookie sessions.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar

from fastapi import Request, Response
from msgspec import Struct
from pydantic import Field, ValidationError

from undercroft.core.context import current_context
from undercroft.core.errors import AppError
from undercroft.core.http import Audit, asset_url, build_csp
from undercroft.core.http.flash import see_other
from undercroft.modules.auth import PASSWORD_FAILURES, AuthServices, InvalidCredentials, TooManyAttempts
from undercroft.modules.mfa import (
    SECOND_FACTOR_FAILURES,
    Assertion,
    Factor,
    InvalidCode,
    InvalidPasskey,
    MfaCredential,
    MfaTokenInvalid,
    SecondFactorService,
    normalize_code,
)
from undercroft.modules.sessions import (
    Client,
    CsrfFailed,
    MfaRequired,
    SessionKind,
    StartedSession,
    current_client,
    require_same_site,
)
from undercroft.modules.users import User
from undercroft.modules.web.service.forms import EmailField, NextPath, PageForm, PasswordField, TokenField, parse_email

ASSETS = Path(__file__).parents[1] / "assets" / "web"
MAX_RECOVERY_CODE_LENGTH = 64
MAX_PASSKEY_LENGTH = 16_384
_SIX_DIGITS = re.compile("[0-9]{6}")
NO_OTHER_WAYS: dict[str, Any] = {"is_local": True, "link_action": "", "social": (), "register": ""}
"""The context of a sign-in form with a password and a passkey only."""

CodeField = Annotated[str, Field(max_length=MAX_RECOVERY_CODE_LENGTH, repr=False, exclude=True)]
PasskeyField = Annotated[str, Field(max_length=MAX_PASSKEY_LENGTH, repr=False, exclude=True)]


class SignInStep(PageForm):
    """A form that starts a cookie session, or leads to one.

    It cannot send the `X-CSRF-Token` header, so the browser must report with `Sec-Fetch-Site` or `Origin` that a page
    of this site sent it.
    """

    audit: ClassVar[Audit]
    """The audit entries of the route that handles the form."""

    next_path: NextPath = ""

    def check_origin(self, request: Request) -> None:
        require_same_site(request)


class SignInForm(SignInStep):
    template, has_captcha = "sign_in", True
    audit = Audit("session.started", "mfa.challenged", optional=("sign_in.throttled",), on_failure=PASSWORD_FAILURES)

    email: EmailField = ""
    password: PasswordField = ""


class SecondFactorForm(SignInStep):
    """Has one of a TOTP code, a recovery code and the response of a passkey (JSON)."""

    template = "second_factor"
    audit = Audit("session.started", optional=("mfa.recovery_code_used",), on_failure=SECOND_FACTOR_FAILURES)

    mfa_token: TokenField = ""
    code: CodeField = ""
    recovery_code: CodeField = ""
    passkey: PasskeyField = ""


class PasskeyForm(SignInStep):
    """Without the response of a passkey, the form asks for one."""

    template = "passkey"
    audit = Audit("session.started", none_when="the page asks for a passkey", on_failure=SECOND_FACTOR_FAILURES)

    passkey: PasskeyField = ""


class SignInPages(Struct, frozen=True):
    """The sign-in form at `page`, and the forms that follow at `second_factor_page` and `passkey_page`.

    `safe_next_path` returns the path to redirect to after sign-in, given the requested one. `area` is the part of the
    site to name in the page, if any. `further_ways` returns the other parts of the sign-in form (see `NO_OTHER_WAYS`).
    """

    page: str
    second_factor_page: str
    passkey_page: str
    safe_next_path: Callable[[str], str]
    area: str = ""
    further_ways: Callable[[str], dict[str, Any]] = lambda _: NO_OTHER_WAYS

    async def sign_in(self, request: Request, form: SignInForm) -> Response:
        """Sign in with a password, or show the second factor form."""
        auth_services, client = current_context().get(AuthServices), await current_client(request)
        try:
            await form.check(request)
            if (email := parse_email(form.email)) is None:
                raise InvalidCredentials  # as for an unknown address
            _, started = await auth_services.sign_in.sign_in(
                email=email, password=form.password, client=client, kind=SessionKind.COOKIE
            )
        except MfaRequired as error:
            return await self.mfa_required(request, error, form.next_path)
        except AppError as error:
            return self.show(request, form, error)
        return self.redirect(started, form.next_path)

    async def verify_second_factor(self, request: Request, form: SecondFactorForm) -> Response:
        """Finish signing in. After a few wrong codes, the user starts over."""
        auth_services, client = current_context().get(AuthServices), await current_client(request)
        try:
            await form.check(request)
            _, started, _ = await finish_sign_in(
                auth_services,
                client,
                token=form.mfa_token,
                code=form.code,
                recovery_code=form.recovery_code,
                passkey=form.passkey,
                expected_kind=SessionKind.COOKIE,
            )
        except (InvalidCode, TooManyAttempts) as error:
            return await self._retry(request, form, error)
        except AppError as error:
            return self.show(request, SignInForm(next_path=form.next_path), error)
        return self.redirect(started, form.next_path)

    async def sign_in_with_passkey(self, request: Request, form: PasskeyForm) -> Response:
        """Ask for a passkey, or sign in if the form contains the response of one."""
        try:
            await form.check(request)
            if not form.passkey:
                return await self._ask_for_passkey(request, form)
            service, assertion = await _get_service(request), Assertion.model_validate_json(form.passkey)
            _, started = await service.sign_in_with_passkey(assertion, SessionKind.COOKIE)
            return self.redirect(started, form.next_path)
        except ValidationError:
            return await self._ask_for_passkey(request, form, InvalidPasskey())
        except CsrfFailed as error:
            return self.show(request, SignInForm(next_path=form.next_path), error)
        except AppError as error:
            return await self._ask_for_passkey(request, form, error)

    async def mfa_required(self, request: Request, error: MfaRequired, next_path: str) -> Response:
        """Show the second factor form for an `MfaRequired` error."""
        token, next_path = (error.details or {})["mfa_token"], self.safe_next_path(next_path)
        form = SecondFactorForm(mfa_token=token, next_path=next_path)
        return await self._challenge(request, form)

    def show(self, request: Request, form: SignInForm, error: AppError | None = None) -> Response:
        """Show the sign-in form."""
        further_ways = self.further_ways(self.safe_next_path(form.next_path))
        return self._render(request, form, error, action=self.page, passkey_action=self.passkey_page, **further_ways)

    def redirect(self, started: StartedSession, next_path: str) -> Response:
        """Redirect to the requested page and set the session cookie."""
        response = see_other(self.safe_next_path(next_path))
        started.set_cookies(response)
        return response

    def start_over(self) -> Response:
        """Redirect a GET request of a later page, which needs the form of an earlier one, to the sign-in form."""
        return see_other(self.page)

    async def _retry(self, request: Request, form: SecondFactorForm, error: AppError) -> Response:
        try:
            return await self._challenge(request, form, error)
        except MfaTokenInvalid as token_error:
            return self.show(request, SignInForm(next_path=form.next_path), token_error)

    async def _challenge(self, request: Request, form: SecondFactorForm, error: AppError | None = None) -> Response:
        context = await _second_factor_context(request, form.mfa_token)
        return self._render(request, form, error, action=self.second_factor_page, **context)

    async def _ask_for_passkey(self, request: Request, form: PasskeyForm, error: AppError | None = None) -> Response:
        context = _passkey_context(await (await _get_service(request)).passkey_options())
        return self._render(request, form, error, action=self.passkey_page, sign_in=self.page, **context)

    def _render(self, request: Request, form: SignInStep, error: AppError | None, **context: Any) -> Response:
        next_path = self.safe_next_path(form.next_path)
        return form.render(request, error, area=self.area, next_path=next_path, **context)


async def _second_factor_context(request: Request, token: str) -> dict[str, Any]:
    """Return what only `web/second_factor.html` needs.

    If the user has a passkey, this creates a challenge and adds the Content-Security-Policy that allows the passkey
    script. Raises `MfaTokenInvalid`.
    """
    service = await _get_service(request)
    factors = await service.factors(token)
    context = {"with_code": Factor.TOTP in factors, "passkey": None}
    if Factor.PASSKEY not in factors:
        return context
    return {**context, **_passkey_context(await service.options(token))}


async def finish_sign_in(
    auth_services: AuthServices,
    client: Client,
    *,
    token: str,
    code: str = "",
    recovery_code: str = "",
    passkey: str = "",
    expected_kind: SessionKind | None = None,
) -> tuple[User, StartedSession, SessionKind]:
    """Complete a sign-in that raised `MfaRequired`, with a TOTP code, a recovery code or a passkey assertion (JSON).

    `expected_kind` rejects sign-ins that requested another kind of session. A page may have one field for both kinds
    of code and pass it as `code`: a value that is not six digits is treated as a recovery code. Raises
    `MfaTokenInvalid`, `InvalidCode`, `TooManyAttempts`.
    """
    try:
        credential = MfaCredential.model_validate(_parse_credential(code, recovery_code, passkey))
    except ValidationError:
        raise InvalidCode from None
    return await SecondFactorService(auth_services, client).verify(token, credential, expected_kind=expected_kind)


async def _get_service(request: Request) -> SecondFactorService:
    return SecondFactorService(current_context().get(AuthServices), await current_client(request))


def _passkey_context(options: dict[str, Any]) -> dict[str, Any]:
    passkey = {
        "options": json.dumps(options),
        "domain": options["rpId"],
        "script": asset_url(ASSETS / "passkey.js"),
    }
    return {"passkey": passkey, "csp": build_csp(script_src="'self'")}


def _parse_credential(code: str, recovery_code: str, passkey: str) -> dict[str, Any]:
    if passkey:
        return {"passkey": Assertion.model_validate_json(passkey)}
    if _SIX_DIGITS.fullmatch(str(normalize_code(code))):
        return {"code": code}
    return {"recovery_code": (recovery_code or code)[:MAX_RECOVERY_CODE_LENGTH]}
