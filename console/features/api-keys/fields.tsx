"use client";

import type { ApiKeyUpdate, KeyKind, PermissionRead } from "undercroft-client";
import { useQuery } from "@tanstack/react-query";
import * as z from "zod/mini";
import { ErrorPanel } from "@/components/error-text";
import type { ServerForm } from "@/components/form";
import { Checkbox, SelectField, TextField } from "@/components/ui/field";
import { Skeleton } from "@/components/ui/layout";
import { permissionsQuery, useCan, useTeam } from "@/features/teams/current";
import { useFormatter, useTranslations } from "@/lib/i18n";

/** Permissions that the server grants to no key. */
const OWN = "api_keys:";
const DAY = 86_400_000;
const DAYS = { days30: 30, days90: 90, year: 365 } as const;

export const apiKeySchema = z
  .object({
    name: z.string().check(z.trim(), z.minLength(1, "required"), z.maxLength(100, "tooLong")),
    kind: z.enum(["user", "team"]),
    access: z.enum(["all", "some"]),
    scopes: z.array(z.string()),
    expiry: z.enum(["unchanged", "days30", "days90", "year", "never", "date"]),
    date: z.string(),
  })
  .check(
    z.refine(({ access, scopes }) => access === "all" || scopes.length > 0, {
      path: ["scopes"],
      error: "chooseScopes",
    }),
    z.refine(({ expiry, date }) => expiry !== "date" || new Date(`${date}T23:59:59`) > new Date(), {
      path: ["date"],
      error: "futureDate",
    }),
  );

export type ApiKeyValues = z.infer<typeof apiKeySchema>;

/** The scopes and the expiry of a request with these values. */
export function toRequest(values: ApiKeyValues): Pick<ApiKeyUpdate, "name" | "scopes" | "expires_at"> {
  const { name, access, scopes } = values;
  return {
    name,
    scopes: access === "all" ? null : scopes,
    ...(values.expiry !== "unchanged" && { expires_at: expiryOf(values) }),
  };
}

function expiryOf({ expiry, date }: ApiKeyValues): string | null {
  if (expiry === "date") return new Date(`${date}T23:59:59`).toISOString(); // the end of the day here
  if (expiry === "never" || expiry === "unchanged") return null;
  return new Date(Date.now() + DAYS[expiry] * DAY).toISOString();
}

interface Props {
  form: ServerForm<ApiKeyValues>;
  /** The key's current expiry, null for none; only when it is edited. */
  current?: string | null;
  /** The kind of a key that is edited, which cannot change. */
  kind?: KeyKind;
}

/** The fields to create or edit an API key. */
export function ApiKeyFields({ form, current, kind }: Props) {
  const t = useTranslations("apiKeys");
  const team = useTeam();
  const can = useCan();
  const chosen = kind ?? form.form.watch("kind");
  return (
    <>
      <TextField label={t("name")} hint={t("nameHint")} maxLength={100} autoComplete="off" {...form.field("name")} />
      {kind === undefined && can("api_keys:write") && !team.is_personal && (
        <SelectField
          label={t("kind")}
          hint={chosen === "user" ? t("userHint") : t("teamHint", { team: team.name })}
          options={[
            { value: "user", label: t("kinds.user") },
            { value: "team", label: t("kinds.team") },
          ]}
          {...form.field("kind")}
        />
      )}
      <ScopesField form={form} kind={chosen} />
      <ExpiryField form={form} current={current} />
    </>
  );
}

function ScopesField({ form, kind }: { form: ServerForm<ApiKeyValues>; kind: KeyKind }) {
  const t = useTranslations("apiKeys");
  const { error } = form.field("scopes");
  return (
    <>
      <SelectField
        label={t("access")}
        hint={form.form.watch("access") === "all" ? (kind === "user" ? t("allUserHint") : t("allTeamHint")) : undefined}
        options={[
          { value: "all", label: t("allPermissions") },
          { value: "some", label: t("somePermissions") },
        ]}
        {...form.field("access")}
      />
      {form.form.watch("access") === "some" && <Scopes form={form} kind={kind} error={error} />}
    </>
  );
}

interface ScopesProps {
  form: ServerForm<ApiKeyValues>;
  kind: KeyKind;
  error: string | undefined;
}

/** The permissions, grouped by thing. A team's key can have only those of the user. */
function Scopes({ form, kind, error }: ScopesProps) {
  const t = useTranslations("apiKeys");
  const describe = useDescription();
  const team = useTeam();
  const can = useCan();
  const matrix = useQuery(permissionsQuery(team.id));
  if (matrix.data === undefined)
    return matrix.error ? (
      <ErrorPanel error={matrix.error} onRetry={() => void matrix.refetch()} />
    ) : (
      <Skeleton className="h-32" />
    );
  const current = form.form.formState.defaultValues?.scopes ?? [];
  const offered = matrix.data.permissions.filter(
    ({ name }) => current.includes(name) || (!name.startsWith(OWN) && (kind === "user" || can(name))),
  );
  return (
    <fieldset
      className="grid max-h-72 gap-4 overflow-y-auto rounded-lg border border-line p-3"
      aria-invalid={error !== undefined || undefined}
      aria-describedby={error === undefined ? undefined : "scopes-error"}
    >
      <legend className="sr-only">{t("scopes")}</legend>
      {error !== undefined && (
        <p id="scopes-error" role="alert" className="text-sm text-bad">
          {error}
        </p>
      )}
      {groupByThing(offered).map(([thing, permissions]) => (
        <fieldset key={thing} className="grid gap-2">
          <legend className="mb-1.5 text-sm font-medium">
            <ThingName thing={thing} />
          </legend>
          {permissions.map((permission) => (
            <Checkbox
              key={permission.name}
              label={<code>{permission.name}</code>}
              hint={describe(permission)}
              value={permission.name}
              {...form.form.register("scopes")}
            />
          ))}
        </fieldset>
      ))}
    </fieldset>
  );
}

/** Returns the description of a permission in the user's language, or else that of the server. */
function useDescription(): (permission: PermissionRead) => string {
  const t = useTranslations();
  return ({ name, description }) => {
    const key = `permissions.names.${name}` as never;
    return t.has(key) ? t(key) : description;
  };
}

function groupByThing(permissions: readonly PermissionRead[]): [string, PermissionRead[]][] {
  const groups = new Map<string, PermissionRead[]>();
  for (const permission of permissions) {
    const thing = permission.name.split(":")[0] ?? permission.name;
    groups.set(thing, [...(groups.get(thing) ?? []), permission]);
  }
  return [...groups];
}

/** The name of what permissions are about; that of an extension is its own. */
function ThingName({ thing }: { thing: string }) {
  const t = useTranslations("apiKeys.things");
  if (t.has(thing as never)) return t(thing as never);
  const words = thing.replaceAll(/[._-]/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function ExpiryField({ form, current }: { form: ServerForm<ApiKeyValues>; current: string | null | undefined }) {
  const t = useTranslations("apiKeys");
  const format = useFormatter();
  const presets = ["days30", "days90", "year", "never", "date"] as const;
  const options = presets.map((value) => ({ value, label: t(`expiries.${value}`) }));
  const unchanged = {
    value: "unchanged",
    label: current
      ? t("expiresOn", { date: format.dateTime(new Date(current), { dateStyle: "medium" }) })
      : t("expiries.never"),
  };
  return (
    <>
      <SelectField
        label={t("expiry")}
        options={
          current === undefined ? options : [unchanged, ...options.filter(({ value }) => current || value !== "never")]
        }
        {...form.field("expiry")}
      />
      {form.form.watch("expiry") === "date" && (
        <TextField label={t("date")} type="date" min={new Date().toISOString().slice(0, 10)} {...form.field("date")} />
      )}
    </>
  );
}
