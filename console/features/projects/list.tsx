"use client";

import { useInfiniteQuery } from "@tanstack/react-query";
import type { ProjectStatus } from "undercroft-client";
import Link from "next/link";
import { Plus } from "lucide-react";
import { useCallback, useState } from "react";
import { FilterSelect, List, SearchField, Toolbar } from "@/components/list";
import { RelativeTime } from "@/components/time";
import { Button } from "@/components/ui/button";
import { Empty, PageHeader } from "@/components/ui/layout";
import { useCan, useTeam, useTeamHref } from "@/features/teams/current";
import { useTranslations } from "@/lib/i18n";
import { useParams } from "@/lib/url";
import { CreateProject } from "./create";
import { projectsQuery, type Project } from "./queries";
import { StatusBadge, useStatusOptions } from "./status";

const SORTS = ["-created_at", "-updated_at", "name"] as const;

type Sort = (typeof SORTS)[number];

export function ProjectList() {
  const t = useTranslations("projects");
  const can = useCan();
  const team = useTeam();
  const [params, change] = useParams();
  const [isCreating, setCreating] = useState(params.get("new") === "1");
  const statuses = useStatusOptions();
  const filters = {
    q: params.get("q") || undefined,
    status: (params.get("status") as ProjectStatus | null) ?? undefined,
    sort: (params.get("sort") as Sort | null) ?? SORTS[0],
  };
  const projects = useInfiniteQuery(projectsQuery(team.id, filters));
  const search = useCallback((q: string) => change({ q }), [change]);
  const isFiltered = filters.q !== undefined || filters.status !== undefined;
  const create = can("projects:write") && (
    <Button onClick={() => setCreating(true)}>
      <Plus className="size-4" aria-hidden />
      {t("create")}
    </Button>
  );

  return (
    <>
      <PageHeader title={t("title")} text={t("text", { team: team.name })} actions={create} />
      <Toolbar>
        <SearchField label={t("search")} value={filters.q ?? ""} onSearch={search} />
        <FilterSelect
          label={t("status")}
          value={filters.status ?? ""}
          options={[{ value: "", label: t("anyStatus") }, ...statuses]}
          onChange={(status) => change({ status })}
        />
        <FilterSelect
          label={t("sort")}
          value={filters.sort}
          options={SORTS.map((value) => ({ value, label: t(`sorts.${value}`) }))}
          onChange={(sort) => change({ sort })}
        />
      </Toolbar>
      <List
        query={projects}
        label={t("title")}
        keyOf={(project) => project.id}
        render={(project) => <ProjectRow project={project} />}
        empty={
          isFiltered ? (
            <Empty title={t("noMatchTitle")} text={t("noMatchText")} />
          ) : (
            <Empty title={t("emptyTitle")} text={t("emptyText")} action={create || undefined} />
          )
        }
      />
      <CreateProject open={isCreating} onOpenChange={setCreating} />
    </>
  );
}

function ProjectRow({ project }: { project: Project }) {
  const t = useTranslations("projects");
  const href = useTeamHref();
  return (
    <Link
      href={href("/projects/project/", { id: project.id })}
      prefetch={false}
      className="flex flex-wrap items-center gap-x-4 gap-y-1 px-5 py-4 -outline-offset-2 hover:bg-ground"
    >
      <span className="min-w-0 flex-1 basis-60">
        <span className="block truncate font-medium">{project.name}</span>
        {project.description !== "" && <span className="block truncate text-sm text-quiet">{project.description}</span>}
      </span>
      <StatusBadge status={project.status} />
      <span className="text-sm text-quiet">
        {t.rich("updated", { time: () => <RelativeTime value={project.updated_at} /> })}
      </span>
    </Link>
  );
}
