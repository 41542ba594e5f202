"use client";

import * as z from "zod/mini";
import { Form, Submit, useServerForm } from "@/components/form";
import { DialogActions } from "@/components/ui/dialog";
import { TextField } from "@/components/ui/field";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";

const schema = z.object({
  new_email: z.string().check(z.trim(), z.minLength(1, "required"), z.maxLength(254, "tooLong")),
  current_password: z.string().check(z.minLength(1, "required")),
});

export function EmailForm({ onRequested }: { onRequested: (email: string) => void }) {
  const t = useTranslations("security");
  const request = useAction({
    run: (values: z.infer<typeof schema>, key) => api.auth.changeEmail({ ...values, "Idempotency-Key": key }),
    onSuccess: (_, { new_email }) => onRequested(new_email),
    showsErrors: true,
  });
  const form = useServerForm({
    schema,
    values: { new_email: "", current_password: "" },
    submit: request.mutateAsync,
    fieldOf: { WRONG_PASSWORD: "current_password", DISPOSABLE_EMAIL: "new_email" },
  });
  return (
    <Form form={form}>
      <TextField label={t("newEmail")} type="email" autoComplete="email" {...form.field("new_email")} />
      <TextField
        label={t("currentPassword")}
        type="password"
        autoComplete="current-password"
        {...form.field("current_password")}
      />
      <DialogActions>
        <Submit form={form}>{t("sendLink")}</Submit>
      </DialogActions>
    </Form>
  );
}
