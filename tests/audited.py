"""What every route that may change something leaves in the audit log. A new route needs a line here.

`leaves("thing.made")`: a request that succeeds leaves exactly one entry, of this action (of one of several). What more
it may leave is named, too: `also`, once at most; `many`, once for each thing; `refused`, by a request that is refused;
and `unless`, the reason why a success may leave none. `nothing("why")`: the route changes nothing worth an entry.

Every test that talks to the application is held to this table (`tests/trail.py`), and at the end of a whole run every
route that leaves something must have been driven by a test.
"""

from dataclasses import dataclass

ANY = "*"
"""Stands for any action, and for as many entries as there were things to change."""


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


GUESS = ("sign_in.failed", "sign_in.slowed")
"""What a wrong password leaves, whatever it was asked for."""

SECOND = ("mfa.failed", "passkey.cloned", *GUESS)
"""What a wrong second factor leaves."""

ARRIVED = frozenset({"user.registered", "identity.linked"})
"""Where accounts are kept elsewhere, the first request of somebody makes theirs here, whatever it asks for."""

SAME = "nothing differs from what was there"
UNKNOWN = "there is nothing that this names, which is not told"

LEAVES: dict[str, Leaves] = {
    # projects
    "POST /api/v1/app/projects": leaves("project.created"),
    "PATCH /api/v1/app/projects/{project_id}": leaves("project.changed", unless=SAME),
    "DELETE /api/v1/app/projects/{project_id}": leaves("project.deleted"),
    "POST /api/v1/app/projects/{project_id}/restore": leaves("project.restored"),
    # teams
    "POST /api/v1/app/teams": leaves("team.created"),
    "PATCH /api/v1/app/teams/{team_id}": leaves("team.changed", also=("team.domains_revoked",), unless=SAME),
    "DELETE /api/v1/app/teams/{team_id}": leaves("team.deleted"),
    "POST /api/v1/app/teams/{deleted_team_id}/restore": leaves("team.restored"),
    "POST /api/v1/app/teams/{team_id}/transfer": leaves(
        "team.transferred", also=("team.domains_revoked",), unless="one is the owner already"
    ),
    "PATCH /api/v1/app/teams/{team_id}/members/{user_id}": leaves(
        "member.role_changed", also=("team.domains_revoked",), unless=SAME
    ),
    "DELETE /api/v1/app/teams/{team_id}/members/{user_id}": leaves(
        "member.removed", "member.left", also=("team.domains_revoked",)
    ),
    "POST /api/v1/app/teams/{team_id}/roles": leaves("role.created"),
    "PATCH /api/v1/app/teams/{team_id}/roles/{role_id}": leaves("role.changed", unless=SAME),
    "DELETE /api/v1/app/teams/{team_id}/roles/{role_id}": leaves("role.deleted"),
    "POST /api/v1/app/teams/{team_id}/invitations": leaves("invitation.created"),
    "POST /api/v1/app/teams/{team_id}/invitations/{invitation_id}/resend": leaves("invitation.resent"),
    "DELETE /api/v1/app/teams/{team_id}/invitations/{invitation_id}": leaves("invitation.revoked"),
    "POST /api/v1/app/invitations/accept": leaves("invitation.accepted", unless="one belongs to the team already"),
    "POST /api/v1/app/join-offers/accept": leaves(
        "member.joined", refused=("team.domains_revoked",), unless="one belongs to the team already"
    ),
    "POST /api/v1/public/invitations/lookup": nothing("it reads; the token is too secret for an address"),
    # people
    "PATCH /api/v1/app/users/me": leaves("user.profile_changed", unless=SAME),
    "DELETE /api/v1/app/users/me": leaves(
        "user.deleted", many=("team.deleted", "member.left", "team.domains_revoked"), refused=GUESS
    ),
    # API keys
    "POST /api/v1/app/api-keys": leaves("api_key.created"),
    "PATCH /api/v1/app/api-keys/{key_id}": leaves("api_key.changed", unless=SAME),
    "POST /api/v1/app/api-keys/{key_id}/rotate": leaves("api_key.rotated"),
    "DELETE /api/v1/app/api-keys/{key_id}": leaves("api_key.revoked"),
    # signing in and out
    "POST /api/v1/auth/register": leaves("registration.requested"),
    "POST /api/v1/auth/verify-email": leaves("user.registered", also=("session.started",)),
    "POST /api/v1/auth/verify-email/resend": leaves("registration.link_requested"),
    "POST /api/v1/auth/login": leaves("session.started", refused=(*GUESS, "mfa.asked")),
    "POST /api/v1/auth/token": leaves("session.started", refused=(*GUESS, "mfa.asked")),
    "POST /api/v1/auth/refresh": nothing("the session goes on as it is", refused=("refresh_token.reused",)),
    "POST /api/v1/auth/logout": leaves("session.ended", unless=UNKNOWN),
    "POST /api/v1/auth/magic-link": leaves("sign_in.link_requested"),
    "POST /api/v1/auth/magic-link/verify": leaves("session.started", refused=("mfa.asked",)),
    "DELETE /api/v1/auth/sessions": leaves("session.others_ended", unless="there are no others"),
    "DELETE /api/v1/auth/sessions/{session_id}": leaves("session.ended"),
    "POST /api/v1/auth/password/forgot": leaves("password.reset_requested"),
    "POST /api/v1/auth/password/reset": leaves("user.password_reset"),
    "POST /api/v1/auth/password/change": leaves("user.password_changed", refused=GUESS),
    "POST /api/v1/auth/email/change": leaves("user.email_requested", refused=GUESS),
    "POST /api/v1/auth/email/confirm": leaves("user.email_changed", many=("team.domains_revoked",)),
    # a second factor
    "POST /api/v1/auth/mfa/totp": nothing("it counts from its confirmation on"),
    "POST /api/v1/auth/mfa/totp/confirm": leaves("totp.enabled", refused=SECOND),
    "DELETE /api/v1/auth/mfa/totp": leaves("totp.disabled", refused=SECOND),
    "POST /api/v1/auth/mfa/recovery-codes": leaves("mfa.recovery_codes_renewed", refused=SECOND),
    "POST /api/v1/auth/mfa/verify": leaves("session.started", also=("mfa.recovery_code_used",), refused=SECOND),
    "POST /api/v1/auth/mfa/verify/options": nothing("it asks for a passkey"),
    "POST /api/v1/auth/passkeys": leaves("passkey.added"),
    "POST /api/v1/auth/passkeys/options": nothing("it asks for a passkey"),
    "PATCH /api/v1/auth/passkeys/{passkey_id}": leaves("passkey.renamed", unless=SAME),
    "DELETE /api/v1/auth/passkeys/{passkey_id}": leaves("passkey.removed"),
    "POST /api/v1/auth/passkeys/sign-in": leaves("session.started", refused=SECOND),
    "POST /api/v1/auth/passkeys/sign-in/options": nothing("it asks for a passkey"),
    "POST /api/v1/auth/step-up": leaves("session.proven", also=("mfa.recovery_code_used",), refused=SECOND),
    "POST /api/v1/auth/step-up/options": nothing("it asks for a passkey"),
    # identities
    "POST /api/v1/auth/identities": nothing("it begins a way through somebody else's pages"),
    "DELETE /api/v1/auth/identities/{identity_id}": leaves("identity.unlinked"),
    "POST /api/v1/auth/social/{provider}/callback": nothing("it sends the browser on to the GET, which signs in"),
    "POST /api/v1/auth/social/exchange": leaves("session.started", refused=("mfa.asked",)),
    "POST /api/v1/public/identity/webhooks/{provider}": leaves(ANY, unless="it is known already"),
    # administration
    "POST /api/v1/admin/jobs/{job_id}/retry": leaves("job.retried"),
    "DELETE /api/v1/admin/jobs/{job_id}": leaves("job.cancelled"),
    "PATCH /api/v1/admin/users/{user_id}": leaves("user.changed", "user.role_changed", unless=SAME),
    "POST /api/v1/admin/users/{user_id}/activate": leaves("user.activated", unless=SAME),
    "POST /api/v1/admin/users/{user_id}/deactivate": leaves(
        "user.deactivated", many=("team.domains_revoked",), unless=SAME
    ),
    "POST /api/v1/admin/users/{user_id}/reset-password": leaves("user.reset_required"),
    "POST /api/v1/admin/users/{user_id}/mfa/reset": leaves("mfa.reset", unless="there is no second factor"),
    "POST /api/v1/admin/users/{user_id}/sign-out": leaves("user.signed_out", unless="there is no session"),
    "DELETE /api/v1/admin/users/{user_id}/sessions/{session_id}": leaves("session.ended"),
    "DELETE /api/v1/admin/teams/{team_id}": leaves("team.deleted", unless=SAME),
    "POST /api/v1/admin/teams/{team_id}/restore": leaves("team.restored", unless=SAME),
    "POST /api/v1/admin/users/{user_id}/impersonate": leaves("impersonation.started"),
    "POST /api/v1/auth/impersonation/end": leaves("impersonation.ended", unless="it has ended already"),
    "POST /admin/login": leaves("session.started", "mfa.asked", also=("sign_in.slowed",), refused=GUESS),
    "POST /admin/login/code": leaves("session.started", also=("mfa.recovery_code_used",), refused=SECOND),
    "POST /admin/login/passkey": leaves("session.started", unless="the passkey is asked for", refused=SECOND),
    "POST /admin/logout": leaves("session.ended", unless=UNKNOWN),
    "POST /admin/{path}": leaves(ANY, unless="the form is shown again, or nothing differs"),
    # development
    "DELETE /dev/mailbox/messages": nothing("it exists in development alone, and mails are files there"),
    # pages
    "POST /verify-email": leaves("user.registered"),
    "POST /verify-email/resend": leaves("registration.link_requested", unless=UNKNOWN),
    "POST /confirm-email": leaves("user.email_changed", many=("team.domains_revoked",)),
    "POST /reset-password": leaves("user.password_reset", "password.reset_requested", unless=UNKNOWN),
    "POST /magic-link": leaves("session.started", "mfa.asked", unless="another browser is shown the account first"),
    "POST /join": leaves("member.joined", refused=("team.domains_revoked",), unless="one belongs to the team already"),
    "POST /register": leaves("registration.requested"),
    "POST /sign-in": leaves("session.started", "mfa.asked", also=("sign_in.slowed",), refused=GUESS),
    "POST /sign-in/link": leaves("sign_in.link_requested", unless=UNKNOWN),
    "POST /sign-in/passkey": leaves("session.started", unless="the passkey is asked for", refused=SECOND),
    "POST /sign-in/second-step": leaves("session.started", also=("mfa.recovery_code_used",), refused=SECOND),
    "POST /sign-out": leaves("session.ended", unless=UNKNOWN),
    "POST /invitation": leaves("invitation.accepted", unless="one belongs to the team already"),
    "POST /invitation/register": leaves(
        "user.registered",
        also=("invitation.accepted", "session.started"),
        unless="the address has an account, and one is asked to sign in",
    ),
    "POST /invitation/sign-out": leaves("session.ended", unless=UNKNOWN),
}
