"""Email templates: `<name>.txt` and `<name>.html`. The subject is a block of the text template.

    {% extends "base.txt" %}
    {% block subject %}Welcome to {{ app_name }}{% endblock %}
    {% block body %}Your account is ready.{% endblock %}

A template is searched in the project's folder (EMAIL_TEMPLATES), in `templates/emails` of the modules, and in
`templates` beside this file, which contains the layouts `base.*`. Names begin with the module: `auth/verify` is in
`templates/emails/auth/` of `auth`. An undefined variable is an error.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from undercroft.core.context import current_context
from undercroft.core.settings import CoreSettings, load
from undercroft.providers.email.errors import InvalidMessage
from undercroft.providers.email.settings import EmailSettings

if TYPE_CHECKING:
    from jinja2 import Environment

BUILT_IN = Path(__file__).parent / "templates"


class RenderedEmail(Struct, frozen=True):
    subject: str
    text: str
    html: str


class EmailTemplates(Struct, frozen=True):
    """The folders of email templates of an application's modules."""

    folders: tuple[Path, ...] = ()


def render(template: str, data: Mapping[str, Any]) -> RenderedEmail:
    """Render a template's subject, text and HTML. Call it in a thread, because it reads files.

    Raises `InvalidMessage` if the template does not exist or is invalid, or if a variable is undefined.
    """
    from jinja2 import TemplateError, TemplateNotFound

    try:
        return _render(environment(), template, data)
    except TemplateNotFound as error:
        raise InvalidMessage(f"Email template {error.name!r} not found.") from error
    except TemplateError as error:
        raise InvalidMessage(f"The email template {template!r} cannot be rendered: {error}.") from error


def environment() -> "Environment":
    """The Jinja environment of all email templates; an undefined variable is an error."""
    cache_size = 400 if load(CoreSettings).is_production else 0  # in development, changes apply immediately
    return _environment((load(EmailSettings).email_templates, *email_folders()), cache_size)


def email_folders() -> tuple[Path, ...]:
    """The folders of the original templates, of which the first that has a template wins."""
    return *current_context().get(EmailTemplates).folders, BUILT_IN


def _render(environment: "Environment", template: str, data: Mapping[str, Any]) -> RenderedEmail:
    template = _with_module(environment, template)
    plain = environment.get_template(f"{template}.txt")
    if "subject" not in plain.blocks:
        raise InvalidMessage(f"The email template {template}.txt has no `subject` block.")
    subject = " ".join("".join(plain.blocks["subject"](plain.new_context(dict(data)))).split())
    html = environment.get_template(f"{template}.html").render(data, subject=subject)
    return RenderedEmail(subject, _collapse_blank_lines(plain.render(data, subject=subject)), html)


def _with_module(environment: "Environment", template: str) -> str:
    """Return the name with its module. Jobs that an earlier release enqueued name the file alone."""
    if "/" in template or f"{template}.txt" in environment.list_templates():
        return template
    found = [name for name in environment.list_templates(["txt"]) if name.endswith(f"/{template}.txt")]
    return found[0].removesuffix(".txt") if len(found) == 1 else template


def _collapse_blank_lines(text: str) -> str:
    """Remove trailing spaces and repeated blank lines, which conditions in a template leave behind."""
    lines = [line.rstrip() for line in text.strip().splitlines()]
    collapsed = [line for index, line in enumerate(lines) if line or lines[index - 1]]
    return "\n".join(collapsed) + "\n"


@cache
def _environment(folders: tuple[Path, ...], cache_size: int) -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=FileSystemLoader(folders),
        autoescape=select_autoescape(["html"], default=False),
        undefined=StrictUndefined,
        cache_size=cache_size,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["web_link"] = _web_link
    return environment


def _web_link(url: str) -> str:
    """Return the URL if it is an HTTP URL. Raises `InvalidMessage` for other schemes such as `javascript:`."""
    if not str(url).startswith(("https://", "http://")):
        raise InvalidMessage("A link in an email must begin with https:// or http://.")
    return url
