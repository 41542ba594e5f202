import type { FlagRead } from "undercroft-client";
import { api } from "@/lib/api";
import { query } from "@/lib/query";

export type Flag = FlagRead;

export const FLAGS = ["admin", "flags"] as const;

export const flagsQuery = query([...FLAGS, "list"], (signal) => api.featureFlags.listFlags({ signal }));

export const flagQuery = (key: string) =>
  query([...FLAGS, "flag", key], (signal) => api.featureFlags.readFlag({ key }, { signal }));
