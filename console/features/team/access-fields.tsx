"use client";

import { useQuery } from "@tanstack/react-query";
import type { TeamRead } from "undercroft-client";
import Link from "next/link";
import type { ServerForm } from "@/components/form";
import { Checkbox, SelectField } from "@/components/ui/field";
import { Section } from "@/components/ui/layout";
import { mfaQuery } from "@/features/security/queries";
import { useMe } from "@/features/session/session";
import { useHasModule } from "@/features/shell/config";
import { useTranslations } from "@/lib/i18n";
import type { SettingsValues } from "./settings-form";
import { useRoles } from "./use-roles";

interface Props {
  form: ServerForm<SettingsValues>;
  team: TeamRead;
}

/** The settings that decide who can use the team. */
export function AccessFields({ form, team }: Props) {
  const t = useTranslations("team.settings");
  const has = useHasModule();
  return (
    <>
      {has("mfa") && (
        <Section title={t("security")}>
          <RequireMfa form={form} team={team} />
        </Section>
      )}
      <Section title={t("joining")} text={t("joiningText")}>
        <div className="grid gap-4">
          <Domains form={form} team={team} />
          <JoinRole form={form} />
        </div>
      </Section>
    </>
  );
}

/** Only owners with a second factor can require one of others. */
function RequireMfa({ form, team }: Props) {
  const t = useTranslations("team.settings");
  const factors = useQuery(mfaQuery);
  const isOff = factors.data !== undefined && !factors.data.totp && factors.data.passkeys.length === 0;
  const isRefused = isOff && !team.require_mfa;
  const { error, ...field } = form.field("require_mfa");
  return (
    <>
      <Checkbox
        label={t("requireMfa")}
        hint={
          isRefused
            ? t.rich("enrollFirst", {
                link: (text) => (
                  <Link href="/account/security/" prefetch={false} className="text-accent underline">
                    {text}
                  </Link>
                ),
              })
            : t("requireMfaHint")
        }
        disabled={isRefused}
        {...field}
      />
      {error !== undefined && <p className="mt-1 text-sm text-bad">{error}</p>}
    </>
  );
}

/** Owners can add the domain of their own verified address. */
function Domains({ form, team }: Props) {
  const t = useTranslations("team.settings");
  const me = useMe();
  const own = me.email_verified ? [me.email.split("@")[1] ?? ""] : [];
  const offered = [...new Set([...team.auto_join_domains, ...own])].sort();
  const chosen = form.form.watch("auto_join_domains");
  const { error } = form.field("auto_join_domains");
  const toggle = (domain: string, isChosen: boolean) =>
    form.form.setValue(
      "auto_join_domains",
      [...chosen.filter((each) => each !== domain), ...(isChosen ? [domain] : [])].sort(),
      { shouldDirty: true },
    );
  return (
    <fieldset>
      <legend className="text-sm font-medium">{t("domains")}</legend>
      <div className="mt-2 grid gap-2">
        {offered.map((domain) => (
          <Checkbox
            key={domain}
            label={domain}
            checked={chosen.includes(domain)}
            onChange={(event) => toggle(domain, event.target.checked)}
          />
        ))}
        {offered.length === 0 && <p className="text-sm text-quiet">{t("verifyFirst")}</p>}
      </div>
      {error !== undefined && <p className="mt-1.5 text-sm text-bad">{error}</p>}
    </fieldset>
  );
}

function JoinRole({ form }: Pick<Props, "form">) {
  const t = useTranslations("team.settings");
  const current = form.form.getValues("auto_join_role");
  const roles = useRoles().filter(({ name, isAssignable }) => name === current || (isAssignable && name !== "owner"));
  return (
    <SelectField
      label={t("joinRole")}
      options={roles.map(({ name, label }) => ({ value: name, label }))}
      {...form.field("auto_join_role")}
    />
  );
}
