"use client";

import { useState } from "react";
import * as z from "zod/mini";
import { Form, Submit, useServerForm } from "@/components/form";
import { DialogActions } from "@/components/ui/dialog";
import { useMe } from "@/features/session/session";
import { TEAMS, useTeam } from "@/features/teams/current";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { MemberPicker } from "./member-picker";
import type { Member } from "./queries";

const schema = z.object({ user_id: z.string().check(z.minLength(1, "chooseMember")) });

/** Makes another member the owner. */
export function TransferForm({ onDone }: { onDone: () => void }) {
  const t = useTranslations("team.settings");
  const team = useTeam();
  const me = useMe();
  const [member, setMember] = useState<Member>();
  const transfer = useAction({
    run: ({ user_id }: { user_id: string }, key) =>
      api.teams.transfer({ team_id: team.id, user_id, "Idempotency-Key": key }),
    success: t("transferred", { name: member?.full_name || member?.email || "" }),
    invalidates: [TEAMS],
    showsErrors: true,
  });
  const form = useServerForm({
    schema,
    values: { user_id: "" },
    submit: async (values) => {
      await transfer.mutateAsync(values);
      onDone();
    },
  });
  const { error } = form.field("user_id");
  return (
    <Form form={form}>
      <MemberPicker
        label={t("newOwner")}
        value={member?.user_id}
        exclude={me.id}
        onChange={(chosen) => {
          setMember(chosen);
          form.form.setValue("user_id", chosen.user_id, { shouldValidate: true });
        }}
      />
      {error !== undefined && (
        <p role="alert" className="text-sm text-bad">
          {error}
        </p>
      )}
      <DialogActions>
        <Submit form={form}>
          {member ? t("transferTo", { name: member.full_name || member.email }) : t("transferAction")}
        </Submit>
      </DialogActions>
    </Form>
  );
}
