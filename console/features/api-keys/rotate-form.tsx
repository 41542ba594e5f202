"use client";

import type { ApiKeyWithSecret } from "undercroft-client";
import * as z from "zod/mini";
import { Form, Submit, useServerForm } from "@/components/form";
import { DialogActions } from "@/components/ui/dialog";
import { SelectField } from "@/components/ui/field";
import { useTeam } from "@/features/teams/current";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { apiKeysKey, type ApiKey } from "./queries";

const HOURS = ["0", "1", "24", "168", "720"] as const;

interface Props {
  apiKey: ApiKey;
  onRotated: (key: ApiKeyWithSecret) => void;
}

/** Replaces the secret of a key, and chooses how long the previous one stays valid. */
export function RotateApiKeyForm({ apiKey, onRotated }: Props) {
  const t = useTranslations("apiKeys");
  const team = useTeam();
  const rotate = useAction({
    run: (hours: number, key) =>
      api.apiKeys.rotate({
        key_id: apiKey.id,
        overlap_hours: hours,
        "X-Team-ID": team.id,
        "Idempotency-Key": key,
      }),
    invalidates: [apiKeysKey(team.id)],
    onSuccess: onRotated,
    showsErrors: true,
  });
  const form = useServerForm({
    schema: z.object({ overlap_hours: z.enum(HOURS) }),
    values: { overlap_hours: apiKey.previous_until === null ? "24" : "0" },
    submit: ({ overlap_hours }) => rotate.mutateAsync(Number(overlap_hours)),
  });
  return (
    <Form form={form}>
      <SelectField
        label={t("overlap")}
        hint={t("overlapHint")}
        options={HOURS.map((value) => ({ value, label: t(`overlaps.hours${value}`) }))}
        {...form.field("overlap_hours")}
      />
      <DialogActions>
        <Submit form={form}>{t("rotate")}</Submit>
      </DialogActions>
    </Form>
  );
}
