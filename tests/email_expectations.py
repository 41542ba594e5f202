"""Which actions of the audit log send an email to whose account or team it is. A new action needs a line here.

`EMAILED_ACTIONS`: always, by one of these templates, wherever it is done. Every test that talks to the application is
held to it (`tests/audit_recorder.py`). `CONDITIONAL_ACTIONS`: in the case that is named. `SILENT_ACTIONS`: why none is
sent.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import undercroft
from tests.audit_expectations import ANY_ACTION, EXPECTED_ENTRIES

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
    "user.reset_required": frozenset({DIRECT_MAIL}),
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
    "password.reset_requested": "the link; at most some an hour",
    "sign_in.link_requested": "the link; at most some an hour",
    "user.email_requested": "the link, to the new address",
    "team.changed": "to owners, when a domain may join, in another role, or no second factor is needed",
    "team.domains_revoked": "to owners, unless one of them gave the domains up",
}

_ACCESS_REMOVED = "it takes access away, or ends what was begun"
_NO_ACCESS_CHANGE = "it grants no access"
_STAFF_ONLY = "it is about the platform, or staff who look after it"
SILENT_ACTIONS: dict[str, str] = {
    "api_key.revoked": _ACCESS_REMOVED,
    "identity.blocked": _ACCESS_REMOVED,
    "identity.ended": _ACCESS_REMOVED,
    "impersonation.ended": _ACCESS_REMOVED,
    "invitation.revoked": _ACCESS_REMOVED,
    "member.left": _ACCESS_REMOVED,
    "member.removed": _ACCESS_REMOVED,
    "role.deleted": _ACCESS_REMOVED,
    "session.ended": _ACCESS_REMOVED,
    "session.others_ended": _ACCESS_REMOVED,
    "team.deleted": _ACCESS_REMOVED,
    "user.deactivated": _ACCESS_REMOVED,
    "user.signed_out": _ACCESS_REMOVED,
    "identity.unblocked": "the issuer gives back what it took",
    "user.activated": "an administrator gives back what was taken",
    "team.restored": "its owner gives back what was there",
    "session.proven": "the session is the same as before",
    "mfa.asked": "the sign-in goes on, or fails and is counted",
    "sign_in.failed": "strangers could fill a mailbox",
    "sign_in.slowed": "strangers could fill a mailbox",
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
    "job.cancelled": _STAFF_ONLY,
    "job.retried": _STAFF_ONLY,
    "signing_keys.made": _STAFF_ONLY,
    "signing_keys.rotated": _STAFF_ONLY,
}


def list_actions() -> set[str]:
    """Every action that a route may leave or an entry names, and every text that is written like one of these nouns."""
    named = {
        action
        for each in EXPECTED_ENTRIES.values()
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
