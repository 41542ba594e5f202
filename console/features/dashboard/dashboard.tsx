"use client";

import { useInfiniteQuery } from "@tanstack/react-query";
import Link from "next/link";
import { Button } from "@/components/ui/button";
import { PageHeader, Section, SkeletonRows } from "@/components/ui/layout";
import { projectsQuery } from "@/features/projects/queries";
import { StatusBadge } from "@/features/projects/status";
import { useMe } from "@/features/session/session";
import { useHasModule } from "@/features/shell/config";
import { useCan, useTeam, useTeamHref } from "@/features/teams/current";
import { useTranslations } from "@/lib/i18n";
import { JoinOffers } from "./join-offers";
import { NextSteps } from "./next-steps";
import { TeamMembers } from "./team-members";

const SHOWN = 5;

export function Dashboard() {
  const t = useTranslations("dashboard");
  const me = useMe();
  const can = useCan();
  const has = useHasModule();
  const team = useTeam();
  return (
    <>
      <PageHeader title={me.full_name ? t("welcome", { name: me.full_name }) : t("welcomeUnnamed")} text={t("text")} />
      <JoinOffers />
      <NextSteps />
      {has("projects") && can("projects:read") && <RecentProjects />}
      {!team.is_personal && can("teams:read") && <TeamMembers />}
    </>
  );
}

function RecentProjects() {
  const t = useTranslations("dashboard");
  const can = useCan();
  const team = useTeam();
  const href = useTeamHref();
  const projects = useInfiniteQuery(projectsQuery(team.id, { sort: "-updated_at" }));
  const items = projects.data?.pages[0]?.items;
  const create = can("projects:write") && (
    <Button asChild variant="secondary" size="small">
      <Link href={href("/projects/", { new: "1" })} prefetch={false}>
        {t("createProject")}
      </Link>
    </Button>
  );
  return (
    <Section title={t("recentProjects")} actions={create || undefined}>
      {items === undefined ? (
        <SkeletonRows count={3} />
      ) : items.length === 0 ? (
        <p className="text-sm text-quiet">{t("noProjects")}</p>
      ) : (
        <ul className="divide-y divide-line">
          {items.slice(0, SHOWN).map((project) => (
            <li key={project.id} className="flex items-center gap-3 py-2.5">
              <Link
                href={href("/projects/project/", { id: project.id })}
                prefetch={false}
                className="min-w-0 flex-1 truncate hover:underline"
              >
                {project.name}
              </Link>
              <StatusBadge status={project.status} />
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}
