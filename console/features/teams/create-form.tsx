"use client";

import { useQueryClient } from "@tanstack/react-query";
import type { TeamRead } from "undercroft-client";
import * as z from "zod/mini";
import { Form, Submit, useServerForm } from "@/components/form";
import { DialogActions } from "@/components/ui/dialog";
import { TextField } from "@/components/ui/field";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { TEAMS } from "./current";

const schema = z.object({ name: z.string().check(z.trim(), z.minLength(1, "required"), z.maxLength(100, "tooLong")) });

export function CreateTeamForm({ onCreated }: { onCreated: (team: TeamRead) => void }) {
  const t = useTranslations("teams");
  const client = useQueryClient();
  const create = useAction({
    run: (values: { name: string }, key) => api.teams.create({ ...values, "Idempotency-Key": key }),
    showsErrors: true,
    success: t("created"),
  });
  const form = useServerForm({
    schema,
    values: { name: "" },
    submit: async (values) => {
      const team = await create.mutateAsync(values);
      client.setQueryData<TeamRead[]>(TEAMS, (teams) => teams && [...teams, team]);
      onCreated(team);
    },
  });
  return (
    <Form form={form}>
      <TextField label={t("name")} autoComplete="organization" maxLength={100} {...form.field("name")} />
      <DialogActions>
        <Submit form={form}>{t("create")}</Submit>
      </DialogActions>
    </Form>
  );
}
