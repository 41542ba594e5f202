"""Finds the command that was typed, runs it and tells a person what went wrong."""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import typer
from typer.core import TyperGroup

from undercroft.core.errors import AppError, ConfigurationError

if TYPE_CHECKING:
    from typer._click import Command, Context

FOLDER = Path(__file__).parent
LEASH = "UNDERCROFT_LEASH"


class Commands(TyperGroup):
    """The files of this folder; each is imported when its command is typed."""

    def list_commands(self, ctx: "Context") -> list[str]:  # noqa: ARG002
        return sorted(path.stem.replace("_", "-") for path in FOLDER.glob("[!_]*.py"))

    def get_command(self, ctx: "Context", cmd_name: str) -> "Command | None":  # noqa: ARG002
        stem = cmd_name.replace("-", "_")
        if stem.startswith("_") or not (FOLDER / f"{stem}.py").is_file():
            return None
        return _command(stem)

    def resolve_command(self, ctx: "Context", args: list[str]) -> tuple[str | None, "Command | None", list[str]]:
        self.commands = cast(Any, dict.fromkeys(self.list_commands(ctx)))  # for "did you mean", which asks for names
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=Commands,
    help="The backend a Python SaaS starts with and never outgrows.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _remember_debug(debug: bool) -> bool:
    if debug:
        os.environ["UNDERCROFT_DEBUG"] = "1"
    return debug


@app.callback()
def _options(
    debug: bool = typer.Option(
        False,
        "--debug",
        help="Show where an unexpected error came from.",
        envvar="UNDERCROFT_DEBUG",
        callback=_remember_debug,
        is_eager=True,
    ),
) -> None:
    pass


def main() -> None:
    """Run what was typed. Exits with 2 when a person can mend it, with 1 when we made a mistake."""
    if os.environ.get(LEASH):
        from undercroft.devstack.leash import hold_on

        hold_on()
    try:
        typer.main.get_command(app)(prog_name="undercroft")
    except ConfigurationError as error:
        sys.exit(_told(str(error), 2))
    except AppError as error:
        sys.exit(_told(error.text, 1))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:
        sys.exit(_unexpected(error))


def _command(stem: str) -> "Command":
    module = import_module(f"undercroft.cli.{stem}")
    group: Any = getattr(module, "app", None)
    if group is not None:
        command = typer.main.get_group(group)
        command.name = stem.replace("_", "-")
        return command
    single = typer.Typer(add_completion=False)
    single.command(stem.replace("_", "-"))(getattr(module, stem))
    return typer.main.get_command(single)


def _told(message: str, code: int) -> int:
    """Print what is wrong to the terminal, or to wherever errors go."""
    label = typer.style("Error", fg="red", bold=True) if sys.stderr.isatty() else "Error"
    first, _, rest = message.strip().partition("\n")
    print(f"{label}: {first}", file=sys.stderr)
    if rest:
        print(rest, file=sys.stderr)
    return code


def _unexpected(error: Exception) -> int:
    if os.environ.get("UNDERCROFT_DEBUG"):
        import traceback

        traceback.print_exception(error)
        return 1
    words = str(error).strip().splitlines()
    said = f"{type(error).__name__}: {words[0]}" if words else type(error).__name__
    again = "Run it again with UNDERCROFT_DEBUG=1 to see where it came from."
    return _told(f"This did not work, and the mistake is most likely ours.\n  {said}\n{again}", 1)
