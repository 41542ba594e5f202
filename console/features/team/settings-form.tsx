"use client";

import { useQueryClient } from "@tanstack/react-query";
import { ApiError, type TeamRead } from "undercroft-client";
import { useState } from "react";
import * as z from "zod/mini";
import { Conflict } from "@/components/conflict";
import { Form, Submit, useServerForm } from "@/components/form";
import { TextField } from "@/components/ui/field";
import { Section } from "@/components/ui/layout";
import { useMe } from "@/features/session/session";
import { TEAMS, useCan, useTeam } from "@/features/teams/current";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { stepUp } from "@/lib/prompts";
import { AccessFields } from "./access-fields";
import { useRoleLabel } from "./use-roles";

const schema = z.object({
  name: z.string().check(z.trim(), z.minLength(1, "required"), z.maxLength(100, "tooLong")),
  slug: z
    .string()
    .check(
      z.trim(),
      z.minLength(1, "required"),
      z.maxLength(60, "tooLong"),
      z.regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, "slug"),
    ),
  require_mfa: z.boolean(),
  auto_join_domains: z.array(z.string()),
  auto_join_role: z.string(),
});

export type SettingsValues = z.infer<typeof schema>;

const valuesOf = ({ name, slug, require_mfa, auto_join_domains, auto_join_role }: TeamRead): SettingsValues => ({
  name,
  slug,
  require_mfa,
  auto_join_domains,
  auto_join_role,
});

/** The settings of the team. Those about access are only shown to owners, and only what was changed is sent. */
export function SettingsForm() {
  const t = useTranslations("team.settings");
  const common = useTranslations("common");
  const team = useTeam();
  const can = useCan();
  const me = useMe();
  const client = useQueryClient();
  const describe = useDisplay();
  const [base, setBase] = useState(team); // the version that the user has seen
  const [latest, setLatest] = useState<TeamRead>();
  const show = (saved: TeamRead) =>
    client.setQueryData<TeamRead[]>(TEAMS, (teams) => teams?.map((each) => (each.id === saved.id ? saved : each)));
  const save = useAction({
    run: (changes: Partial<SettingsValues>) =>
      withSecondFactor(() => api.teams.update({ ...changes, team_id: team.id, "If-Match": `"${base.version}"` })),
    success: t("saved"),
    onSuccess: show,
    showsErrors: true,
  });
  const form = useServerForm<SettingsValues>({
    schema,
    values: valuesOf(team),
    submit: async (values) => {
      try {
        const saved = await save.mutateAsync(changesOf(values, valuesOf(base)));
        setBase(saved);
        form.form.reset(valuesOf(saved));
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 412)) throw error;
        setLatest(await api.teams.read({ team_id: team.id }));
      }
    },
  });
  const { labels, display } = describe;
  return (
    <Form form={form} className="block">
      {latest !== undefined && (
        <div className="mb-6">
          <Conflict
            labels={labels}
            mine={display(form.form.getValues())}
            latest={display(valuesOf(latest))}
            onKeepMine={() => {
              // What the user has not changed is taken from the latest version.
              form.form.reset({ ...valuesOf(latest), ...changesOf(form.form.getValues(), valuesOf(base)) });
              setBase(latest);
              setLatest(undefined);
            }}
            onTakeLatest={() => {
              form.form.reset(valuesOf(latest));
              setBase(latest);
              setLatest(undefined);
              show(latest);
            }}
          />
        </div>
      )}
      <Section title={t("general")}>
        <div className="grid gap-4">
          <TextField label={t("name")} maxLength={100} autoComplete="organization" {...form.field("name")} />
          <TextField
            label={t("slug")}
            hint={t("slugHint")}
            maxLength={60}
            autoComplete="off"
            autoCapitalize="off"
            {...form.field("slug")}
          />
        </div>
      </Section>
      {can("owners:write") && !team.is_personal && me.impersonated_by === null && (
        <AccessFields form={form} team={base} />
      )}
      <div className="mb-8">
        <Submit form={form}>{common("save")}</Submit>
      </div>
    </Form>
  );
}

function changesOf(values: SettingsValues, before: SettingsValues): Partial<SettingsValues> {
  const names = Object.keys(values) as (keyof SettingsValues)[];
  const isChanged = (name: keyof SettingsValues) => JSON.stringify(values[name]) !== JSON.stringify(before[name]);
  return Object.fromEntries(names.filter(isChanged).map((name) => [name, values[name]]));
}

/** Who requires a second factor of others must have verified one in this session. */
async function withSecondFactor<Result>(operation: () => Promise<Result>): Promise<Result> {
  try {
    return await operation();
  } catch (error) {
    if (!(error instanceof ApiError && error.is("MFA_REQUIRED_BY_TEAM"))) throw error;
    await stepUp();
    return operation();
  }
}

/** The settings as text, to compare two versions. */
function useDisplay() {
  const t = useTranslations("team.settings");
  const label = useRoleLabel();
  const labels = {
    name: t("name"),
    slug: t("slug"),
    require_mfa: t("requireMfa"),
    auto_join_domains: t("domains"),
    auto_join_role: t("joinRole"),
  };
  const display = (values: SettingsValues) => ({
    ...values,
    require_mfa: t(values.require_mfa ? "yes" : "no"),
    auto_join_domains: values.auto_join_domains.join("\n") || t("none"),
    auto_join_role: label(values.auto_join_role),
  });
  return { labels, display };
}
