"use client";

import * as z from "zod/mini";
import { Form, Submit, useServerForm } from "@/components/form";
import { DialogActions } from "@/components/ui/dialog";
import { TextField } from "@/components/ui/field";
import type { User } from "@/features/users/queries";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";

const schema = z.object({
  reason: z.string().check(z.trim(), z.minLength(3, "required"), z.maxLength(500, "tooLong")),
});

type Values = z.infer<typeof schema>;

export function ImpersonateForm({ user, onStarted }: { user: User; onStarted: () => void }) {
  const t = useTranslations("impersonation");
  const start = useAction({
    run: ({ reason }: Values) => api.impersonation.start({ user_id: user.id, reason, session: "cookie" }),
    onSuccess: onStarted,
    showsErrors: true,
  });
  const form = useServerForm<Values>({ schema, values: { reason: "" }, submit: start.mutateAsync });
  return (
    <Form form={form}>
      <TextField
        label={t("reason")}
        hint={t("reasonHint")}
        maxLength={500}
        autoComplete="off"
        {...form.field("reason")}
      />
      <DialogActions>
        <Submit form={form}>{t("start")}</Submit>
      </DialogActions>
    </Form>
  );
}
