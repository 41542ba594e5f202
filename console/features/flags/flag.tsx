"use client";

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { ApiError } from "undercroft-client";
import dynamic from "next/dynamic";
import { useRouter } from "next/navigation";
import { useState } from "react";
import { BackLink } from "@/components/back-link";
import { ErrorPanel } from "@/components/error-text";
import { Fact, Facts } from "@/components/facts";
import { DateTime } from "@/components/time";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Dialog } from "@/components/ui/dialog";
import { PageHeader, Section, Skeleton } from "@/components/ui/layout";
import { useTeamHref } from "@/features/teams/current";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useFormatter, useTranslations } from "@/lib/i18n";
import { useParams } from "@/lib/url";
import { Members } from "./members";
import { FLAGS, flagQuery, type Flag } from "./queries";
import { FlagBadge, WhoSeesIt } from "./state";

const RuleForm = dynamic(() => import("./rule-form").then((module) => module.RuleForm));

export function FlagPage() {
  const t = useTranslations("flags");
  const href = useTeamHref();
  const [params] = useParams();
  const flag = useQuery(flagQuery(params.get("key") ?? ""));
  return (
    <>
      <BackLink href={href("/admin/flags/")}>{t("title")}</BackLink>
      {flag.data !== undefined ? (
        <Details flag={flag.data} />
      ) : flag.error ? (
        <ErrorPanel error={flag.error} onRetry={() => void flag.refetch()} />
      ) : (
        <Skeleton className="h-64" />
      )}
    </>
  );
}

function Details({ flag }: { flag: Flag }) {
  const t = useTranslations("flags");
  const common = useTranslations("common");
  const [isEditing, setEditing] = useState(false);
  const toggle = useToggle(flag);
  return (
    <>
      <PageHeader
        title={<span className="font-mono">{flag.key}</span>}
        text={flag.description}
        actions={
          <>
            {flag.is_declared && (
              <>
                <Button variant="secondary" pending={toggle.isPending} onClick={() => toggle.mutate()}>
                  {t(flag.enabled ? "turnOff" : "turnOn")}
                </Button>
                <Button onClick={() => setEditing(true)}>{common("edit")}</Button>
              </>
            )}
            {!flag.is_default && <Reset flag={flag} />}
          </>
        }
      />
      <Section title={t("whoSeesIt")} actions={<FlagBadge flag={flag} />}>
        <WhoSeesIt flag={flag} />
      </Section>
      <Rule flag={flag} />
      <Dialog open={isEditing} onOpenChange={setEditing} title={t("edit")} description={flag.key}>
        <RuleForm flag={flag} onSaved={() => setEditing(false)} />
      </Dialog>
    </>
  );
}

function Rule({ flag }: { flag: Flag }) {
  const t = useTranslations("flags");
  const format = useFormatter();
  const share = format.number(flag.percentage / 100, { style: "percent", maximumFractionDigits: 2 });
  return (
    <Section title={t("rule")}>
      <Facts>
        <Fact label={t("share")}>{t(`shareOf.${flag.unit}`, { share })}</Fact>
        <Fact label={t("startsAt")}>
          {flag.starts_at === null ? t("noLimit") : <DateTime value={flag.starts_at} />}
        </Fact>
        <Fact label={t("endsAt")}>{flag.ends_at === null ? t("noLimit") : <DateTime value={flag.ends_at} />}</Fact>
        {flag.default !== null && <Fact label={t("defaultOfCode")}>{t(flag.default ? "on" : "off")}</Fact>}
      </Facts>
      {flag.users.length > 0 && (
        <div className="mt-5">
          <h3 className="mb-2 text-sm text-quiet">{t("users")}</h3>
          <Members kind="user" ids={flag.users} />
        </div>
      )}
      {flag.teams.length > 0 && (
        <div className="mt-5">
          <h3 className="mb-2 text-sm text-quiet">{t("teams")}</h3>
          <Members kind="team" ids={flag.teams} />
        </div>
      )}
    </Section>
  );
}

/** Turns the feature on or off. If another administrator was faster, the new rule is shown and nothing is changed. */
function useToggle(flag: Flag) {
  const t = useTranslations("flags");
  const client = useQueryClient();
  const { queryKey } = flagQuery(flag.key);
  return useAction({
    run: () => api.featureFlags.changeFlag({ key: flag.key, enabled: !flag.enabled, "If-Match": `"${flag.version}"` }),
    optimistic: () => {
      client.setQueryData(queryKey, { ...flag, enabled: !flag.enabled });
      return () => client.setQueryData(queryKey, flag);
    },
    success: (changed) => t(changed.enabled ? "turnedOn" : "turnedOff"),
    onSuccess: (changed) => client.setQueryData(queryKey, changed),
    invalidates: [FLAGS],
  });
}

function Reset({ flag }: { flag: Flag }) {
  const t = useTranslations("flags");
  const router = useRouter();
  const href = useTeamHref();
  const client = useQueryClient();
  const reset = useAction({
    run: () => api.featureFlags.resetFlag({ key: flag.key, "If-Match": `"${flag.version}"` }),
    success: t(flag.is_declared ? "wasReset" : "wasDeleted"),
    invalidates: [[...FLAGS, "list"]],
    onSuccess: () => {
      if (flag.is_declared) void client.invalidateQueries({ queryKey: FLAGS });
      else router.push(href("/admin/flags/"));
    },
  });
  const confirm = async () => {
    try {
      await reset.mutateAsync();
    } catch (error) {
      if (error instanceof ApiError && error.status === 412) await client.invalidateQueries({ queryKey: FLAGS });
      throw error;
    }
  };
  return (
    <Confirm
      title={t(flag.is_declared ? "resetTitle" : "deleteTitle")}
      text={t(flag.is_declared ? (flag.default ? "resetTextOn" : "resetTextOff") : "deleteText")}
      action={t(flag.is_declared ? "reset" : "deleteRule")}
      onConfirm={confirm}
    >
      <Button variant="danger">{t(flag.is_declared ? "reset" : "deleteRule")}</Button>
    </Confirm>
  );
}
