"use client";

import { useRouter } from "next/navigation";
import { Form, Submit, useServerForm } from "@/components/form";
import { DialogActions } from "@/components/ui/dialog";
import { useTeam, useTeamHref } from "@/features/teams/current";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { ProjectFields, projectSchema, type ProjectValues } from "./fields";
import { projectsKey } from "./queries";

export function CreateProjectForm() {
  const t = useTranslations("projects");
  const router = useRouter();
  const team = useTeam();
  const href = useTeamHref();
  const create = useAction({
    run: (values: ProjectValues, key) =>
      api.projects.create({ ...values, "X-Team-ID": team.id, "Idempotency-Key": key }),
    success: t("created"),
    invalidates: [projectsKey(team.id)],
    onSuccess: (project) => router.push(href("/projects/project/", { id: project.id })),
    showsErrors: true,
  });
  const form = useServerForm<ProjectValues>({
    schema: projectSchema,
    values: { name: "", description: "", status: "active" },
    submit: create.mutateAsync,
  });
  return (
    <Form form={form}>
      <ProjectFields form={form} />
      <DialogActions>
        <Submit form={form}>{t("create")}</Submit>
      </DialogActions>
    </Form>
  );
}
