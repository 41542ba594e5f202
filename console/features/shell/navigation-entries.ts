"use client";

import { useMe } from "@/features/session/session";
import { useCan } from "@/features/teams/current";
import { useHasModule } from "./config";
import { ADMIN_PAGES, USER_PAGES, type Entry } from "./navigation";

/** The entries of the navigation that the user may open. */
export function useEntries(): { user: Entry[]; admin: Entry[] } {
  const can = useCan();
  const { role } = useMe();
  const has = useHasModule();
  const isOffered = ({ module, permission }: Entry) =>
    (module === undefined || has(module)) && (permission === undefined || can(permission));
  return { user: USER_PAGES.filter(isOffered), admin: role === "user" ? [] : ADMIN_PAGES.filter(isOffered) };
}
