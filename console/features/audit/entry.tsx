"use client";

import { ChevronRight } from "lucide-react";
import { useState, type ReactNode } from "react";
import { DateTime, RelativeTime } from "@/components/time";
import { useTranslations } from "@/lib/i18n";
import type { AuditEntry } from "./queries";
import { useLabels } from "./use-labels";

interface Props {
  entry: AuditEntry;
  /** Links and buttons at the end of the details. */
  actions?: ReactNode;
}

/** An entry of an audit log, which opens to its details. */
export function AuditRow({ entry, actions }: Props) {
  const t = useTranslations("audit");
  const labels = useLabels();
  const [isOpen, setOpen] = useState(false);
  const subject = subjectOf(entry);
  return (
    <details className="group" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary className="flex cursor-pointer list-none items-start gap-3 px-5 py-3 -outline-offset-2 hover:bg-ground [&::-webkit-details-marker]:hidden">
        <ChevronRight
          className="mt-1 size-4 shrink-0 text-quiet transition-transform group-open:rotate-90"
          aria-hidden
        />
        <span className="flex min-w-0 flex-1 flex-wrap items-baseline gap-x-4 gap-y-0.5">
          <span className="min-w-0 flex-1 basis-60 break-words">
            <span className="font-medium">{labels.action(entry.action)}</span>
            {subject !== undefined && <span className="text-quiet"> {t("subject", { subject })}</span>}
          </span>
          <span className="max-w-56 min-w-0 truncate text-sm">{labels.actor(entry.actor)}</span>
          <span className="text-sm text-quiet">
            <RelativeTime value={entry.occurred_at} />
          </span>
        </span>
      </summary>
      {isOpen && <Details entry={entry} actions={actions} />}
    </details>
  );
}

/** What the entry is about, if it names it. */
function subjectOf({ before, after }: AuditEntry): string | undefined {
  const found = [after["name"], before["name"], after["email"], before["email"]].find((value) => value);
  return typeof found === "string" ? found : undefined;
}

function Details({ entry, actions }: Props) {
  const t = useTranslations("audit");
  const names = [...new Set([...Object.keys(entry.before), ...Object.keys(entry.after)])];
  const facts: [string, ReactNode][] = [
    [t("time"), <DateTime key="time" value={entry.occurred_at} />],
    [t("action"), <code key="action">{entry.action}</code>],
    [t("target"), [entry.target_type, entry.target_id].filter(Boolean).join(" ")],
    [t("ip"), entry.ip],
    [t("userAgent"), entry.user_agent],
    [t("requestId"), entry.request_id],
  ];
  return (
    <div className="grid gap-4 border-t border-line bg-ground px-5 py-4 text-sm sm:pl-12">
      {names.length > 0 && <Changes entry={entry} names={names} />}
      {Object.keys(entry.details).length > 0 && <More details={entry.details} />}
      <dl className="grid gap-x-4 gap-y-1 sm:grid-cols-[max-content_1fr]">
        {facts
          .filter(([, value]) => value)
          .map(([label, value]) => (
            <Fact key={label} label={label}>
              {value}
            </Fact>
          ))}
      </dl>
      {actions !== undefined && <div className="flex flex-wrap gap-2">{actions}</div>}
    </div>
  );
}

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <>
      <dt className="text-quiet">{label}</dt>
      <dd className="min-w-0 break-words select-all">{children}</dd>
    </>
  );
}

/** The changed fields, before and after. */
function Changes({ entry, names }: { entry: AuditEntry; names: readonly string[] }) {
  const t = useTranslations("audit");
  const labels = useLabels();
  return (
    <table className="w-full table-fixed border-collapse text-left">
      <thead>
        <tr className="text-quiet">
          <th scope="col" className="w-1/4 pr-3 pb-1 font-normal">
            {t("field")}
          </th>
          <th scope="col" className="pr-3 pb-1 font-normal">
            {t("before")}
          </th>
          <th scope="col" className="pb-1 font-normal">
            {t("after")}
          </th>
        </tr>
      </thead>
      <tbody>
        {names.map((name) => (
          <tr key={name} className="border-t border-line align-top">
            <th scope="row" className="py-1.5 pr-3 font-medium break-words">
              {labels.field(name)}
            </th>
            <td className="py-1.5 pr-3 break-words whitespace-pre-wrap">
              <Value value={entry.before[name]} className="text-bad" />
            </td>
            <td className="py-1.5 break-words whitespace-pre-wrap">
              <Value value={entry.after[name]} className="text-good" />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function More({ details }: { details: Record<string, unknown> }) {
  const labels = useLabels();
  return (
    <dl className="grid gap-x-4 gap-y-1 sm:grid-cols-[max-content_1fr]">
      {Object.entries(details).map(([name, value]) => (
        <Fact key={name} label={labels.field(name)}>
          <Value value={value} />
        </Fact>
      ))}
    </dl>
  );
}

function Value({ value, className }: { value: unknown; className?: string }) {
  const t = useTranslations("audit");
  if (value === undefined || value === null || value === "") return <span className="text-quiet">{t("empty")}</span>;
  if (typeof value === "boolean") return <span className={className}>{t(value ? "yes" : "no")}</span>;
  if (Array.isArray(value)) return <span className={className}>{value.map(asText).join("\n") || t("empty")}</span>;
  return <span className={className}>{asText(value)}</span>;
}

const asText = (value: unknown): string => (typeof value === "object" ? JSON.stringify(value, null, 1) : String(value));
