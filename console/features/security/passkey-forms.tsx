"use client";

import type { PasskeyRead } from "undercroft-client";
import * as z from "zod/mini";
import { Form, Submit, useServerForm } from "@/components/form";
import { DialogActions } from "@/components/ui/dialog";
import { TextField } from "@/components/ui/field";
import { useToasts } from "@/components/ui/toast";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { createPasskey } from "@/lib/passkeys";
import { MFA } from "./queries";

const schema = z.object({ name: z.string().check(z.trim(), z.minLength(1, "required"), z.maxLength(100, "tooLong")) });

type Values = z.infer<typeof schema>;

interface AddProps {
  onAdded: (codes: readonly string[] | null) => void;
}

/** Asks for a name first, because the browser's own dialog follows. */
export function AddPasskeyForm({ onAdded }: AddProps) {
  const t = useTranslations("security");
  const toasts = useToasts();
  const begin = useAction({ run: () => api.mfa.beginPasskey(), showsErrors: true });
  const add = useAction({
    run: (passkey: Parameters<typeof api.mfa.addPasskey>[0], key) =>
      api.mfa.addPasskey({ ...passkey, "Idempotency-Key": key }),
    onSuccess: ({ recovery_codes }) => {
      if (recovery_codes === null) toasts.show(t("passkeyAdded"));
      onAdded(recovery_codes);
    },
    invalidates: [MFA],
    showsErrors: true,
  });
  const form = useServerForm<Values>({
    schema,
    values: { name: t("passkeyName") },
    submit: async ({ name }) => {
      const { options } = await begin.mutateAsync();
      await add.mutateAsync({ name, credential: await createPasskey(options) });
    },
  });
  return (
    <Form form={form}>
      <NameField form={form} />
      <DialogActions>
        <Submit form={form}>{t("continue")}</Submit>
      </DialogActions>
    </Form>
  );
}

export function RenamePasskeyForm({ passkey, onRenamed }: { passkey: PasskeyRead; onRenamed: () => void }) {
  const common = useTranslations("common");
  const t = useTranslations("security");
  const rename = useAction({
    run: ({ name }: Values) => api.mfa.renamePasskey({ passkey_id: passkey.id, name }),
    success: t("passkeyRenamed"),
    onSuccess: onRenamed,
    invalidates: [MFA],
    showsErrors: true,
  });
  const form = useServerForm<Values>({ schema, values: { name: passkey.name }, submit: rename.mutateAsync });
  return (
    <Form form={form}>
      <NameField form={form} />
      <DialogActions>
        <Submit form={form}>{common("save")}</Submit>
      </DialogActions>
    </Form>
  );
}

function NameField({ form }: { form: ReturnType<typeof useServerForm<Values>> }) {
  const t = useTranslations("security");
  return (
    <TextField
      label={t("name")}
      hint={t("passkeyNameHint")}
      maxLength={100}
      autoComplete="off"
      {...form.field("name")}
    />
  );
}
