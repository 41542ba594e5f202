"""Finds and runs the requested command, and reports errors."""

import errno
import os
import sys
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import typer
from typer.core import TyperGroup

from undercroft.core.errors import AppError, ConfigurationError, ServiceUnavailable, TemporarilyUnavailable
from undercroft.core.modules import available_extensions, has_submodule, import_extension

if TYPE_CHECKING:
    from typer._click import Command, Context

FOLDER = Path(__file__).parent
MODULES = FOLDER.parent / "modules"
SUPERVISED_VARIABLE = "UNDERCROFT_SUPERVISED"
USAGE_ERROR: Any = typer.BadParameter.__mro__[2]
"""The base class of the errors in a command line: of Click or, since Typer 0.26, of Typer's own copy of Click."""


class CommandGroup(TyperGroup):
    """Loads each command when it is requested: from its file in this folder, or from `commands.py` of a module."""

    def list_commands(self, ctx: "Context") -> list[str]:  # noqa: ARG002
        return sorted({*command_names(), *(name.replace("_", "-") for name in _module_groups())})

    def get_command(self, ctx: "Context", cmd_name: str) -> "Command | None":  # noqa: ARG002
        stem = cmd_name.replace("-", "_")
        if stem.startswith("_"):
            return None
        if (FOLDER / f"{stem}.py").is_file():
            return _load_command(stem, import_module(f"undercroft.cli.{stem}"))
        package = _module_groups().get(stem)
        if package and f"{package}.".startswith("undercroft.") and _is_disabled(stem):
            return None
        return _load_command(stem, _import_commands(package), attaches=True) if package else None

    def resolve_command(self, ctx: "Context", args: list[str]) -> tuple[str | None, "Command | None", list[str]]:
        self.commands = cast(Any, dict.fromkeys(self.list_commands(ctx)))  # "did you mean" needs only the names
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=CommandGroup,
    help="A backend for SaaS products on FastAPI, SQLModel and PostgreSQL.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def command_names() -> list[str]:
    """The names of the commands of Undercroft, without those of modules and extensions."""
    return sorted(path.stem.replace("_", "-") for path in FOLDER.glob("[!_]*.py"))


def _set_debug(debug: bool) -> bool:
    if debug:
        os.environ["UNDERCROFT_DEBUG"] = "1"
    return debug


@app.callback(invoke_without_command=True)
def _options(
    debug: bool = typer.Option(  # noqa: ARG001 - its callback stores it
        False,
        "--debug",
        help="Show the traceback of an unexpected error.",
        envvar="UNDERCROFT_DEBUG",
        callback=_set_debug,
        is_eager=True,
    ),
    version: bool = typer.Option(False, "--version", help="Show the version and exit.", is_eager=True),
) -> None:
    if version:
        from undercroft import __version__

        typer.echo(f"undercroft {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the requested command. Exits with 2 after an error the user can fix, with 1 after an unexpected one."""
    _open_missing_streams()
    supervised = bool(os.environ.pop(SUPERVISED_VARIABLE, ""))
    try:
        sys.exit(typer.main.get_command(app)(prog_name="undercroft", standalone_mode=False))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:
        code = _report_error(error)
        sys.exit(_supervised_exit_code(error, code) if supervised else code)


def _open_missing_streams() -> None:
    """Replace closed standard streams by the null device, and print characters that stdout cannot encode as `?`."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - it stays open
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _module_groups() -> dict[str, str]:
    """Return the packages of the modules and enabled extensions that have commands, by name. Imports none of them."""
    found = {path.parent.name: f"undercroft.modules.{path.parent.name}" for path in MODULES.glob("*/commands.py")}
    if extensions := available_extensions():
        from undercroft.cli._stack import enabled_extensions

        for name in enabled_extensions():
            if name in extensions and has_submodule(extensions[name][0], "commands"):
                found[name] = extensions[name][0]
    return found


def _is_disabled(module: str) -> bool:
    from undercroft.cli._stack import disabled_modules

    return module in disabled_modules()


def _import_commands(package: str) -> ModuleType:
    """Import the commands of a module, and let them use the database."""
    commands = import_extension(f"{package}.commands")
    from undercroft.cli._database import with_database
    from undercroft.core.commands import DatabaseRunner
    from undercroft.core.context import current_context

    current_context().add(DatabaseRunner, with_database)
    return commands


def _load_command(stem: str, module: ModuleType, *, attaches: bool = False) -> "Command":
    if getattr(module, "ATTACHES", attaches) and not {"-h", "--help"} & set(sys.argv):
        from undercroft.cli._stack import attach

        attach()
    group: Any = getattr(module, "app", None)
    if group is not None:
        command = typer.main.get_group(group)
        command.name = stem.replace("_", "-")
        return command
    single = typer.Typer(add_completion=False)
    single.command(stem.replace("_", "-"))(getattr(module, stem))
    return typer.main.get_command(single)


def _supervised_exit_code(error: Exception, code: int) -> int:
    """Return the exit code for `undercroft dev`, which restarts a program when a server was unavailable."""
    from undercroft.core.db.errors import translate_error
    from undercroft.devstack.processes import EX_TEMPFAIL

    temporary = isinstance(error, TemporarilyUnavailable) or isinstance(translate_error(error), ServiceUnavailable)
    return EX_TEMPFAIL if temporary else code


def _report_error(error: Exception) -> int:
    """Print an error and return the exit code: 2 when the user can fix it, 1 otherwise."""
    match error:
        case USAGE_ERROR():
            return _report_usage_error(error)
        case ConfigurationError():
            return _print_error(str(error), 2)
        case AppError():
            return _print_error(error.text, 1)
        case typer.Abort():
            typer.echo(err=True)
            return _print_error("Canceled. Nothing was changed.", 1)
        case OSError(filename=str(path), strerror=str(words)):
            return _print_error(f"{path}: {words}.", 1)
        case FileNotFoundError(filename=None):  # Python omits the name only for the working directory
            return _print_error("The current directory no longer exists. Change to another one.", 2)
        case OSError(errno=errno.ENOSPC, strerror=str(words)):
            return _print_error(f"Cannot write the output: {words}.", 1)
    return _report_unexpected(error)


def _report_usage_error(error: Any) -> int:
    context, code = getattr(error, "ctx", None), int(error.exit_code)
    command = context.command_path if context else "undercroft"
    message = error.format_message().replace("Value error, ", "")
    if not message:  # a group without a command has already printed its help
        return code
    return _print_error(f"{message}\nSee `{command} --help`.", code)


def _print_error(message: str, code: int) -> int:
    if "UNDERCROFT_ERROR_FILE" in os.environ:
        from undercroft.core.telemetry.error_file import record_error
        from undercroft.core.telemetry.logs import timestamp
        from undercroft.core.telemetry.redaction import clean_text

        command = " ".join(sys.argv[1:3])
        record_error({"timestamp": timestamp(), "level": "error", "event": clean_text(message), "command": command})
    label = typer.style("Error", fg="red", bold=True) if sys.stderr.isatty() else "Error"
    first, _, rest = message.strip().partition("\n")
    print(f"{label}: {first}", file=sys.stderr)
    if rest:
        print(rest, file=sys.stderr)
    return code


def _report_unexpected(error: Exception) -> int:
    if os.environ.get("UNDERCROFT_DEBUG"):
        import traceback

        traceback.print_exception(error)
        return 1
    from undercroft.core.telemetry.origin import explain_error

    return _print_error(explain_error(error), 1)
