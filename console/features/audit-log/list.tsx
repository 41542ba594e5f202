"use client";

import { useInfiniteQuery } from "@tanstack/react-query";
import { Download, X } from "lucide-react";
import { useCallback } from "react";
import { FilterSelect, List, SearchField, Toolbar } from "@/components/list";
import { Button } from "@/components/ui/button";
import { Empty, PageHeader } from "@/components/ui/layout";
import { Menu } from "@/components/ui/menu";
import { useTranslations } from "@/lib/i18n";
import { useParams } from "@/lib/url";
import { AuditEntry } from "./entry";
import { completeAction, exportPath, isValid, readFilters } from "./filters";
import { auditQuery, type Filters } from "./queries";

const KINDS = ["user", "api_key", "job", "command", "system", "anonymous"] as const;

const REMOVABLE = ["actor", "target", "team_id", "request_id"] as const;

export function AuditLog() {
  const t = useTranslations("auditLog");
  const [params, change] = useParams();
  const filters = readFilters(params);
  const entries = useInfiniteQuery(auditQuery(filters));
  const search = useCallback((text: string) => change({ action: completeAction(text.trim()) }), [change]);
  const action = params.get("action") ?? "";
  const isFiltered = Object.keys(filters).length > 0;
  const kind = KINDS.find((each) => each === filters.actor) ?? "";
  return (
    <>
      <PageHeader title={t("title")} text={t("text")} actions={<Export filters={filters} />} />
      <Toolbar>
        <SearchField label={t("action")} value={action} onSearch={search} />
        <FilterSelect
          label={t("actor")}
          value={kind}
          options={[
            { value: "", label: t("anyActor") },
            ...KINDS.map((value) => ({ value, label: t(`actors.${value}`) })),
          ]}
          onChange={(actor) => change({ actor })}
        />
        <Day label={t("from")} value={params.get("from") ?? ""} onChange={(from) => change({ from })} />
        <Day label={t("to")} value={params.get("to") ?? ""} onChange={(to) => change({ to })} />
      </Toolbar>
      {action !== "" && !isValid("action", action) && (
        <p role="status" className="mb-4 text-sm text-bad">
          {t("invalidAction")}
        </p>
      )}
      <div className="mb-4 flex flex-wrap gap-2 empty:hidden">
        {REMOVABLE.filter((name) => filters[name] && !(name === "actor" && kind !== "")).map((name) => (
          <Button
            key={name}
            variant="secondary"
            size="small"
            className="max-w-full"
            aria-label={t("removeFilter", { name: t(`filters.${name}`) })}
            onClick={() => change({ [name]: undefined })}
          >
            <span className="truncate">
              {t(`filters.${name}`)}: <span className="font-mono text-xs">{filters[name]}</span>
            </span>
            <X className="size-4 shrink-0" aria-hidden />
          </Button>
        ))}
      </div>
      <List
        query={entries}
        label={t("title")}
        keyOf={(entry) => entry.id}
        render={(entry) => <AuditEntry entry={entry} />}
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

function Export({ filters }: { filters: Filters }) {
  const t = useTranslations("auditLog");
  const download = (format: "csv" | "jsonl") => () => window.location.assign(exportPath(filters, format));
  return (
    <Menu
      trigger={
        <Button variant="secondary">
          <Download className="size-4" aria-hidden />
          {t("export")}
        </Button>
      }
      entries={[
        { heading: t("exportText") },
        { label: t("csv"), onSelect: download("csv") },
        { label: t("jsonl"), onSelect: download("jsonl") },
      ]}
    />
  );
}

interface DayProps {
  label: string;
  value: string;
  onChange: (day: string) => void;
}

function Day({ label, value, onChange }: DayProps) {
  return (
    <label className="flex h-10 items-center gap-2 rounded-lg border border-line bg-card px-3 text-sm">
      <span className="text-quiet">{label}</span>
      <input
        type="date"
        value={value}
        onChange={(event) => onChange(event.target.value)}
        className="bg-transparent dark:scheme-dark"
      />
    </label>
  );
}
