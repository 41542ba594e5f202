"use client";

import * as z from "zod/mini";
import { Form, Submit, useServerForm } from "@/components/form";
import { DialogActions } from "@/components/ui/dialog";
import { TEAMS, useTeam } from "@/features/teams/current";
import { useMe } from "@/features/session/session";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { membersKey, type Member } from "./queries";
import { RoleChoice } from "./role-choice";

const schema = z.object({ role: z.string() });

export function ChangeRoleForm({ member, onSaved }: { member: Member; onSaved: () => void }) {
  const t = useTranslations("team.members");
  const common = useTranslations("common");
  const team = useTeam();
  const isMe = member.user_id === useMe().id;
  const save = useAction({
    run: ({ role }: z.infer<typeof schema>) =>
      api.teams.updateMember({ team_id: team.id, user_id: member.user_id, role }),
    success: t("roleChanged"),
    invalidates: [isMe ? TEAMS : membersKey(team.id)],
    showsErrors: true,
  });
  const form = useServerForm({
    schema,
    values: { role: member.role },
    submit: async (values) => {
      await save.mutateAsync(values);
      onSaved();
    },
  });
  return (
    <Form form={form}>
      <RoleChoice {...form.field("role")} current={member.role} />
      <DialogActions>
        <Submit form={form}>{common("save")}</Submit>
      </DialogActions>
    </Form>
  );
}
