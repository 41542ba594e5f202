"use client";

import * as z from "zod/mini";
import { Form, Submit, useServerForm } from "@/components/form";
import { DialogActions } from "@/components/ui/dialog";
import { TextField } from "@/components/ui/field";
import { useMe } from "@/features/session/session";
import { SESSIONS } from "@/features/sessions/queries";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";

const schema = z.object({
  current_password: z.string().check(z.minLength(1, "required")),
  new_password: z.string().check(z.minLength(1, "required"), z.maxLength(256, "tooLong")),
});

export function PasswordForm({ onChanged }: { onChanged: () => void }) {
  const t = useTranslations("security");
  const { email } = useMe();
  const change = useAction({
    run: (values: z.infer<typeof schema>, key) => api.auth.changePassword({ ...values, "Idempotency-Key": key }),
    success: t("passwordChanged"),
    invalidates: [SESSIONS],
    onSuccess: onChanged,
    showsErrors: true,
  });
  const form = useServerForm({
    schema,
    values: { current_password: "", new_password: "" },
    submit: change.mutateAsync,
    fieldOf: { WRONG_PASSWORD: "current_password", WEAK_PASSWORD: "new_password" },
  });
  return (
    <Form form={form}>
      {/* For password managers, which need to know whose password it is. */}
      <input type="email" autoComplete="username" value={email} readOnly hidden />
      <TextField
        label={t("currentPassword")}
        type="password"
        autoComplete="current-password"
        {...form.field("current_password")}
      />
      <TextField
        label={t("newPassword")}
        hint={t("newPasswordHint")}
        type="password"
        autoComplete="new-password"
        {...form.field("new_password")}
      />
      <DialogActions>
        <Submit form={form}>{t("changePassword")}</Submit>
      </DialogActions>
    </Form>
  );
}
