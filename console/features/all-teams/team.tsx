"use client";

import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import type { MemberRead } from "undercroft-client";
import Link from "next/link";
import { BackLink } from "@/components/back-link";
import { ErrorPanel } from "@/components/error-text";
import { Fact, Facts } from "@/components/facts";
import { List } from "@/components/list";
import { DateTime } from "@/components/time";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Badge, Card, Empty, PageHeader, Skeleton } from "@/components/ui/layout";
import { AUDIT } from "@/features/audit-log/queries";
import { RecentEntries } from "@/features/audit-log/recent";
import { useTeamHref } from "@/features/teams/current";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { useParams } from "@/lib/url";
import { TeamBadges } from "./list";
import { ALL_TEAMS, anyTeamMembersQuery, anyTeamQuery, type AnyTeam } from "./queries";

export function AnyTeamPage() {
  const t = useTranslations("allTeams");
  const href = useTeamHref();
  const [params] = useParams();
  const team = useQuery(anyTeamQuery(params.get("id") ?? ""));
  return (
    <>
      <BackLink href={href("/admin/teams/")}>{t("title")}</BackLink>
      {team.data !== undefined ? (
        <Details key={team.data.id} team={team.data} />
      ) : team.error ? (
        <ErrorPanel error={team.error} onRetry={() => void team.refetch()} />
      ) : (
        <Skeleton className="h-64" />
      )}
    </>
  );
}

function Details({ team }: { team: AnyTeam }) {
  const t = useTranslations("allTeams");
  const common = useTranslations("common");
  const href = useTeamHref();
  const isPersonal = team.personal_user_id !== null;
  const action = team.deleted_at !== null ? <Restore team={team} /> : !isPersonal && <Delete team={team} />;
  return (
    <>
      <PageHeader title={team.name} actions={action || undefined} />
      <Card className="mb-6 grid gap-5 p-5 sm:p-6">
        {(isPersonal || team.deleted_at !== null) && (
          <div className="flex flex-wrap gap-1.5">
            <TeamBadges team={team} />
          </div>
        )}
        <Facts>
          <Fact label={t("slug")}>{team.slug}</Fact>
          <Fact label={t("members")}>{team.members}</Fact>
          <Fact label={common("createdAt")}>
            <DateTime value={team.created_at} />
          </Fact>
          {team.deleted_at !== null && (
            <Fact label={t("deletedAt")}>
              <DateTime value={team.deleted_at} />
            </Fact>
          )}
          {team.personal_user_id !== null && (
            <Fact label={t("owner")}>
              <Link
                href={href("/admin/users/user/", { id: team.personal_user_id })}
                prefetch={false}
                className="text-accent underline"
              >
                {t("showOwner")}
              </Link>
            </Fact>
          )}
          <Fact label="ID">
            <code className="text-xs break-all select-all">{team.id}</code>
          </Fact>
        </Facts>
        {isPersonal && <p className="text-sm text-quiet">{t("personalText")}</p>}
      </Card>
      <Members team={team} />
      <RecentEntries teamId={team.id} />
    </>
  );
}

function Members({ team }: { team: AnyTeam }) {
  const t = useTranslations("allTeams");
  const members = useInfiniteQuery(anyTeamMembersQuery(team.id));
  return (
    <section className="mb-6">
      <h2 className="mb-3 font-semibold">{t("members")}</h2>
      <List
        query={members}
        label={t("members")}
        keyOf={(member) => member.user_id}
        render={(member) => <MemberRow member={member} />}
        empty={<Empty title={t("noMembersTitle")} text={t("noMembersText")} />}
      />
    </section>
  );
}

function MemberRow({ member }: { member: MemberRead }) {
  const href = useTeamHref();
  return (
    <Link
      href={href("/admin/users/user/", { id: member.user_id })}
      prefetch={false}
      className="flex flex-wrap items-center gap-x-4 gap-y-1 px-5 py-3 -outline-offset-2 hover:bg-ground"
    >
      <span className="min-w-0 flex-1 basis-52">
        <span className="block truncate font-medium">{member.full_name || member.email}</span>
        {member.full_name !== "" && <span className="block truncate text-sm text-quiet">{member.email}</span>}
      </span>
      <Badge>{member.role}</Badge>
    </Link>
  );
}

function Delete({ team }: { team: AnyTeam }) {
  const t = useTranslations("allTeams");
  const common = useTranslations("common");
  const remove = useAction({
    run: () => api.allTeams.delete({ team_id: team.id }),
    success: t("wasDeleted"),
    invalidates: [ALL_TEAMS, AUDIT],
  });
  return (
    <Confirm
      title={t("deleteQuestion", { name: team.name })}
      text={t("deleteText")}
      action={common("delete")}
      onConfirm={remove.mutateAsync}
    >
      <Button variant="danger">{common("delete")}</Button>
    </Confirm>
  );
}

function Restore({ team }: { team: AnyTeam }) {
  const t = useTranslations("allTeams");
  const restore = useAction({
    run: (_: void, key) => api.allTeams.restore({ team_id: team.id, "Idempotency-Key": key }),
    success: t("restored"),
    invalidates: [ALL_TEAMS, AUDIT],
  });
  return (
    <Button variant="secondary" pending={restore.isPending} onClick={() => restore.mutate()}>
      {t("restore")}
    </Button>
  );
}
