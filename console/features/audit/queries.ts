import type { AuditEntryRead } from "undercroft-client";
import { api } from "@/lib/api";
import { listQuery } from "@/lib/query";
import { withParams } from "@/lib/url";

export type AuditEntry = AuditEntryRead;

/** The filters as the API takes them. */
export interface AuditFilters {
  action?: string;
  actor?: string;
  from?: string;
  to?: string;
}

export const teamLogQuery = (teamId: string, filters: AuditFilters) =>
  listQuery<AuditEntry, { items: AuditEntry[]; next_cursor: string | null }>(
    ["teams", teamId, "audit", filters],
    (cursor, signal) => api.teams.listAuditEntries({ team_id: teamId, ...filters, ...cursor }, { signal }),
  );

/** The address of the log as a file. The browser downloads it with the cookie of the session. */
export const teamExportHref = (teamId: string, format: "csv" | "jsonl", filters: AuditFilters): string =>
  withParams(`/api/v1/app/teams/${teamId}/audit-logs/export`, { ...filters, format });
