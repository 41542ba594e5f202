"""Mail templates: `<name>.txt` and `<name>.html`, the subject a block of the text.

    {% extends "base.txt" %}
    {% block subject %}Welcome to {{ app_name }}{% endblock %}
    {% block body %}Good to have you.{% endblock %}

A name is looked up in the project's folder (EMAIL_TEMPLATES), in the folders that modules added (the latest first),
then beside this file, where `base.txt` and `base.html` are. A variable that nobody gave is an error.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from undercroft.core.settings import CoreSettings, load
from undercroft.providers.email.errors import InvalidMessage
from undercroft.providers.email.settings import EmailSettings

if TYPE_CHECKING:
    from jinja2 import Environment

BUILT_IN = Path(__file__).parent / "templates"

_folders: list[Path] = []


class RenderedEmail(Struct, frozen=True):
    subject: str
    text: str
    html: str


def add_templates(folder: Path) -> None:
    """Let a module's mail templates be found; what is added later wins over what was added earlier."""
    if folder not in _folders:
        _folders.append(folder)


def render(template: str, data: Mapping[str, Any]) -> RenderedEmail:
    """Fill a template's text, HTML and subject. Reads files: call it in a thread.

    Raises `InvalidMessage` when there is no such template, when it is wrong, or when a variable is missing.
    """
    from jinja2 import TemplateError, TemplateNotFound

    environment = _environment((load(EmailSettings).email_templates, *reversed(_folders), BUILT_IN))
    try:
        return _render(environment, template, data)
    except TemplateNotFound as error:
        raise InvalidMessage(f"There is no mail template {error.name!r}.") from error
    except TemplateError as error:
        raise InvalidMessage(f"The mail template {template!r} cannot be filled: {error}.") from error


def _render(environment: "Environment", template: str, data: Mapping[str, Any]) -> RenderedEmail:
    plain = environment.get_template(f"{template}.txt")
    if "subject" not in plain.blocks:
        raise InvalidMessage(f"The mail template {template}.txt has no block named subject.")
    subject = " ".join("".join(plain.blocks["subject"](plain.new_context(dict(data)))).split())
    html = environment.get_template(f"{template}.html").render(data, subject=subject)
    return RenderedEmail(subject, _collapse_blank_lines(plain.render(data, subject=subject)), html)


def _collapse_blank_lines(text: str) -> str:
    """No blanks at line ends, one empty line at most: what conditions in a template leave behind."""
    lines = [line.rstrip() for line in text.strip().splitlines()]
    kept = [line for index, line in enumerate(lines) if line or lines[index - 1]]
    return "\n".join(kept) + "\n"


@cache
def _environment(folders: tuple[Path, ...]) -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=FileSystemLoader(folders),
        autoescape=select_autoescape(["html"], default=False),
        undefined=StrictUndefined,
        cache_size=400 if load(CoreSettings).is_production else 0,  # elsewhere a new override shows at once
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["web_link"] = _web_link
    return environment


def _web_link(url: str) -> str:
    """The URL, when a browser opens it as a page. Raises `InvalidMessage` for `javascript:` and its like."""
    if not str(url).startswith(("https://", "http://")):
        raise InvalidMessage("A link in a mail must begin with https:// or http://.")
    return url
