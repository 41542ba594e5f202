import type { SessionRead } from "undercroft-client";
import { api } from "@/lib/api";
import { listQuery, readNumbered } from "@/lib/query";

export const SESSIONS = ["sessions"] as const;

export const sessionsQuery = listQuery(SESSIONS, (cursor, signal) =>
  readNumbered(cursor, (page) => api.sessions.list(page, { signal })),
);

export type Session = SessionRead;
