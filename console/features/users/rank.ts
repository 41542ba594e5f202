"use client";

import { useMe } from "@/features/session/session";
import { useHasModule } from "@/features/shell/config";
import type { User } from "./queries";

export interface Rank {
  /** Whether it is the administrator's own account, which is managed in its own settings. */
  isSelf: boolean;
  /** Whether the administrator may change the user: only superadmins may change administrators. */
  canChange: boolean;
  /** Whether the administrator may change roles and reset second factors. */
  isSuperadmin: boolean;
  canImpersonate: boolean;
}

/** What the administrator may do with a user, by the rules of the server. */
export function useRank(user: User): Rank {
  const me = useMe();
  const has = useHasModule();
  const isSelf = me.id === user.id;
  const isSuperadmin = me.role === "superadmin";
  const isBelow = user.role === "user" || (isSuperadmin && user.role === "admin");
  return {
    isSelf,
    isSuperadmin,
    canChange: !isSelf && (isSuperadmin || user.role === "user"),
    canImpersonate: !isSelf && isBelow && user.is_active && has("impersonation"),
  };
}
