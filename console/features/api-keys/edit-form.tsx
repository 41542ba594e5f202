"use client";

import { Form, Submit, useServerForm } from "@/components/form";
import { DialogActions } from "@/components/ui/dialog";
import { useTeam } from "@/features/teams/current";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { ApiKeyFields, apiKeySchema, toRequest, type ApiKeyValues } from "./fields";
import { apiKeysKey, type ApiKey } from "./queries";

export function EditApiKeyForm({ apiKey, onSaved }: { apiKey: ApiKey; onSaved: () => void }) {
  const t = useTranslations("apiKeys");
  const common = useTranslations("common");
  const team = useTeam();
  const save = useAction({
    run: (values: ApiKeyValues) =>
      api.apiKeys.update({ ...toRequest(values), "X-Team-ID": team.id, key_id: apiKey.id }),
    success: t("saved"),
    invalidates: [apiKeysKey(team.id)],
    onSuccess: onSaved,
    showsErrors: true,
  });
  const form = useServerForm<ApiKeyValues>({
    schema: apiKeySchema,
    values: {
      name: apiKey.name,
      kind: apiKey.kind,
      access: apiKey.scopes === null ? "all" : "some",
      scopes: apiKey.scopes ?? [],
      expiry: "unchanged",
      date: "",
    },
    submit: save.mutateAsync,
    fieldOf: { EXPIRY_IN_PAST: "date" },
  });
  return (
    <Form form={form}>
      <ApiKeyFields form={form} kind={apiKey.kind} current={apiKey.expires_at} />
      <DialogActions>
        <Submit form={form}>{common("save")}</Submit>
      </DialogActions>
    </Form>
  );
}
