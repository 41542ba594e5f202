"""What a line of acceptance found: every check with its figure, and whether all held."""

from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape


@dataclass
class ScenarioReport:
    """Collects the checks of one line; nothing stops at the first failure."""

    console: Console
    failures: list[str] = field(default_factory=list)
    checks: int = 0

    def check(self, passed: object, claim: str, seen: object = "") -> bool:
        """Note whether this claim holds; `seen` is the figure or the answer that shows it."""
        self.checks += 1
        shown = f": {seen}" if seen != "" else ""
        mark = "[green]holds[/]" if passed else "[bold red]FAILS[/]"
        self.console.print(f"  {mark}  {escape(claim + shown)}")
        if not passed:
            self.failures.append(claim + shown)
        return bool(passed)

    def note(self, said: str) -> None:
        self.console.print(f"  [dim]{escape(said)}[/]")

    @property
    def passed(self) -> bool:
        return not self.failures and self.checks > 0
