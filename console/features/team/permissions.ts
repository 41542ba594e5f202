"use client";

import type { PermissionRead } from "undercroft-client";
import { useTranslations } from "@/lib/i18n";

/** Groups permissions by what they are about, such as `projects` of `projects:read`, in their order. */
export function groupPermissions(permissions: readonly PermissionRead[]): [string, PermissionRead[]][] {
  const groups = new Map<string, PermissionRead[]>();
  for (const permission of permissions) {
    const group = permission.name.split(":")[0] ?? "";
    groups.set(group, [...(groups.get(group) ?? []), permission]);
  }
  return [...groups];
}

interface Texts {
  group: (group: string) => string;
  describe: (permission: PermissionRead) => string;
}

/** Texts of permissions in the user's language. Those of modules without a translation are the server's. */
export function usePermissionTexts(): Texts {
  const t = useTranslations("permissions");
  const translate = (key: string, otherwise: string) => (t.has(key as never) ? t(key as never) : otherwise);
  return {
    group: (group) => translate(`groups.${group}`, toTitle(group)),
    describe: ({ name, description }) => translate(`names.${name}`, description),
  };
}

const toTitle = (name: string) => (name.charAt(0).toUpperCase() + name.slice(1)).replaceAll("_", " ");
