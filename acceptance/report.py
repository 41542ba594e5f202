"""The report of an acceptance scenario: all checks with their values and results."""

from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape


@dataclass
class ScenarioReport:
    """Collects the checks of a scenario, which continues after a failure."""

    console: Console
    failures: list[str] = field(default_factory=list)
    checks: int = 0

    def check(self, passed: object, claim: str, seen: object = "") -> bool:
        """Record whether this claim is true; `seen` is the observed value."""
        self.checks += 1
        shown = f": {seen}" if seen != "" else ""
        mark = "[green]holds[/]" if passed else "[bold red]FAILS[/]"
        self.console.print(f"  {mark}  {escape(claim + shown)}")
        if not passed:
            self.failures.append(claim + shown)
        return bool(passed)

    def note(self, text: str) -> None:
        self.console.print(f"  [dim]{escape(text)}[/]")

    @property
    def passed(self) -> bool:
        return not self.failures and self.checks > 0
