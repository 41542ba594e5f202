"use client";

import { useInfiniteQuery } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { FilterSelect, List, Toolbar } from "@/components/list";
import { Button } from "@/components/ui/button";
import { Empty } from "@/components/ui/layout";
import { TeamPage } from "@/features/team/page";
import { useTeam } from "@/features/teams/current";
import { useTranslations } from "@/lib/i18n";
import { useParams } from "@/lib/url";
import { ActorFilter } from "./actor-filter";
import { DayFilter } from "./day-filter";
import { startOfDay } from "./days";
import { AuditRow } from "./entry";
import { teamExportHref, teamLogQuery, type AuditEntry, type AuditFilters } from "./queries";
import { useLabels } from "./use-labels";

const GROUPS = ["team", "member", "invitation", "role", "project", "api_key", "audit"] as const;

export function TeamAuditLog() {
  const t = useTranslations("audit");
  const team = useTeam();
  const filters = useFilters();
  return (
    <TeamPage
      text={t("text")}
      actions={
        <>
          <Export href={teamExportHref(team.id, "csv", filters)} label={t("exportCsv")} />
          <Export href={teamExportHref(team.id, "jsonl", filters)} label={t("exportJson")} />
        </>
      }
    >
      <Log filters={filters} />
    </TeamPage>
  );
}

/** The filters in the URL. Days are those of the user's time zone, including the last one. */
function useFilters(): AuditFilters {
  const [params] = useParams();
  const found = {
    action: params.get("action"),
    actor: params.get("actor"),
    from: startOfDay(params.get("from")),
    to: startOfDay(params.get("to"), 1),
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value)) as AuditFilters;
}

function Export({ href, label }: { href: string; label: string }) {
  return (
    <Button asChild variant="secondary">
      <a href={href} download>
        <Download className="size-4" aria-hidden />
        {label}
      </a>
    </Button>
  );
}

function Log({ filters }: { filters: AuditFilters }) {
  const t = useTranslations("audit");
  const team = useTeam();
  const [params, change] = useParams();
  const entries = useInfiniteQuery(teamLogQuery(team.id, filters));
  const isFiltered = Object.keys(filters).length > 0;
  const known = entries.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <>
      <Toolbar>
        <ActionFilter />
        <ActorFilter entries={known} />
        <DayFilter label={t("from")} name="from" max={params.get("to")} />
        <DayFilter label={t("to")} name="to" min={params.get("from")} />
        {isFiltered && (
          <Button
            variant="quiet"
            onClick={() => change({ action: undefined, actor: undefined, from: undefined, to: undefined })}
          >
            {t("clear")}
          </Button>
        )}
      </Toolbar>
      <List
        query={entries}
        label={t("title")}
        keyOf={(entry) => entry.id}
        render={(entry) => <AuditRow entry={entry} actions={<OnlySimilar entry={entry} />} />}
        empty={
          isFiltered ? (
            <Empty title={t("noMatchTitle")} text={t("noMatchText")} />
          ) : (
            <Empty title={t("emptyTitle")} text={t("emptyText")} />
          )
        }
      />
    </>
  );
}

function ActionFilter() {
  const t = useTranslations("audit");
  const labels = useLabels();
  const [params, change] = useParams();
  const action = params.get("action") ?? "";
  const groups = GROUPS.map((group) => ({ value: `${group}.*`, label: t(`groups.${group}`) }));
  const isOther = action !== "" && groups.every(({ value }) => value !== action);
  return (
    <FilterSelect
      label={t("action")}
      value={action}
      options={[
        { value: "", label: t("anyAction") },
        ...groups,
        ...(isOther ? [{ value: action, label: labels.action(action) }] : []),
      ]}
      onChange={(value) => change({ action: value })}
    />
  );
}

/** Filters by the action or the actor of an entry. */
function OnlySimilar({ entry }: { entry: AuditEntry }) {
  const t = useTranslations("audit");
  const [, change] = useParams();
  const { kind, user_id } = entry.actor;
  return (
    <>
      <Button variant="secondary" size="small" onClick={() => change({ action: entry.action })}>
        {t("onlyAction")}
      </Button>
      <Button variant="secondary" size="small" onClick={() => change({ actor: user_id ?? kind })}>
        {t("onlyActor")}
      </Button>
    </>
  );
}
