"use client";

import { useQueryClient } from "@tanstack/react-query";
import { ApiError, type FlagUnit } from "undercroft-client";
import { useState } from "react";
import { useWatch } from "react-hook-form";
import * as z from "zod/mini";
import { Conflict } from "@/components/conflict";
import { Form, Submit, useServerForm, type ServerForm } from "@/components/form";
import { Checkbox, SelectField, TextField } from "@/components/ui/field";
import { DialogActions } from "@/components/ui/dialog";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useFormatter, useTranslations } from "@/lib/i18n";
import { fromLocalInput, toLocalInput } from "@/lib/local-time";
import { MemberPicker } from "./member-picker";
import { FLAGS, flagQuery, type Flag } from "./queries";

const UNITS = ["user", "team"] as const satisfies FlagUnit[];

const isPercentage = (text: string) => text.trim() !== "" && Number(text) >= 0 && Number(text) <= 100;

const ruleSchema = z.object({
  enabled: z.boolean(),
  percentage: z.string().check(z.refine(isPercentage, "percentage")),
  unit: z.enum(UNITS),
  users: z.array(z.string()).check(z.maxLength(1000, "tooLong")),
  teams: z.array(z.string()).check(z.maxLength(1000, "tooLong")),
  starts_at: z.string(),
  ends_at: z.string(),
});

type RuleValues = z.infer<typeof ruleSchema>;

const toValues = (flag: Flag): RuleValues => ({
  enabled: flag.enabled,
  percentage: String(flag.percentage),
  unit: flag.unit,
  users: flag.users,
  teams: flag.teams,
  starts_at: toLocalInput(flag.starts_at),
  ends_at: toLocalInput(flag.ends_at),
});

/** A time that was not touched keeps its seconds, which the input does not show. */
function toTime(text: string, shown: string | null): string | null {
  return text === toLocalInput(shown) ? shown : fromLocalInput(text);
}

export function RuleForm({ flag, onSaved }: { flag: Flag; onSaved: () => void }) {
  const t = useTranslations("flags");
  const common = useTranslations("common");
  const client = useQueryClient();
  const [base, setBase] = useState(flag); // the version that the user has seen
  const [latest, setLatest] = useState<Flag>();
  const { queryKey, queryFn } = flagQuery(flag.key);
  const save = useAction({
    run: ({ percentage, starts_at, ends_at, ...values }: RuleValues) =>
      api.featureFlags.changeFlag({
        ...values,
        key: flag.key,
        percentage: Number(percentage),
        starts_at: toTime(starts_at, base.starts_at),
        ends_at: toTime(ends_at, base.ends_at),
        "If-Match": `"${base.version}"`,
      }),
    success: t("saved"),
    onSuccess: (saved) => client.setQueryData(queryKey, saved),
    invalidates: [[...FLAGS, "list"]],
    showsErrors: true,
  });
  const form = useServerForm<RuleValues>({
    schema: ruleSchema,
    values: toValues(flag),
    fieldOf: { INVALID_FLAG_SCHEDULE: "ends_at" },
    submit: async (values) => {
      try {
        await save.mutateAsync(values);
        onSaved();
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 412)) throw error;
        setLatest(await client.fetchQuery({ queryKey, queryFn, staleTime: 0 }));
      }
    },
  });
  const describe = useDescription();
  return (
    <Form form={form}>
      {latest !== undefined && (
        <Conflict
          labels={{
            enabled: t("enabled"),
            percentage: t("percentage"),
            unit: t("unit"),
            users: t("users"),
            teams: t("teams"),
            starts_at: t("startsAt"),
            ends_at: t("endsAt"),
          }}
          mine={describe(form.form.getValues())}
          latest={describe(toValues(latest))}
          onKeepMine={() => {
            setBase(latest);
            setLatest(undefined);
          }}
          onTakeLatest={() => {
            form.form.reset(toValues(latest));
            setBase(latest);
            setLatest(undefined);
          }}
        />
      )}
      <Fields form={form} />
      <DialogActions>
        <Submit form={form}>{common("save")}</Submit>
      </DialogActions>
    </Form>
  );
}

function Fields({ form }: { form: ServerForm<RuleValues> }) {
  const t = useTranslations("flags");
  const { control, setValue, formState } = form.form;
  const [users, teams] = useWatch({ control, name: ["users", "teams"] });
  const { error: percentageError, ...percentage } = form.field("percentage");
  return (
    <>
      <Checkbox label={t("enabled")} hint={t("enabledHint")} {...form.form.register("enabled")} />
      <div className="grid items-start gap-4 sm:grid-cols-2">
        <TextField
          label={t("percentage")}
          hint={t("percentageHint")}
          type="number"
          inputMode="decimal"
          min={0}
          max={100}
          step="any"
          error={percentageError === "percentage" ? t("percentageInvalid") : percentageError}
          {...percentage}
        />
        <SelectField
          label={t("unit")}
          options={UNITS.map((value) => ({ value, label: t(`units.${value}`) }))}
          {...form.field("unit")}
        />
      </div>
      <MemberPicker
        kind="user"
        ids={users}
        error={formState.errors.users?.message}
        onChange={(ids) => setValue("users", ids, { shouldDirty: true })}
      />
      <MemberPicker
        kind="team"
        ids={teams}
        error={formState.errors.teams?.message}
        onChange={(ids) => setValue("teams", ids, { shouldDirty: true })}
      />

      <TextField label={t("startsAt")} hint={t("startsHint")} type="datetime-local" {...form.field("starts_at")} />
      <TextField label={t("endsAt")} hint={t("endsHint")} type="datetime-local" {...form.field("ends_at")} />
    </>
  );
}

/** Returns the values of a rule as texts that can be compared. */
function useDescription(): (values: RuleValues) => Record<keyof RuleValues, string> {
  const t = useTranslations("flags");
  const format = useFormatter();
  return (values) => ({
    enabled: t(values.enabled ? "on" : "off"),
    percentage: `${values.percentage} %`,
    unit: t(`units.${values.unit}`),
    users: format.list(values.users),
    teams: format.list(values.teams),
    starts_at: values.starts_at,
    ends_at: values.ends_at,
  });
}
