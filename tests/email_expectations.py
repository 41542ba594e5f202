"""Which actions of the audit log send an email to whose account or team it is. A new action needs a line here.

`EMAILED_ACTIONS`: always, by one of these templates, wherever it is done. Every test that sends requests
checks this (`tests/conftest.py`). `CONDITIONAL_ACTIONS`: in the case that is named. `SILENT_ACTIONS`: why none is
sent.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from fastapi import FastAPI
from sqlalchemy import text

import undercroft
from undercroft.core.db import Database, Statement
from undercroft.core.db.errors import DatabaseUnavailable
from undercroft.core.http import Audit
from undercroft.testing.audit import ANY_ACTION, RecordedRequest, declared_audits

DIRECT_MAIL = "auth.send_mail"
"""An email to an address; its purpose is no longer in the database after it was sent."""

EMAILED_ACTIONS: dict[str, frozenset[str]] = {
    "totp.enabled": frozenset({"mfa_enabled"}),
    "totp.disabled": frozenset({"mfa_disabled", "factor_removed"}),
    "passkey.added": frozenset({"passkey_added"}),
    "passkey.removed": frozenset({"mfa_disabled", "factor_removed"}),
    "passkey.cloned": frozenset({"passkey_cloned"}),
    "mfa.recovery_codes_renewed": frozenset({"recovery_codes_renewed"}),
    "mfa.recovery_code_used": frozenset({"recovery_code_used"}),
    "mfa.reset": frozenset({"mfa_reset"}),
    "identity.unlinked": frozenset({"identity_unlinked"}),
    "user.password_changed": frozenset({DIRECT_MAIL}),
    "user.password_reset": frozenset({DIRECT_MAIL}),
    "user.password_reset_required": frozenset({DIRECT_MAIL}),
    "user.email_changed": frozenset({"email_added"}),
    "user.role_changed": frozenset({"role_changed"}),
    "api_key.created": frozenset({"api_key_changed"}),
    "api_key.rotated": frozenset({"api_key_changed"}),
    "refresh_token.reused": frozenset({"session_copied"}),
    "team.transferred": frozenset({"team_access_changed"}),
    "member.joined": frozenset({"member_joined"}),
}

CONDITIONAL_ACTIONS: dict[str, str] = {
    "identity.linked": "unless it makes the account",
    "session.started": "from a device and a network that are not known",
    "mfa.failed": "when a sign-in with the right password runs out of tries",
    "user.registered": "a welcome, where the accounts are ours",
    "user.deleted": "where the accounts are ours",
    "api_key.changed": "when it may do more, or lasts longer",
    "invitation.created": "to the invited address, within the sender's limits",
    "invitation.resent": "as above",
    "invitation.accepted": "to owners, when the role may do more than a member",
    "member.role_changed": "to owners, when the role may do more than a member",
    "role.created": "to owners, when it may do more than a member",
    "role.changed": "to owners, when it may do more than a member, and more than before",
    "registration.requested": "the link; at most some an hour",
    "registration.link_requested": "the link; at most some an hour",
    "waitlist.invited": "the link, to the address that waits",
    "password.reset_requested": "the link; at most some an hour",
    "sign_in.link_requested": "the link; at most some an hour",
    "user.email_change_requested": "the link, to the new address",
    "team.changed": "to owners, when a domain may join, in another role, or no second factor is needed",
    "team.domains_revoked": "to owners, unless one of them gave the domains up",
}

_CONFIGURATION = "It configures the installation and belongs to no account."
_ACCESS_REMOVED = "it takes access away, or ends what was begun"
_NO_ACCESS_CHANGE = "it grants no access"
_STAFF_ONLY = "it is about the platform, or staff who look after it"
SILENT_ACTIONS: dict[str, str] = {
    "api_key.revoked": _ACCESS_REMOVED,
    "flag.changed": _CONFIGURATION,
    "flag.deleted": _CONFIGURATION,
    "flag.reset": _CONFIGURATION,
    "identity.blocked": _ACCESS_REMOVED,
    "setting.changed": _CONFIGURATION,
    "setting.reset": _CONFIGURATION,
    "identity.deleted": _ACCESS_REMOVED,
    "impersonation.ended": _ACCESS_REMOVED,
    "invitation.revoked": _ACCESS_REMOVED,
    "member.left": _ACCESS_REMOVED,
    "member.removed": _ACCESS_REMOVED,
    "role.deleted": _ACCESS_REMOVED,
    "session.revoked": _ACCESS_REMOVED,
    "session.others_revoked": _ACCESS_REMOVED,
    "team.deleted": _ACCESS_REMOVED,
    "user.deactivated": _ACCESS_REMOVED,
    "user.signed_out": _ACCESS_REMOVED,
    "identity.unblocked": "the issuer gives back what it took",
    "user.activated": "an administrator gives back what was taken",
    "team.restored": "its owner gives back what was there",
    "session.reauthenticated": "the session is the same as before",
    "mfa.challenged": "the sign-in goes on, or fails and is counted",
    "sign_in.failed": "strangers could fill a mailbox",
    "sign_in.throttled": "strangers could fill a mailbox",
    "passkey.renamed": _NO_ACCESS_CHANGE,
    "project.changed": _NO_ACCESS_CHANGE,
    "project.created": _NO_ACCESS_CHANGE,
    "project.deleted": _NO_ACCESS_CHANGE,
    "project.restored": _NO_ACCESS_CHANGE,
    "team.created": _NO_ACCESS_CHANGE,
    "user.changed": _NO_ACCESS_CHANGE,
    "user.profile_changed": _NO_ACCESS_CHANGE,
    "team.purged": _STAFF_ONLY,
    "impersonation.started": "it only reads, for a quarter of an hour, and the audit log of the teams shows it",
    "audit.exported": _STAFF_ONLY,
    "audit.partitions_added": _STAFF_ONLY,
    "audit.pruned": _STAFF_ONLY,
    "links.expired": _NO_ACCESS_CHANGE,
    "waitlist.expired": _STAFF_ONLY,
    "waitlist.removed": _ACCESS_REMOVED,
    "sessions.expired": _NO_ACCESS_CHANGE,
    "backfill.canceled": _STAFF_ONLY,
    "backfill.paused": _STAFF_ONLY,
    "backfill.resumed": _STAFF_ONLY,
    "backfill.retried": _STAFF_ONLY,
    "job.canceled": _STAFF_ONLY,
    "job.retried": _STAFF_ONLY,
    "schedule.run": _STAFF_ONLY,
    "signing_keys.created": _STAFF_ONLY,
    "signing_keys.rotated": _STAFF_ONLY,
}


ERASED = "erased"
"""The unknown template of an email whose job was erased with its user."""

_EMAILS_QUERY = Statement(
    text(
        "SELECT e.request_id, e.action, array_agg(CASE WHEN j.args = '{}' THEN :erased "
        "ELSE coalesce(j.args ->> 'template', j.args ->> 'notice', j.task) END) "
        "AS templates FROM audit_entries AS e LEFT JOIN jobs AS j ON j.request_id = e.request_id "
        "AND (e.target_type <> 'user' OR j.task = :mail OR j.args ->> 'user_id' = e.target_id::text "
        "OR e.team_id IS NOT NULL OR j.args = '{}') "
        "WHERE e.request_id = ANY(CAST(:ids AS text[])) AND e.actor_kind <> 'job' "
        "AND e.action = ANY(CAST(:actions AS text[])) GROUP BY e.request_id, e.action"
    )
)


def _template_name(path: str | None) -> str:
    """Return the name of a template without its module."""
    return (path or "").rpartition("/")[2]


async def find_missing_emails(requests: list[RecordedRequest], database: Database) -> list[str]:
    """The requests that recorded an action of which the owner gets an email, but sent none of its templates."""
    counted = Counter(request.request_id for request in requests)
    routes = {request.request_id: request.route for request in requests if counted[request.request_id] == 1}
    if not routes:
        return []
    try:
        rows = await database.read.fetch(
            _EMAILS_QUERY, ids=list(routes), actions=list(EMAILED_ACTIONS), mail=DIRECT_MAIL, erased=ERASED
        )
    except (DatabaseUnavailable, OSError):
        return []
    return [
        f"{routes[row['request_id']]} recorded {row['action']} without an email to its owner ({row['templates']})"
        for row in rows
        if not {*EMAILED_ACTIONS[row["action"]], ERASED}.intersection(map(_template_name, row["templates"]))
    ]


def list_actions(app: FastAPI) -> set[str]:
    """Every action that a route may leave or an entry names, and every text that is written like one of these nouns."""
    named = {
        action
        for each in declared_audits(app).values()
        if isinstance(each, Audit)
        for action in (*each.actions, *each.optional, *each.repeatable, *each.on_failure)
        if action != ANY_ACTION
    }
    nouns = "|".join({action.partition(".")[0] for action in named})
    action = re.compile(rf"({nouns})\.(?!js|css|html)[a-z_]+")
    texts = set()
    for path in sorted((Path(undercroft.__file__).parent / "modules").rglob("*.py")):
        for node in _without_logging(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.add(node.value)
            elif isinstance(node, ast.Call) and ast.unparse(node.func) == "Entry" and node.args:
                named |= {node.args[0].value} if isinstance(node.args[0], ast.Constant) else set()
    return named | {text for text in texts if action.fullmatch(text)}


def _without_logging(node: ast.AST) -> Iterator[ast.AST]:
    """Everything below a node, apart from what writes a line of the log."""
    if not (isinstance(node, ast.Call) and ast.unparse(node.func).startswith("log.")):
        yield node
        for child in ast.iter_child_nodes(node):
            yield from _without_logging(child)
