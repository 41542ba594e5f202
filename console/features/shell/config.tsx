"use client";

import { useQuery } from "@tanstack/react-query";
import type { ConsoleRead } from "undercroft-client";
import { api } from "@/lib/api";
import { query } from "@/lib/query";

const NOTHING: ConsoleRead = {
  app_name: "",
  disabled_modules: [],
  pages: [],
  local_accounts: true,
  admin_url: null,
  mailbox_url: null,
  docs_url: null,
};

/** What the server offers: its name, its modules and its other pages. */
export function useConfig(): ConsoleRead {
  const config = useQuery({ ...query(["console"], (signal) => api.console.read({ signal })), staleTime: Infinity });
  return config.data ?? NOTHING;
}

/** Returns whether the server has an optional module. */
export function useHasModule(): (module: string) => boolean {
  const { disabled_modules } = useConfig();
  return (module) => !disabled_modules.includes(module);
}
