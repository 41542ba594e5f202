"use client";

import Link from "next/link";
import { ChevronRight } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Fact, Facts } from "@/components/facts";
import { DateTime, RelativeTime } from "@/components/time";
import { useTeamHref } from "@/features/teams/current";
import { useTranslations } from "@/lib/i18n";
import type { Entry } from "./queries";

/** An entry of the audit log, whose details open below it. */
export function AuditEntry({ entry }: { entry: Entry }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details className="group" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary className="flex cursor-pointer list-none flex-wrap items-center gap-x-4 gap-y-1 px-5 py-3 -outline-offset-2 hover:bg-ground [&::-webkit-details-marker]:hidden">
        <ChevronRight className="size-4 shrink-0 text-quiet transition-transform group-open:rotate-90" aria-hidden />
        <span className="min-w-0 flex-1 basis-52 font-mono text-sm break-words">{entry.action}</span>
        <span className="min-w-0 text-sm break-words">
          <ActorName entry={entry} />
        </span>
        <span className="text-sm text-quiet">
          <RelativeTime value={entry.occurred_at} />
        </span>
      </summary>
      {isOpen && <Details entry={entry} />}
    </details>
  );
}

function ActorName({ entry: { actor } }: { entry: Entry }) {
  const t = useTranslations("auditLog");
  const name = actor.full_name || actor.email || actor.user_id;
  if (actor.kind === "user" && name !== null) return name;
  return name === null ? t(`actors.${actor.kind}`) : t("onBehalf", { kind: t(`actors.${actor.kind}`), name });
}

const LINKED = { user: "/admin/users/user/", team: "/admin/teams/team/", job: "/admin/jobs/job/" } as const;

const isLinked = (type: string | null): type is keyof typeof LINKED => type !== null && type in LINKED;

function Details({ entry }: { entry: Entry }) {
  const t = useTranslations("auditLog");
  const { actor } = entry;
  return (
    <div className="grid gap-5 border-t border-line bg-ground px-5 py-4 text-sm">
      <Facts>
        <Fact label={t("time")}>
          <DateTime value={entry.occurred_at} />
        </Fact>
        <Fact label={t("actor")}>
          <ActorName entry={entry} />
          {actor.user_id !== null && (
            <>
              <br />
              <Reference type="user" id={actor.user_id} />
              <FilterLink name="actor" value={actor.user_id} />
            </>
          )}
        </Fact>
        {actor.impersonator_id !== null && (
          <Fact label={t("impersonator")}>
            <Reference type="user" id={actor.impersonator_id} />
          </Fact>
        )}
        {entry.target_type !== null && (
          <Fact label={t("target")}>
            {entry.target_type}
            {entry.target_id !== null && (
              <>
                <br />
                <Reference type={entry.target_type} id={entry.target_id} />
                <FilterLink name="target" value={`${entry.target_type}:${entry.target_id}`} />
              </>
            )}
          </Fact>
        )}
        {entry.team_id !== null && (
          <Fact label={t("team")}>
            <Reference type="team" id={entry.team_id} />
            <FilterLink name="team_id" value={entry.team_id} />
          </Fact>
        )}
        {entry.request_id !== null && (
          <Fact label={t("request")}>
            <Id>{entry.request_id}</Id>
            <FilterLink name="request_id" value={entry.request_id} />
          </Fact>
        )}
        {entry.ip !== null && <Fact label={t("ip")}>{entry.ip}</Fact>}
        {entry.user_agent !== null && <Fact label={t("userAgent")}>{entry.user_agent}</Fact>}
      </Facts>
      <Changes entry={entry} />
    </div>
  );
}

function Id({ children }: { children: ReactNode }) {
  return <code className="text-xs break-all">{children}</code>;
}

function Reference({ type, id }: { type: string; id: string }) {
  const href = useTeamHref();
  if (!isLinked(type)) return <Id>{id}</Id>;
  return (
    <Link href={href(LINKED[type], { id })} prefetch={false} className="text-accent underline">
      <Id>{id}</Id>
    </Link>
  );
}

function FilterLink({ name, value }: { name: string; value: string }) {
  const t = useTranslations("auditLog");
  const href = useTeamHref();
  return (
    <Link
      href={href("/admin/audit/", { [name]: value })}
      prefetch={false}
      className="block w-fit py-1 text-xs text-quiet underline"
    >
      {t("showAll")}
    </Link>
  );
}

/** What the action changed, and what else is known about it. */
function Changes({ entry }: { entry: Entry }) {
  const t = useTranslations("auditLog");
  const changed = [...new Set([...Object.keys(entry.before), ...Object.keys(entry.after)])];
  const details = Object.entries(entry.details);
  if (changed.length === 0 && details.length === 0) return null;
  return (
    <div className="grid gap-4 overflow-x-auto" tabIndex={0} role="group" aria-label={t("changes")}>
      {changed.length > 0 && (
        <table className="w-full text-left">
          <thead className="text-quiet">
            <tr>
              <th className="py-1 pr-4 font-normal">{t("field")}</th>
              <th className="py-1 pr-4 font-normal">{t("before")}</th>
              <th className="py-1 font-normal">{t("after")}</th>
            </tr>
          </thead>
          <tbody>
            {changed.map((name) => (
              <tr key={name} className="border-t border-line align-top">
                <th className="py-1.5 pr-4 font-mono text-xs font-normal">{name}</th>
                <td className="py-1.5 pr-4 break-words">
                  <Value value={entry.before[name]} />
                </td>
                <td className="py-1.5 break-words">
                  <Value value={entry.after[name]} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {details.length > 0 && (
        <dl className="grid gap-1">
          {details.map(([name, value]) => (
            <div key={name} className="flex flex-wrap gap-x-3">
              <dt className="font-mono text-xs leading-5 text-quiet">{name}</dt>
              <dd className="min-w-0 break-words">
                <Value value={value} />
              </dd>
            </div>
          ))}
        </dl>
      )}
    </div>
  );
}

function Value({ value }: { value: unknown }) {
  if (value === undefined || value === null) return <span className="text-quiet">–</span>;
  return typeof value === "object" ? <code className="text-xs">{JSON.stringify(value)}</code> : String(value);
}
