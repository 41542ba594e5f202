"use client";

import { useInfiniteQuery } from "@tanstack/react-query";
import Link from "next/link";
import { ErrorPanel } from "@/components/error-text";
import { Section, SkeletonRows } from "@/components/ui/layout";
import { useTeamHref } from "@/features/teams/current";
import { useTranslations } from "@/lib/i18n";
import { AuditEntry } from "./entry";
import { auditQuery } from "./queries";

const SHOWN = 5;

interface Props {
  /** Shows entries about this target, or those of a team. */
  target?: string;
  teamId?: string;
  /** Offers the entries of what this user has done. */
  actor?: string;
}

/** The latest entries of the audit log about a user or a team. */
export function RecentEntries({ target, teamId, actor }: Props) {
  const t = useTranslations("auditLog");
  const href = useTeamHref();
  const filters = { target, team_id: teamId };
  const entries = useInfiniteQuery(auditQuery(filters));
  const items = entries.data?.pages[0]?.items;
  const link = "text-sm text-accent underline";
  const links = (
    <div className="flex flex-wrap gap-x-4">
      <Link href={href("/admin/audit/", filters)} prefetch={false} className={link}>
        {t("all")}
      </Link>
      {actor !== undefined && (
        <Link href={href("/admin/audit/", { actor })} prefetch={false} className={link}>
          {t("byUser")}
        </Link>
      )}
    </div>
  );
  return (
    <Section title={t("recent")} actions={links}>
      {items === undefined ? (
        entries.error ? (
          <ErrorPanel error={entries.error} onRetry={() => void entries.refetch()} />
        ) : (
          <SkeletonRows count={3} />
        )
      ) : items.length === 0 ? (
        <p className="text-sm text-quiet">{t("noRecent")}</p>
      ) : (
        <ul aria-label={t("recent")} className="-mx-5 divide-y divide-line sm:-mx-6">
          {items.slice(0, SHOWN).map((entry) => (
            <li key={entry.id}>
              <AuditEntry entry={entry} />
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}
