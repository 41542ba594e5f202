"use client";

import type { UserAdminUpdate } from "undercroft-client";
import * as z from "zod/mini";
import { Form, Submit, useServerForm } from "@/components/form";
import { DialogActions } from "@/components/ui/dialog";
import { SelectField, TextField } from "@/components/ui/field";
import { AUDIT } from "@/features/audit-log/queries";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { ROLES, useRoleOptions } from "./badges";
import { USERS, type User } from "./queries";
import { useRank } from "./rank";

const schema = z.object({
  full_name: z.string().check(z.trim(), z.maxLength(200, "tooLong")),
  role: z.enum(ROLES),
});

type Values = z.infer<typeof schema>;

export function EditUserForm({ user, onSaved }: { user: User; onSaved: () => void }) {
  const t = useTranslations("users");
  const common = useTranslations("common");
  const { isSuperadmin } = useRank(user);
  const roles = useRoleOptions();
  const save = useAction({
    run: (changes: UserAdminUpdate) => api.users.update({ user_id: user.id, ...changes }),
    success: t("saved"),
    invalidates: [USERS, AUDIT],
    showsErrors: true,
  });
  const form = useServerForm<Values>({
    schema,
    values: { full_name: user.full_name, role: user.role },
    submit: async ({ full_name, role }) => {
      // Only what was changed: a role needs proof that it is the administrator.
      await save.mutateAsync({ full_name, ...(role !== user.role && { role }) });
      onSaved();
    },
  });
  return (
    <Form form={form}>
      <TextField label={t("name")} maxLength={200} autoComplete="off" {...form.field("full_name")} />
      {isSuperadmin && <SelectField label={t("role")} hint={t("roleHint")} options={roles} {...form.field("role")} />}
      <DialogActions>
        <Submit form={form}>{common("save")}</Submit>
      </DialogActions>
    </Form>
  );
}
