"use client";

import { useInfiniteQuery } from "@tanstack/react-query";
import Link from "next/link";
import { Button } from "@/components/ui/button";
import { Badge, Section, SkeletonRows } from "@/components/ui/layout";
import { membersQuery } from "@/features/team/queries";
import { useRoleLabel } from "@/features/team/use-roles";
import { useTeam, useTeamHref } from "@/features/teams/current";
import { useTranslations } from "@/lib/i18n";

const SHOWN = 5;

/** The members who joined last. */
export function TeamMembers() {
  const t = useTranslations("dashboard");
  const team = useTeam();
  const href = useTeamHref();
  const label = useRoleLabel();
  const members = useInfiniteQuery(membersQuery(team.id, { sort: "-created_at" }));
  const page = members.data?.pages[0];
  return (
    <Section
      title={t("members")}
      text={page?.total != null ? t("memberCount", { total: page.total }) : undefined}
      actions={
        <Button asChild variant="secondary" size="small">
          <Link href={href("/team/")} prefetch={false}>
            {t("allMembers")}
          </Link>
        </Button>
      }
    >
      {page === undefined ? (
        <SkeletonRows count={2} />
      ) : (
        <ul className="divide-y divide-line">
          {page.items.slice(0, SHOWN).map((member) => (
            <li key={member.user_id} className="flex items-center gap-3 py-2.5">
              <span className="min-w-0 flex-1 truncate">{member.full_name || member.email}</span>
              <Badge>{label(member.role)}</Badge>
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}
