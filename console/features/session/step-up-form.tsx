"use client";

import { useQuery } from "@tanstack/react-query";
import type { MfaRead } from "undercroft-client";
import { useState } from "react";
import * as z from "zod/mini";
import { ErrorPanel } from "@/components/error-text";
import { Form, Submit, useServerForm } from "@/components/form";
import { Button } from "@/components/ui/button";
import { DialogActions } from "@/components/ui/dialog";
import { TextField } from "@/components/ui/field";
import { Skeleton } from "@/components/ui/layout";
import { useToasts } from "@/components/ui/toast";
import { mfaQuery } from "@/features/security/queries";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { askPasskey, supportsPasskeys } from "@/lib/passkeys";
import { settle } from "@/lib/prompts";

type Method = "code" | "recovery_code" | "password";

const ATTRIBUTES = {
  code: { inputMode: "numeric", autoComplete: "one-time-code" },
  recovery_code: { autoComplete: "off", spellCheck: false, autoCapitalize: "off" },
  password: { type: "password", autoComplete: "current-password" },
} as const;

const succeed = () => settle("step-up", true);

export function StepUpForm() {
  const factors = useQuery(mfaQuery);
  if (factors.data !== undefined) return <Factors factors={factors.data} />;
  if (factors.error) return <ErrorPanel error={factors.error} onRetry={() => void factors.refetch()} />;
  return <Skeleton className="h-16" />;
}

/** Offers the ways that the server accepts: a second factor if the user has one, else the password. */
function Factors({ factors }: { factors: MfaRead }) {
  const t = useTranslations("stepUp");
  const [isRecovering, setRecovering] = useState(false);
  const hasPasskey = factors.passkeys.length > 0 && supportsPasskeys();
  const first = factors.totp ? "code" : factors.enabled ? undefined : "password";
  const method = isRecovering ? "recovery_code" : first;
  const recover = factors.enabled && !isRecovering && (
    <Button variant="quiet" onClick={() => setRecovering(true)}>
      {t("useRecoveryCode")}
    </Button>
  );
  if (method !== undefined)
    return (
      <ProofForm key={method} method={method}>
        {recover}
        {hasPasskey && <PasskeyButton variant="secondary" />}
      </ProofForm>
    );
  return (
    <DialogActions>
      {recover}
      {hasPasskey && <PasskeyButton variant="primary" />}
    </DialogActions>
  );
}

function ProofForm({ method, children }: { method: Method; children: React.ReactNode }) {
  const t = useTranslations("stepUp");
  const form = useServerForm({
    schema: z.object({ proof: z.string().check(z.minLength(1, "required")) }),
    values: { proof: "" },
    submit: async ({ proof }) => {
      await api.mfa.stepUpSession({ [method]: proof });
      succeed();
    },
    fieldOf: { WRONG_CODE: "proof", WRONG_PASSWORD: "proof", VALIDATION_ERROR: "proof" },
  });
  return (
    <Form form={form}>
      <TextField label={t(method)} autoFocus {...ATTRIBUTES[method]} {...form.field("proof")} />
      <DialogActions>
        {children}
        <Submit form={form}>{t("continue")}</Submit>
      </DialogActions>
    </Form>
  );
}

function PasskeyButton({ variant }: { variant: "primary" | "secondary" }) {
  const t = useTranslations("stepUp");
  const toasts = useToasts();
  const [isPending, setPending] = useState(false);
  const prove = async () => {
    setPending(true);
    try {
      const { options } = await api.mfa.beginStepUp();
      await api.mfa.stepUpSession({ passkey: await askPasskey(options) });
      succeed();
    } catch (error) {
      toasts.showError(error);
    } finally {
      setPending(false);
    }
  };
  return (
    <Button variant={variant} pending={isPending} onClick={prove}>
      {t("usePasskey")}
    </Button>
  );
}
