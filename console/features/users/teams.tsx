"use client";

import { useInfiniteQuery } from "@tanstack/react-query";
import Link from "next/link";
import { ErrorPanel } from "@/components/error-text";
import { Button } from "@/components/ui/button";
import { Badge, Section, SkeletonRows } from "@/components/ui/layout";
import { allTeamsQuery } from "@/features/all-teams/queries";
import { useTeamHref } from "@/features/teams/current";
import { useTranslations } from "@/lib/i18n";
import type { User } from "./queries";

export function UserTeams({ user }: { user: User }) {
  const t = useTranslations("users");
  const common = useTranslations("common");
  const names = useTranslations("allTeams");
  const href = useTeamHref();
  const teams = useInfiniteQuery(allTeamsQuery({ member_id: user.id, sort: "name" }));
  const items = teams.data?.pages.flatMap((page) => page.items);
  return (
    <Section title={t("teams")}>
      {items === undefined ? (
        teams.error ? (
          <ErrorPanel error={teams.error} onRetry={() => void teams.refetch()} />
        ) : (
          <SkeletonRows count={2} />
        )
      ) : items.length === 0 ? (
        <p className="text-sm text-quiet">{t("noTeams")}</p>
      ) : (
        <ul aria-label={t("teams")} className="divide-y divide-line">
          {items.map((team) => (
            <li key={team.id} className="flex flex-wrap items-center gap-x-4 gap-y-1 py-2.5 text-sm">
              <Link
                href={href("/admin/teams/team/", { id: team.id })}
                prefetch={false}
                className="min-w-0 flex-1 truncate font-medium hover:underline"
              >
                {team.name}
              </Link>
              {team.personal_user_id !== null && <Badge>{names("personal")}</Badge>}
              <span className="text-quiet">{names("memberCount", { count: team.members })}</span>
            </li>
          ))}
        </ul>
      )}
      {teams.hasNextPage && (
        <Button
          variant="secondary"
          size="small"
          pending={teams.isFetchingNextPage}
          onClick={() => void teams.fetchNextPage()}
        >
          {common("loadMore")}
        </Button>
      )}
    </Section>
  );
}
