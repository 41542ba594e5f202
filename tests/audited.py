"""What every route that may change something leaves in the audit log. A new route needs a line here.

`leaves("thing.made")`: a request that succeeds leaves exactly one entry, of this action (of one of several). What more it
may leave is named, too: `also`, once at most; `many`, once for each thing; `refused`, by a request that is refused; and
`unless`, the reason why a success may leave none. `nothing("why")` is for a route that changes nothing worth an entry.

Every test that talks to the application is held to this table (`tests/trail.py`), and at the end of a whole run every
route that leaves something must have been driven by a test.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Leaves:
    actions: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    many: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    none: str = ""


def leaves(
    *actions: str,
    also: tuple[str, ...] = (),
    many: tuple[str, ...] = (),
    refused: tuple[str, ...] = (),
    unless: str = "",
) -> Leaves:
    """Exactly one entry of one of these actions."""
    return Leaves(actions, also, many, refused, unless)


def nothing(why: str, *, refused: tuple[str, ...] = ()) -> Leaves:
    """No entry."""
    return Leaves(refused=refused, none=why)


LEAVES: dict[str, Leaves] = {}
