"""Which actions of the audit log send an email to whose account or team it is. A new action needs a line here.

`EMAILED`: always, by one of these templates, wherever it is done. Every test that talks to the application is held to
it (`tests/trail.py`). `SOMETIMES`: in the case that is named. `SILENT`: why none is sent.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import undercroft
from tests.audited import ANY, LEAVES

MAIL = "auth.send_mail"
"""Stands for an email to an address, whose purpose is gone from the database once it was sent."""

EMAILED: dict[str, frozenset[str]] = {
    "totp.enabled": frozenset({"mfa_enabled"}),
    "totp.disabled": frozenset({"mfa_disabled", "factor_removed"}),
    "passkey.added": frozenset({"passkey_added"}),
    "passkey.removed": frozenset({"mfa_disabled", "factor_removed"}),
    "passkey.cloned": frozenset({"passkey_cloned"}),
    "mfa.recovery_codes_renewed": frozenset({"recovery_codes_renewed"}),
    "mfa.recovery_code_used": frozenset({"recovery_code_used"}),
    "mfa.reset": frozenset({"mfa_reset"}),
    "identity.unlinked": frozenset({"identity_unlinked"}),
    "user.password_changed": frozenset({MAIL}),
    "user.password_reset": frozenset({MAIL}),
    "user.reset_required": frozenset({MAIL}),
    "user.email_changed": frozenset({"email_added"}),
    "user.role_changed": frozenset({"role_changed"}),
    "api_key.created": frozenset({"api_key_changed"}),
    "api_key.rotated": frozenset({"api_key_changed"}),
    "refresh_token.reused": frozenset({"session_copied"}),
    "team.transferred": frozenset({"team_access_changed"}),
    "member.joined": frozenset({"member_joined"}),
}

SOMETIMES: dict[str, str] = {
    "identity.linked": "unless it makes the account",
    "session.started": "from a device and a network that are not known",
    "mfa.failed": "when a sign-in with the right password runs out of tries",
    "user.registered": "a welcome, where the accounts are ours",
    "user.deleted": "where the accounts are ours",
    "api_key.changed": "when it may do more, or lasts longer",
    "invitation.created": "to whom it invites, within the sender's limits",
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

_TAKEN = "it takes access away, or ends what was begun"
_DAILY = "it gives nobody access"
_STAFF = "it is about the platform, or staff who look after it"
SILENT: dict[str, str] = {
    "api_key.revoked": _TAKEN,
    "identity.blocked": _TAKEN,
    "identity.ended": _TAKEN,
    "impersonation.ended": _TAKEN,
    "invitation.revoked": _TAKEN,
    "member.left": _TAKEN,
    "member.removed": _TAKEN,
    "role.deleted": _TAKEN,
    "session.ended": _TAKEN,
    "session.others_ended": _TAKEN,
    "team.deleted": _TAKEN,
    "user.deactivated": _TAKEN,
    "user.signed_out": _TAKEN,
    "identity.unblocked": "the issuer gives back what it took",
    "user.activated": "an administrator gives back what was taken",
    "team.restored": "its owner gives back what was there",
    "session.proven": "the session is the same as before",
    "mfa.asked": "the sign-in goes on, or fails and is counted",
    "sign_in.failed": "strangers could fill a mailbox",
    "sign_in.slowed": "strangers could fill a mailbox",
    "passkey.renamed": _DAILY,
    "project.changed": _DAILY,
    "project.created": _DAILY,
    "project.deleted": _DAILY,
    "project.restored": _DAILY,
    "team.created": _DAILY,
    "user.changed": _DAILY,
    "user.profile_changed": _DAILY,
    "team.purged": _STAFF,
    "impersonation.started": "it only reads, for a quarter of an hour, and the audit log of the teams shows it",
    "audit.exported": _STAFF,
    "audit.partitions_added": _STAFF,
    "audit.pruned": _STAFF,
    "job.cancelled": _STAFF,
    "job.retried": _STAFF,
    "signing_keys.made": _STAFF,
    "signing_keys.rotated": _STAFF,
}


def actions() -> set[str]:
    """Every action that a route may leave or an entry names, and every text that is written like one of these nouns."""
    named = {
        action
        for each in LEAVES.values()
        for action in (*each.actions, *each.also, *each.many, *each.refused)
        if action != ANY
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
