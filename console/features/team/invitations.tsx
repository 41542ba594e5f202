"use client";

import { useInfiniteQuery } from "@tanstack/react-query";
import { UserPlus } from "lucide-react";
import { useCallback, useState } from "react";
import { List, SearchField, Toolbar } from "@/components/list";
import { RelativeTime } from "@/components/time";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Badge, Empty } from "@/components/ui/layout";
import { useCan, useTeam } from "@/features/teams/current";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { useParams } from "@/lib/url";
import { Invite } from "./invite";
import { TeamPage } from "./page";
import { invitationsKey, invitationsQuery, type Invitation } from "./queries";
import { useRoleLabel, useRoles } from "./use-roles";

export function InvitationList() {
  const t = useTranslations("team.invitations");
  const can = useCan();
  const [params] = useParams();
  const [isInviting, setInviting] = useState(params.get("new") === "1");
  const invite = can("invitations:write") && (
    <Button onClick={() => setInviting(true)}>
      <UserPlus className="size-4" aria-hidden />
      {t("invite")}
    </Button>
  );
  return (
    <TeamPage text={t("text")} actions={invite}>
      <Invitations empty={<Empty title={t("emptyTitle")} text={t("emptyText")} action={invite || undefined} />} />
      <Invite open={isInviting} onOpenChange={setInviting} />
    </TeamPage>
  );
}

function Invitations({ empty }: { empty: React.ReactNode }) {
  const t = useTranslations("team.invitations");
  const team = useTeam();
  const [params, change] = useParams();
  const q = params.get("q") || undefined;
  const invitations = useInfiniteQuery(invitationsQuery(team.id, q));
  const search = useCallback((text: string) => change({ q: text }), [change]);
  return (
    <>
      <Toolbar>
        <SearchField label={t("search")} value={q ?? ""} onSearch={search} />
      </Toolbar>
      <List
        query={invitations}
        label={t("title")}
        keyOf={(invitation) => invitation.id}
        render={(invitation) => <InvitationRow invitation={invitation} />}
        empty={q === undefined ? empty : <Empty title={t("noMatchTitle")} text={t("noMatchText")} />}
      />
    </>
  );
}

function InvitationRow({ invitation }: { invitation: Invitation }) {
  const t = useTranslations("team.invitations");
  const label = useRoleLabel();
  return (
    <div className="flex flex-wrap items-center gap-x-4 gap-y-2 px-5 py-3">
      <div className="min-w-0 flex-1 basis-60">
        <p className="truncate font-medium">{invitation.email}</p>
        <p className="text-sm text-quiet">
          {invitation.inviter && t("invitedBy", { name: invitation.inviter })}{" "}
          {t.rich(invitation.expired ? "expired" : "expires", {
            time: () => <RelativeTime value={invitation.expires_at} />,
          })}
        </p>
      </div>
      <Badge>{label(invitation.role)}</Badge>
      <Badge tone={invitation.expired ? "bad" : "good"}>
        {t(invitation.expired ? "stateExpired" : "statePending")}
      </Badge>
      <Actions invitation={invitation} />
    </div>
  );
}

/** Sending again and revoking take all permissions of the invitation's role. */
function Actions({ invitation }: { invitation: Invitation }) {
  const t = useTranslations("team.invitations");
  const team = useTeam();
  const can = useCan();
  const role = useRoles().find(({ name }) => name === invitation.role);
  const reference = { team_id: team.id, invitation_id: invitation.id };
  const invalidates = [invitationsKey(team.id)];
  const resend = useAction({
    run: (_: void, key) => api.teams.resendInvitation({ ...reference, "Idempotency-Key": key }),
    success: t("resent", { email: invitation.email }),
    invalidates,
  });
  const revoke = useAction({
    run: () => api.teams.revokeInvitation(reference),
    success: t("revoked", { email: invitation.email }),
    invalidates,
  });
  if (!can("invitations:write") || role?.isAssignable === false) return null;
  return (
    <div className="flex gap-2">
      {role !== undefined && (
        <Button variant="secondary" size="small" pending={resend.isPending} onClick={() => resend.mutate()}>
          {t("resend")}
        </Button>
      )}
      <Confirm
        title={t("revokeTitle", { email: invitation.email })}
        text={t("revokeText")}
        action={t("revoke")}
        onConfirm={() => revoke.mutateAsync()}
      >
        <Button variant="danger" size="small">
          {t("revoke")}
        </Button>
      </Confirm>
    </div>
  );
}
