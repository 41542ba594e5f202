"use client";

import * as z from "zod/mini";
import { Form, Submit, useServerForm } from "@/components/form";
import { DialogActions } from "@/components/ui/dialog";
import { TextField } from "@/components/ui/field";
import { useToasts } from "@/components/ui/toast";
import { useTeam } from "@/features/teams/current";
import { useRestoreTeam } from "@/features/teams/restore";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { useExit } from "./leave";

/** Deletes the team after its name was typed. */
export function DeleteTeamForm({ onDone }: { onDone: () => void }) {
  const t = useTranslations("team.settings");
  const common = useTranslations("common");
  const team = useTeam();
  const toasts = useToasts();
  const exit = useExit();
  const restore = useRestoreTeam();
  const remove = useAction({
    run: () => api.teams.delete({ team_id: team.id }),
    onSuccess: () => {
      onDone();
      toasts.show(t("deleted", { team: team.name }), { label: common("undo"), run: () => restore.mutate(team) });
      exit();
    },
    showsErrors: true,
  });
  const form = useServerForm({
    schema: z.object({ name: z.string().check(z.refine((name) => name.trim() === team.name, "typeName")) }),
    values: { name: "" },
    submit: () => remove.mutateAsync(),
  });
  return (
    <Form form={form}>
      <TextField label={t("typeName", { team: team.name })} autoComplete="off" {...form.field("name")} />
      <DialogActions>
        <Submit form={form} variant="danger">
          {t("delete")}
        </Submit>
      </DialogActions>
    </Form>
  );
}
