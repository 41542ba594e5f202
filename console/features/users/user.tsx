"use client";

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { BackLink } from "@/components/back-link";
import { ErrorPanel } from "@/components/error-text";
import { Fact, Facts } from "@/components/facts";
import { DateTime } from "@/components/time";
import { Button } from "@/components/ui/button";
import { Card, PageHeader, Skeleton } from "@/components/ui/layout";
import { RecentEntries } from "@/features/audit-log/recent";
import { Impersonate } from "@/features/impersonation/start";
import { useTeamHref } from "@/features/teams/current";
import { useTranslations } from "@/lib/i18n";
import { useParams } from "@/lib/url";
import { AccessActions } from "./access";
import { UserBadges } from "./badges";
import { EditUser } from "./edit";
import { userQuery, type User } from "./queries";
import { useRank } from "./rank";
import { UserSessions } from "./sessions";
import { UserTeams } from "./teams";

export function UserPage() {
  const t = useTranslations("users");
  const href = useTeamHref();
  const [params] = useParams();
  const user = useQuery(userQuery(params.get("id") ?? ""));
  return (
    <>
      <BackLink href={href("/admin/users/")}>{t("title")}</BackLink>
      {user.data !== undefined ? (
        <Details key={user.data.id} user={user.data} />
      ) : user.error ? (
        <ErrorPanel error={user.error} onRetry={() => void user.refetch()} />
      ) : (
        <Skeleton className="h-64" />
      )}
    </>
  );
}

function Details({ user }: { user: User }) {
  const rank = useRank(user);
  const common = useTranslations("common");
  const [isEditing, setEditing] = useState(false);
  const actions = (
    <>
      {rank.canChange && (
        <Button variant="secondary" onClick={() => setEditing(true)}>
          {common("edit")}
        </Button>
      )}
      {rank.canImpersonate && <Impersonate user={user} />}
    </>
  );
  return (
    <>
      <PageHeader
        title={user.full_name || user.email}
        text={user.full_name === "" ? undefined : user.email}
        actions={actions}
      />
      <Profile user={user} />
      <AccessActions user={user} rank={rank} />
      <UserSessions user={user} canRevoke={rank.canChange} />
      <UserTeams user={user} />
      <RecentEntries target={`user:${user.id}`} actor={user.id} />
      <EditUser user={user} open={isEditing} onOpenChange={setEditing} />
    </>
  );
}

function Profile({ user }: { user: User }) {
  const t = useTranslations("users");
  const common = useTranslations("common");
  return (
    <Card className="mb-6 grid gap-5 p-5 sm:p-6">
      <UserBadges user={user} />
      <Facts>
        <Fact label={t("email")}>{user.email}</Fact>
        <Fact label={t("role")}>{t(`roles.${user.role}`)}</Fact>
        <Fact label={common("createdAt")}>
          <DateTime value={user.created_at} />
        </Fact>
        <Fact label={t("locale")}>{user.locale}</Fact>
        <Fact label={t("timezone")}>{user.timezone}</Fact>
        <Fact label={t("secondFactors")}>
          {user.second_factors.length > 0 ? <SecondFactors kinds={user.second_factors} /> : t("noFactors")}
        </Fact>
        <Fact label="ID">
          <code className="text-xs break-all select-all">{user.id}</code>
        </Fact>
      </Facts>
    </Card>
  );
}

function SecondFactors({ kinds }: { kinds: readonly string[] }) {
  const t = useTranslations("users.factors");
  return kinds.map((kind) => (t.has(kind as never) ? t(kind as never) : kind)).join(", ");
}
