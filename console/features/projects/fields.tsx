"use client";

import * as z from "zod/mini";
import type { ServerForm } from "@/components/form";
import { SelectField, TextArea, TextField } from "@/components/ui/field";
import { useTranslations } from "@/lib/i18n";
import { useStatusOptions } from "./status";

export const projectSchema = z.object({
  name: z.string().check(z.trim(), z.minLength(1, "required"), z.maxLength(200, "tooLong")),
  description: z.string().check(z.maxLength(10_000, "tooLong")),
  status: z.enum(["active", "on_hold", "done"]),
});

export type ProjectValues = z.infer<typeof projectSchema>;

/** The fields to create or edit a project. */
export function ProjectFields({ form }: { form: ServerForm<ProjectValues> }) {
  const t = useTranslations("projects");
  const statuses = useStatusOptions();
  return (
    <>
      <TextField label={t("name")} maxLength={200} autoComplete="off" {...form.field("name")} />
      <TextArea label={t("description")} {...form.field("description")} />
      <SelectField label={t("status")} options={statuses} {...form.field("status")} />
    </>
  );
}
