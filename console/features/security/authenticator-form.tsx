"use client";

import type { TotpStarted } from "undercroft-client";
import * as z from "zod/mini";
import { Secret } from "@/components/copy";
import { Form, Submit, useServerForm } from "@/components/form";
import { DialogActions } from "@/components/ui/dialog";
import { TextField } from "@/components/ui/field";
import { useToasts } from "@/components/ui/toast";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { QrCode } from "./qr-code";
import { MFA } from "./queries";

interface Props {
  started: TotpStarted;
  onConfirmed: (codes: readonly string[] | null) => void;
}

/** The secret of a new authenticator app, and the field for its first code. */
export function AuthenticatorForm({ started, onConfirmed }: Props) {
  const t = useTranslations("security");
  const toasts = useToasts();
  const confirm = useAction({
    run: (code: string, key) => api.mfa.confirmTotp({ code, "Idempotency-Key": key }),
    onSuccess: ({ recovery_codes }) => {
      if (recovery_codes === null) toasts.show(t("appReady"));
      onConfirmed(recovery_codes);
    },
    invalidates: [MFA],
    showsErrors: true,
  });
  const form = useServerForm({
    schema: z.object({ code: z.string().check(z.trim(), z.regex(/^\d(?:[ -]?\d){5}$/, "sixDigits")) }),
    values: { code: "" },
    submit: ({ code }) => confirm.mutateAsync(code),
    fieldOf: { WRONG_CODE: "code" },
  });
  return (
    <Form form={form}>
      <div className="justify-self-center rounded-lg border border-line">
        <QrCode text={started.uri} label={t("qrCode")} />
      </div>
      <div className="grid gap-1.5">
        <p className="text-sm">{t("manualEntry")}</p>
        <Secret label={t("secret")} text={started.secret} />
      </div>
      <TextField
        label={t("code")}
        hint={t("codeHint")}
        inputMode="numeric"
        autoComplete="one-time-code"
        maxLength={11}
        {...form.field("code")}
      />
      <DialogActions>
        <Submit form={form}>{t("confirmApp")}</Submit>
      </DialogActions>
    </Form>
  );
}
