"""What every route that may change something leaves in the audit log. A new route needs a line here.

`expect_entry("thing.made")`: a request that succeeds leaves exactly one entry, of this action (of one of several). What
more it may leave is named, too: `optional`, once at most; `repeatable`, once for each thing; `on_failure`, by a request
that is refused; and `none_when`, the reason why a success may leave none. `expect_no_entry("why")`: the route changes
nothing worth an entry.

Every test that talks to the application is held to this table (`tests/audit_recorder.py`), and at the end of a whole
run every route that leaves something must have been driven by a test.
"""

from dataclasses import dataclass

ANY_ACTION = "*"
"""Matches any action and any number of entries."""


@dataclass(frozen=True)
class ExpectedEntries:
    actions: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    repeatable: tuple[str, ...] = ()
    on_failure: tuple[str, ...] = ()
    none_reason: str = ""


def expect_entry(
    *actions: str,
    optional: tuple[str, ...] = (),
    repeatable: tuple[str, ...] = (),
    on_failure: tuple[str, ...] = (),
    none_when: str = "",
) -> ExpectedEntries:
    """Exactly one entry of one of these actions."""
    return ExpectedEntries(actions, optional, repeatable, on_failure, none_when)


def expect_no_entry(why: str, *, on_failure: tuple[str, ...] = ()) -> ExpectedEntries:
    """No entry."""
    return ExpectedEntries(on_failure=on_failure, none_reason=why)


PASSWORD_FAILURES = ("sign_in.failed", "sign_in.slowed")
"""The entry of a wrong password, on any route."""

SECOND_FACTOR_FAILURES = ("mfa.failed", "passkey.cloned", *PASSWORD_FAILURES)
"""The entry of a wrong second factor."""

PROVISIONING_ACTIONS = frozenset({"user.registered", "identity.linked"})
"""With external accounts, the first request of a user creates the local account, whatever the route."""

NO_CHANGE = "nothing differs from what was there"
NOT_FOUND = "the object does not exist, which is not reported"

EXPECTED_ENTRIES: dict[str, ExpectedEntries] = {
    # projects
    "POST /api/v1/app/projects": expect_entry("project.created"),
    "PATCH /api/v1/app/projects/{project_id}": expect_entry("project.changed", none_when=NO_CHANGE),
    "DELETE /api/v1/app/projects/{project_id}": expect_entry("project.deleted"),
    "POST /api/v1/app/projects/{project_id}/restore": expect_entry("project.restored"),
    # teams
    "POST /api/v1/app/teams": expect_entry("team.created"),
    "PATCH /api/v1/app/teams/{team_id}": expect_entry(
        "team.changed", optional=("team.domains_revoked",), none_when=NO_CHANGE
    ),
    "DELETE /api/v1/app/teams/{team_id}": expect_entry("team.deleted"),
    "POST /api/v1/app/teams/{deleted_team_id}/restore": expect_entry("team.restored"),
    "POST /api/v1/app/teams/{team_id}/transfer": expect_entry(
        "team.transferred", optional=("team.domains_revoked",), none_when="one is the owner already"
    ),
    "PATCH /api/v1/app/teams/{team_id}/members/{user_id}": expect_entry(
        "member.role_changed", optional=("team.domains_revoked",), none_when=NO_CHANGE
    ),
    "DELETE /api/v1/app/teams/{team_id}/members/{user_id}": expect_entry(
        "member.removed", "member.left", optional=("team.domains_revoked",)
    ),
    "POST /api/v1/app/teams/{team_id}/roles": expect_entry("role.created"),
    "PATCH /api/v1/app/teams/{team_id}/roles/{role_id}": expect_entry("role.changed", none_when=NO_CHANGE),
    "DELETE /api/v1/app/teams/{team_id}/roles/{role_id}": expect_entry("role.deleted"),
    "POST /api/v1/app/teams/{team_id}/invitations": expect_entry("invitation.created"),
    "POST /api/v1/app/teams/{team_id}/invitations/{invitation_id}/resend": expect_entry("invitation.resent"),
    "DELETE /api/v1/app/teams/{team_id}/invitations/{invitation_id}": expect_entry("invitation.revoked"),
    "POST /api/v1/app/invitations/accept": expect_entry(
        "invitation.accepted", none_when="one belongs to the team already"
    ),
    "POST /api/v1/app/join-offers/accept": expect_entry(
        "member.joined", on_failure=("team.domains_revoked",), none_when="one belongs to the team already"
    ),
    "POST /api/v1/public/invitations/lookup": expect_no_entry("it reads; the token is too secret for an address"),
    # users
    "PATCH /api/v1/app/users/me": expect_entry("user.profile_changed", none_when=NO_CHANGE),
    "DELETE /api/v1/app/users/me": expect_entry(
        "user.deleted", repeatable=("team.deleted", "member.left", "team.domains_revoked"), on_failure=PASSWORD_FAILURES
    ),
    # API keys
    "POST /api/v1/app/api-keys": expect_entry("api_key.created"),
    "PATCH /api/v1/app/api-keys/{key_id}": expect_entry("api_key.changed", none_when=NO_CHANGE),
    "POST /api/v1/app/api-keys/{key_id}/rotate": expect_entry("api_key.rotated"),
    "DELETE /api/v1/app/api-keys/{key_id}": expect_entry("api_key.revoked"),
    # signing in and out
    "POST /api/v1/auth/register": expect_entry("registration.requested"),
    "POST /api/v1/auth/verify-email": expect_entry("user.registered", optional=("session.started",)),
    "POST /api/v1/auth/verify-email/resend": expect_entry("registration.link_requested"),
    "POST /api/v1/auth/login": expect_entry("session.started", on_failure=(*PASSWORD_FAILURES, "mfa.asked")),
    "POST /api/v1/auth/token": expect_entry("session.started", on_failure=(*PASSWORD_FAILURES, "mfa.asked")),
    "POST /api/v1/auth/refresh": expect_no_entry("the session goes on as it is", on_failure=("refresh_token.reused",)),
    "POST /api/v1/auth/logout": expect_entry("session.ended", none_when=NOT_FOUND),
    "POST /api/v1/auth/magic-link": expect_entry("sign_in.link_requested"),
    "POST /api/v1/auth/magic-link/verify": expect_entry("session.started", on_failure=("mfa.asked",)),
    "DELETE /api/v1/auth/sessions": expect_entry("session.others_ended", none_when="there are no others"),
    "DELETE /api/v1/auth/sessions/{session_id}": expect_entry("session.ended"),
    "POST /api/v1/auth/password/forgot": expect_entry("password.reset_requested"),
    "POST /api/v1/auth/password/reset": expect_entry("user.password_reset"),
    "POST /api/v1/auth/password/change": expect_entry("user.password_changed", on_failure=PASSWORD_FAILURES),
    "POST /api/v1/auth/email/change": expect_entry("user.email_requested", on_failure=PASSWORD_FAILURES),
    "POST /api/v1/auth/email/confirm": expect_entry("user.email_changed", repeatable=("team.domains_revoked",)),
    # a second factor
    "POST /api/v1/auth/mfa/totp": expect_no_entry("it counts from its confirmation on"),
    "POST /api/v1/auth/mfa/totp/confirm": expect_entry("totp.enabled", on_failure=SECOND_FACTOR_FAILURES),
    "DELETE /api/v1/auth/mfa/totp": expect_entry("totp.disabled", on_failure=SECOND_FACTOR_FAILURES),
    "POST /api/v1/auth/mfa/recovery-codes": expect_entry(
        "mfa.recovery_codes_renewed", on_failure=SECOND_FACTOR_FAILURES
    ),
    "POST /api/v1/auth/mfa/verify": expect_entry(
        "session.started", optional=("mfa.recovery_code_used",), on_failure=SECOND_FACTOR_FAILURES
    ),
    "POST /api/v1/auth/mfa/verify/options": expect_no_entry("it asks for a passkey"),
    "POST /api/v1/auth/passkeys": expect_entry("passkey.added"),
    "POST /api/v1/auth/passkeys/options": expect_no_entry("it asks for a passkey"),
    "PATCH /api/v1/auth/passkeys/{passkey_id}": expect_entry("passkey.renamed", none_when=NO_CHANGE),
    "DELETE /api/v1/auth/passkeys/{passkey_id}": expect_entry("passkey.removed"),
    "POST /api/v1/auth/passkeys/sign-in": expect_entry("session.started", on_failure=SECOND_FACTOR_FAILURES),
    "POST /api/v1/auth/passkeys/sign-in/options": expect_no_entry("it asks for a passkey"),
    "POST /api/v1/auth/step-up": expect_entry(
        "session.proven", optional=("mfa.recovery_code_used",), on_failure=SECOND_FACTOR_FAILURES
    ),
    "POST /api/v1/auth/step-up/options": expect_no_entry("it asks for a passkey"),
    # identities
    "POST /api/v1/auth/identities": expect_no_entry("it starts a flow on the pages of a provider"),
    "DELETE /api/v1/auth/identities/{identity_id}": expect_entry("identity.unlinked"),
    "POST /api/v1/auth/social/{provider}/callback": expect_no_entry(
        "it sends the browser on to the GET, which signs in"
    ),
    "POST /api/v1/auth/social/exchange": expect_entry("session.started", on_failure=("mfa.asked",)),
    "POST /api/v1/public/identity/webhooks/{provider}": expect_entry(ANY_ACTION, none_when="it is known already"),
    # administration
    "POST /api/v1/admin/jobs/{job_id}/retry": expect_entry("job.retried"),
    "DELETE /api/v1/admin/jobs/{job_id}": expect_entry("job.cancelled"),
    "PATCH /api/v1/admin/users/{user_id}": expect_entry("user.changed", "user.role_changed", none_when=NO_CHANGE),
    "POST /api/v1/admin/users/{user_id}/activate": expect_entry("user.activated", none_when=NO_CHANGE),
    "POST /api/v1/admin/users/{user_id}/deactivate": expect_entry(
        "user.deactivated", repeatable=("team.domains_revoked",), none_when=NO_CHANGE
    ),
    "POST /api/v1/admin/users/{user_id}/reset-password": expect_entry("user.reset_required"),
    "POST /api/v1/admin/users/{user_id}/mfa/reset": expect_entry("mfa.reset", none_when="there is no second factor"),
    "POST /api/v1/admin/users/{user_id}/sign-out": expect_entry("user.signed_out", none_when="there is no session"),
    "DELETE /api/v1/admin/users/{user_id}/sessions/{session_id}": expect_entry("session.ended"),
    "DELETE /api/v1/admin/teams/{team_id}": expect_entry("team.deleted", none_when=NO_CHANGE),
    "POST /api/v1/admin/teams/{team_id}/restore": expect_entry("team.restored", none_when=NO_CHANGE),
    "POST /api/v1/admin/users/{user_id}/impersonate": expect_entry("impersonation.started"),
    "POST /api/v1/auth/impersonation/end": expect_entry("impersonation.ended", none_when="it has ended already"),
    "POST /admin/login": expect_entry(
        "session.started", "mfa.asked", optional=("sign_in.slowed",), on_failure=PASSWORD_FAILURES
    ),
    "POST /admin/login/code": expect_entry(
        "session.started", optional=("mfa.recovery_code_used",), on_failure=SECOND_FACTOR_FAILURES
    ),
    "POST /admin/login/passkey": expect_entry(
        "session.started", none_when="the passkey is asked for", on_failure=SECOND_FACTOR_FAILURES
    ),
    "POST /admin/logout": expect_entry("session.ended", none_when=NOT_FOUND),
    "POST /admin/{path}": expect_entry(ANY_ACTION, none_when="the form is shown again, or nothing differs"),
    # development
    "DELETE /dev/mailbox/messages": expect_no_entry("it exists in development alone, and mails are files there"),
    # pages
    "POST /verify-email": expect_entry("user.registered"),
    "POST /verify-email/resend": expect_entry("registration.link_requested", none_when=NOT_FOUND),
    "POST /confirm-email": expect_entry("user.email_changed", repeatable=("team.domains_revoked",)),
    "POST /reset-password": expect_entry("user.password_reset", "password.reset_requested", none_when=NOT_FOUND),
    "POST /magic-link": expect_entry(
        "session.started", "mfa.asked", none_when="another browser is shown the account first"
    ),
    "POST /join": expect_entry(
        "member.joined", on_failure=("team.domains_revoked",), none_when="one belongs to the team already"
    ),
    "POST /register": expect_entry("registration.requested"),
    "POST /sign-in": expect_entry(
        "session.started", "mfa.asked", optional=("sign_in.slowed",), on_failure=PASSWORD_FAILURES
    ),
    "POST /sign-in/link": expect_entry("sign_in.link_requested", none_when=NOT_FOUND),
    "POST /sign-in/passkey": expect_entry(
        "session.started", none_when="the passkey is asked for", on_failure=SECOND_FACTOR_FAILURES
    ),
    "POST /sign-in/second-step": expect_entry(
        "session.started", optional=("mfa.recovery_code_used",), on_failure=SECOND_FACTOR_FAILURES
    ),
    "POST /sign-out": expect_entry("session.ended", none_when=NOT_FOUND),
    "POST /invitation": expect_entry("invitation.accepted", none_when="one belongs to the team already"),
    "POST /invitation/register": expect_entry(
        "user.registered",
        optional=("invitation.accepted", "session.started"),
        none_when="the address has an account, and one is asked to sign in",
    ),
    "POST /invitation/sign-out": expect_entry("session.ended", none_when=NOT_FOUND),
}
