import type { ApiKeyRead, ApiKeysListData } from "undercroft-client";
import { api } from "@/lib/api";
import { listQuery, readNumbered } from "@/lib/query";

type Filters = Pick<NonNullable<ApiKeysListData["query"]>, "q" | "sort" | "kind">;

export const apiKeysKey = (teamId: string) => ["teams", teamId, "api-keys"] as const;

export const apiKeysQuery = (teamId: string, filters: Filters) =>
  listQuery([...apiKeysKey(teamId), filters], (cursor, signal) =>
    readNumbered(cursor, (page) => api.apiKeys.list({ "X-Team-ID": teamId, ...filters, ...page }, { signal })),
  );

export type ApiKey = ApiKeyRead;
