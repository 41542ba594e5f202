"use client";

import { useQueryClient } from "@tanstack/react-query";
import { ApiError } from "undercroft-client";
import { useState } from "react";
import { Conflict } from "@/components/conflict";
import { Form, Submit, useServerForm } from "@/components/form";
import { DialogActions } from "@/components/ui/dialog";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { ProjectFields, projectSchema, type ProjectValues } from "./fields";
import { projectQuery, projectsKey, type Project } from "./queries";

export function EditProjectForm({ project, onSaved }: { project: Project; onSaved: () => void }) {
  const t = useTranslations("projects");
  const common = useTranslations("common");
  const client = useQueryClient();
  const [base, setBase] = useState(project); // the version that the user has seen
  const [latest, setLatest] = useState<Project>();
  const { queryKey, queryFn } = projectQuery(project.team_id, project.id);
  const save = useAction({
    run: (values: ProjectValues) =>
      api.projects.update({
        ...values,
        "X-Team-ID": project.team_id,
        "If-Match": `"${base.version}"`,
        project_id: project.id,
      }),
    success: t("saved"),
    onSuccess: (saved) => client.setQueryData(queryKey, saved),
    invalidates: [[...projectsKey(project.team_id), "list"]],
    showsErrors: true,
  });
  const form = useServerForm<ProjectValues>({
    schema: projectSchema,
    values: { name: project.name, description: project.description, status: project.status },
    submit: async (values) => {
      try {
        await save.mutateAsync(values);
        onSaved();
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 412)) throw error;
        setLatest(await client.fetchQuery({ queryKey, queryFn, staleTime: 0 }));
      }
    },
  });
  const names = { name: t("name"), description: t("description"), status: t("status") };
  return (
    <Form form={form}>
      {latest !== undefined && (
        <Conflict
          labels={names}
          mine={form.form.getValues()}
          latest={latest}
          onKeepMine={() => {
            setBase(latest);
            setLatest(undefined);
          }}
          onTakeLatest={() => {
            form.form.reset({ name: latest.name, description: latest.description, status: latest.status });
            setBase(latest);
            setLatest(undefined);
          }}
        />
      )}
      <ProjectFields form={form} />
      <DialogActions>
        <Submit form={form}>{common("save")}</Submit>
      </DialogActions>
    </Form>
  );
}
