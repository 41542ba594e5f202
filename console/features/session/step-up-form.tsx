"use client";

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import * as z from "zod/mini";
import { Form, Submit, useServerForm } from "@/components/form";
import { Button } from "@/components/ui/button";
import { DialogActions } from "@/components/ui/dialog";
import { TextField } from "@/components/ui/field";
import { useToasts } from "@/components/ui/toast";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { askPasskey, supportsPasskeys } from "@/lib/passkeys";
import { settle } from "@/lib/prompts";
import { query } from "@/lib/query";

const succeed = () => settle("step-up", true);

export function StepUpForm() {
  const t = useTranslations("stepUp");
  const factors = useQuery(query(["mfa"], (signal) => api.mfa.read({ signal })));
  const needsCode = factors.data?.totp ?? false;
  const hasPasskey = (factors.data?.passkeys.length ?? 0) > 0 && supportsPasskeys();
  const form = useServerForm({
    schema: z.object({ proof: z.string().check(z.minLength(1, "required")) }),
    values: { proof: "" },
    submit: async ({ proof }) => {
      await api.mfa.stepUpSession(needsCode ? { code: proof } : { password: proof });
      succeed();
    },
  });

  return (
    <Form form={form}>
      <TextField
        key={String(needsCode)}
        label={needsCode ? t("code") : t("password")}
        type={needsCode ? "text" : "password"}
        inputMode={needsCode ? "numeric" : undefined}
        autoComplete={needsCode ? "one-time-code" : "current-password"}
        {...form.field("proof")}
      />
      <DialogActions>
        {hasPasskey && <PasskeyButton />}
        <Submit form={form}>{t("continue")}</Submit>
      </DialogActions>
    </Form>
  );
}

function PasskeyButton() {
  const t = useTranslations("stepUp");
  const toasts = useToasts();
  const [isPending, setPending] = useState(false);
  const prove = async () => {
    setPending(true);
    try {
      const { options } = await api.mfa.beginStepUp();
      await api.mfa.stepUpSession({ passkey: await askPasskey(options.publicKey ?? options) });
      succeed();
    } catch (error) {
      toasts.showError(error);
    } finally {
      setPending(false);
    }
  };
  return (
    <Button variant="secondary" pending={isPending} onClick={prove}>
      {t("usePasskey")}
    </Button>
  );
}
