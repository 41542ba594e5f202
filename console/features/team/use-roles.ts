"use client";

import type { RoleGrants } from "undercroft-client";
import { useCan, useMatrix } from "@/features/teams/current";
import { useTranslations } from "@/lib/i18n";

const BUILT_IN = ["owner", "admin", "member", "viewer"] as const;

const isBuiltIn = (name: string): name is (typeof BUILT_IN)[number] => BUILT_IN.some((role) => role === name);

export interface Role extends RoleGrants {
  /** The name in the user's language; that of a custom role is the team's. */
  label: string;
  /** Whether the user may give the role to members and take it from them: only with all of its permissions. */
  isAssignable: boolean;
}

/** The roles of the team, the strongest first, then custom roles. */
export function useRoles(): Role[] {
  const t = useTranslations("teams.roles");
  const can = useCan();
  return useMatrix().roles.map((role) => ({
    ...role,
    label: isBuiltIn(role.name) ? t(`names.${role.name}`) : role.name,
    description: isBuiltIn(role.name) ? t(`descriptions.${role.name}`) : role.description,
    isAssignable: role.permissions.every(can),
  }));
}

/** Returns the name of a role in the user's language. */
export function useRoleLabel(): (name: string) => string {
  const roles = useRoles();
  return (name) => roles.find((role) => role.name === name)?.label ?? name;
}
