import type { AuditEntryRead, AuditLogListEntriesData } from "undercroft-client";
import { api } from "@/lib/api";
import { listQuery } from "@/lib/query";

type Query = NonNullable<AuditLogListEntriesData["query"]>;

export type Filters = Pick<Query, "actor" | "action" | "target" | "team_id" | "request_id" | "from" | "to">;

export type Entry = AuditEntryRead;

export const AUDIT = ["admin", "audit"] as const;

export const auditQuery = (filters: Filters) =>
  listQuery([...AUDIT, filters], (cursor, signal) => api.auditLog.listEntries({ ...filters, ...cursor }, { signal }));
