"use client";

import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { useRouter } from "next/navigation";
import { ArrowLeft } from "lucide-react";
import { useState } from "react";
import { ErrorPanel } from "@/components/error-text";
import { DateTime } from "@/components/time";
import { Button } from "@/components/ui/button";
import { Card, PageHeader, Skeleton } from "@/components/ui/layout";
import { useToasts } from "@/components/ui/toast";
import { useCan, useTeam, useTeamHref } from "@/features/teams/current";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { useParams } from "@/lib/url";
import { EditProject } from "./edit";
import { projectQuery, projectsKey, type Project } from "./queries";
import { StatusBadge } from "./status";

export function ProjectPage() {
  const t = useTranslations("projects");
  const team = useTeam();
  const href = useTeamHref();
  const [params] = useParams();
  const project = useQuery(projectQuery(team.id, params.get("id") ?? ""));
  return (
    <>
      <Link
        href={href("/projects/")}
        prefetch={false}
        className="mb-4 inline-flex items-center gap-1.5 text-sm text-quiet"
      >
        <ArrowLeft className="size-4" aria-hidden />
        {t("title")}
      </Link>
      {project.data !== undefined ? (
        <Details project={project.data} />
      ) : project.error ? (
        <ErrorPanel error={project.error} onRetry={() => void project.refetch()} />
      ) : (
        <Skeleton className="h-48" />
      )}
    </>
  );
}

function Details({ project }: { project: Project }) {
  const t = useTranslations("projects");
  const common = useTranslations("common");
  const can = useCan();
  const [isEditing, setEditing] = useState(false);
  const remove = useRemove(project);
  const actions = can("projects:write") && (
    <>
      <Button variant="secondary" onClick={() => setEditing(true)}>
        {common("edit")}
      </Button>
      <Button variant="danger" pending={remove.isPending} onClick={() => remove.mutate()}>
        {common("delete")}
      </Button>
    </>
  );
  return (
    <>
      <PageHeader title={project.name} actions={actions} />
      <Card className="p-5 sm:p-6">
        <dl className="grid gap-4 text-sm sm:grid-cols-3">
          <Fact label={t("status")}>
            <StatusBadge status={project.status} />
          </Fact>
          <Fact label={common("createdAt")}>
            <DateTime value={project.created_at} />
          </Fact>
          <Fact label={common("updatedAt")}>
            <DateTime value={project.updated_at} />
          </Fact>
        </dl>
        <p className="mt-5 break-words whitespace-pre-wrap">
          {project.description || <span className="text-quiet">{t("noDescription")}</span>}
        </p>
      </Card>
      <EditProject project={project} open={isEditing} onOpenChange={setEditing} />
    </>
  );
}

function Fact({ label, children }: { label: string; children: React.ReactNode }) {
  return (
    <div>
      <dt className="text-quiet">{label}</dt>
      <dd className="mt-0.5">{children}</dd>
    </div>
  );
}

/** Deletes a project, and offers to restore it. */
function useRemove(project: Project) {
  const t = useTranslations("projects");
  const common = useTranslations("common");
  const router = useRouter();
  const href = useTeamHref();
  const toasts = useToasts();
  const reference = { "X-Team-ID": project.team_id, project_id: project.id };
  const invalidates = [projectsKey(project.team_id)];
  const restore = useAction({
    run: (_: void, key) => api.projects.restore({ ...reference, "Idempotency-Key": key }),
    success: t("restored"),
    invalidates,
  });
  return useAction({
    run: () => api.projects.delete(reference),
    invalidates: [[...projectsKey(project.team_id), "list"]],
    onSuccess: () => {
      toasts.show(t("deleted", { name: project.name }), { label: common("undo"), run: () => restore.mutate() });
      router.push(href("/projects/"));
    },
  });
}
