"use client";

import * as z from "zod/mini";
import { Form, Submit, useServerForm } from "@/components/form";
import { DialogActions } from "@/components/ui/dialog";
import { TextField } from "@/components/ui/field";
import { useMe } from "@/features/session/session";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { broadcast } from "@/lib/channel";
import { useTranslations } from "@/lib/i18n";

/** Deletes the account after the user has typed its email address and the password. */
export function DeleteAccountForm() {
  const t = useTranslations("account");
  const security = useTranslations("security");
  const { email } = useMe();
  const remove = useAction({
    run: (current_password: string) => api.profile.delete({ current_password }),
    onSuccess: () => {
      broadcast({ type: "signed-out" });
      window.location.assign("/");
    },
    showsErrors: true,
  });
  const form = useServerForm({
    schema: z.object({
      email: z.string().check(
        z.trim(),
        z.toLowerCase(),
        z.refine((typed) => typed === email, "emailDiffers"),
      ),
      current_password: z.string().check(z.minLength(1, "required")),
    }),
    values: { email: "", current_password: "" },
    submit: ({ current_password }) => remove.mutateAsync(current_password),
    fieldOf: { WRONG_PASSWORD: "current_password" },
  });
  return (
    <Form form={form}>
      <ul className="grid list-disc gap-1 pl-5 text-sm">
        <li>{t("deleteData")}</li>
        <li>{t("deleteTeams")}</li>
        <li>{t("deleteLastOwner")}</li>
      </ul>
      <TextField
        label={t("deleteConfirm", { email })}
        type="email"
        autoComplete="off"
        spellCheck={false}
        {...form.field("email")}
      />
      <TextField
        label={security("currentPassword")}
        type="password"
        autoComplete="current-password"
        {...form.field("current_password")}
      />
      <DialogActions>
        <Submit form={form}>{t("delete")}</Submit>
      </DialogActions>
    </Form>
  );
}
