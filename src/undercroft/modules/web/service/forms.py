"""The form class of all pages.

    class ResendForm(PageForm):
        template, action = "resend", RESEND_PAGE
        email: EmailField = ""

    @router.get(RESEND_PAGE)
    async def resend_page(request: Request) -> Response:
        return ResendForm().render(request)

    @router.post(RESEND_PAGE, ...)
    async def submit_resend(request: Request, form: Annotated[ResendForm, Form()]) -> Response:
        try:
            await form.check(request)
            ...
        except AppError as error:
            return form.fail(request, error)
        return redirect(SENT_PAGE)

A value over the limit of its field is refused by FastAPI (422).
"""

from typing import Annotated, Any, ClassVar, Self

from annotated_types import MaxLen
from fastapi import Request, Response
from pydantic import ConfigDict, Field

from undercroft.core.auth import Principal
from undercroft.core.context import current_context
from undercroft.core.errors import AppError
from undercroft.core.http import Action, build_csp, failure_page, render_page
from undercroft.core.http.flash import see_other
from undercroft.core.http.pages import EMAIL_LINK_HEADERS, sign_in_link
from undercroft.core.http.same_site import MAX_PATH_LENGTH
from undercroft.core.security.passwords import MAX_INPUT
from undercroft.core.security.settings import PasswordSettings
from undercroft.core.settings import load
from undercroft.core.validation import Schema, normalize_email
from undercroft.core.validation.text import normalize_line
from undercroft.modules.auth import AuthServices, require_captcha
from undercroft.modules.sessions import Device, get_authenticator, refuse_cross_site
from undercroft.modules.users import NAME_LENGTH
from undercroft.modules.web.errors import NameInvalid
from undercroft.providers.captcha import CaptchaSettings, Service

NO_STORE = {"Cache-Control": "no-store", "Referrer-Policy": "same-origin"}
"""Headers of the forms. With this policy, browsers that do not send `Sec-Fetch-Site` send `Origin`."""

EmailField = Annotated[str, Field(max_length=300)]
NameField = Annotated[str, Field(max_length=NAME_LENGTH)]
NextPath = Annotated[str, Field(alias="next", max_length=MAX_PATH_LENGTH)]
TokenField = Annotated[str, Field(max_length=512, repr=False)]
CsrfToken = Annotated[str, Field(max_length=200, repr=False, exclude=True)]
PasswordField = Annotated[str, Field(max_length=MAX_INPUT, repr=False, exclude=True)]


class PageForm(Schema):
    """A form: its fields, the check of a submission, and the page that shows it with the values and the error.

    Fields with `exclude` are not shown again: passwords and codes.
    """

    model_config = ConfigDict(populate_by_name=True)

    template: ClassVar[str]
    action: ClassVar[str] = ""
    has_captcha: ClassVar[bool] = False
    """Whether the form has the captcha, if one is configured."""
    headers: ClassVar[dict[str, str]] = NO_STORE
    context: ClassVar[dict[str, Any]] = {}
    """What else the template needs."""

    @classmethod
    async def read(cls, request: Request) -> Self:
        """Read the form in an endpoint that is no FastAPI route. A value over the limit of its field is ignored."""
        submitted, values = await request.form(), {}
        for name, field in cls.model_fields.items():
            value = submitted.get(field.alias or name)
            limit = next(each.max_length for each in field.metadata if isinstance(each, MaxLen))
            if isinstance(value, str) and len(value) <= limit:
                values[name] = value
        return cls(**values)

    def check_origin(self, request: Request) -> None:
        """Raise `CsrfFailed` for a submission from another site."""
        refuse_cross_site(request)

    async def check(self, request: Request) -> None:
        """Check the origin and the captcha. Raises `CsrfFailed` and the errors of `require_captcha`."""
        self.check_origin(request)
        if (captcha := self._find_captcha()) is not None:
            response = (await request.form()).get(captcha.field)
            await require_captcha(request, response if isinstance(response, str) else None)

    def render(self, request: Request, error: AppError | None = None, **context: Any) -> Response:
        """Render the page; after an error, with its message, status and headers. `context` is for the template."""
        status, more = (200, {}) if error is None else (error.status, error.headers)
        shown = {
            "error": error,
            "action": self.action,
            "min_length": load(PasswordSettings).password_min_length,
            "max_length": MAX_INPUT,
            "max_name_length": NAME_LENGTH,
            **_captcha_context(self._find_captcha()),
            **self.context,
            **self.model_dump(),
            **context,
        }
        return render_page(
            request, f"web/{self.template}.html", status=status, headers={**self.headers, **more}, **shown
        )

    def fail(self, request: Request, error: AppError) -> Response:
        return self.render(request, error)

    def _find_captcha(self) -> Service | None:
        return current_context().get(AuthServices).captcha.service if self.has_captcha else None


class SessionForm(PageForm):
    """A form that acts for the user of the session cookie. The page contains the CSRF token of the session."""

    csrf_token: CsrfToken = ""

    async def authenticate(self, request: Request, *, impersonation: bool = False) -> Principal:
        """Return the user. Raises like `authenticate_form`; `check` is not needed in addition."""
        return await get_authenticator().authenticate_form(request, self.csrf_token, impersonation=impersonation)


class LinkForm(PageForm):
    """A form on a page that an emailed link opens.

    A GET request changes nothing, because email scanners follow links too. The page sends no referrer, so that the
    token stays private; therefore browsers send `Origin: null` with the form.
    """

    headers = EMAIL_LINK_HEADERS
    failure_actions: ClassVar[tuple[Action, ...]] = ()
    """What the user can do when the link does not work, besides signing in."""

    token: TokenField = ""

    def check_origin(self, request: Request) -> None:
        refuse_cross_site(request, from_mail=True)

    def fail(self, request: Request, error: AppError) -> Response:
        """Show the form again if another value of a field can correct the error; otherwise a page with next steps."""
        if error.field in type(self).model_fields:
            return self.render(request, error)
        return failure_page(request, error, "The link does not work", *self.failure_actions, *sign_in_actions())

    def _find_captcha(self) -> Service | None:
        """With a token, the captcha is not needed: the link was emailed."""
        return None if self.token else super()._find_captcha()


def parse_email(text: str) -> str | None:
    try:
        return normalize_email(text)
    except ValueError:
        return None


def parse_name(text: str) -> str:
    """Normalize a user's name. Raises `NameInvalid`."""
    try:
        return normalize_line(text)
    except ValueError:
        raise NameInvalid from None


def redirect(path: str, *, device: Device | None = None, **flash: str) -> Response:
    """Redirect after a submission; set the device cookie, and pass values to the page (see `core.http.flash`)."""
    response = see_other(path, **flash)
    if device is not None:
        device.set_cookie(response)
    return response


def sign_in_actions(next_path: str = "") -> tuple[Action, ...]:
    link = sign_in_link(next_path)
    return (Action("Sign in", link),) if link else ()


def _captcha_context(service: Service | None) -> dict[str, Any]:
    if service is None:
        return {"captcha": None}
    widget = {
        "script": service.script,
        "widget_class": service.widget_class,
        "site_key": load(CaptchaSettings).captcha_site_key,
    }
    origins = service.origins
    csp = build_csp(
        script_src=origins,
        frame_src=origins,
        connect_src=origins,
        style_src=f"'self' {origins}",
        img_src=f"'self' data: {origins}",
    )
    return {"captcha": widget, "csp": csp}
