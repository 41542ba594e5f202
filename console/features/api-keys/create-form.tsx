"use client";

import type { ApiKeyWithSecret } from "undercroft-client";
import { Form, Submit, useServerForm } from "@/components/form";
import { DialogActions } from "@/components/ui/dialog";
import { useTeam } from "@/features/teams/current";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { ApiKeyFields, apiKeySchema, toRequest, type ApiKeyValues } from "./fields";
import { apiKeysKey } from "./queries";

export function CreateApiKeyForm({ onCreated }: { onCreated: (key: ApiKeyWithSecret) => void }) {
  const t = useTranslations("apiKeys");
  const team = useTeam();
  const create = useAction({
    run: (values: ApiKeyValues, key) =>
      api.apiKeys.create({
        name: values.name,
        kind: values.kind,
        ...toRequest(values),
        "X-Team-ID": team.id,
        "Idempotency-Key": key,
      }),
    invalidates: [apiKeysKey(team.id)],
    onSuccess: onCreated,
    showsErrors: true,
  });
  const form = useServerForm<ApiKeyValues>({
    schema: apiKeySchema,
    values: { name: "", kind: "user", access: "some", scopes: [], expiry: "days90", date: "" },
    submit: create.mutateAsync,
    fieldOf: { EXPIRY_IN_PAST: "date" },
  });
  return (
    <Form form={form}>
      <ApiKeyFields form={form} />
      <DialogActions>
        <Submit form={form}>{t("create")}</Submit>
      </DialogActions>
    </Form>
  );
}
