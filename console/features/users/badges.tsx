"use client";

import type { PlatformRole } from "undercroft-client";
import { Badge } from "@/components/ui/layout";
import { useTranslations } from "@/lib/i18n";
import type { User } from "./queries";

export const ROLES = ["user", "admin", "superadmin"] as const satisfies PlatformRole[];

export function useRoleOptions(): { value: PlatformRole; label: string }[] {
  const t = useTranslations("users.roles");
  return ROLES.map((value) => ({ value, label: t(value) }));
}

/** What is special about a user: an administrator's role, and what prevents signing in. */
export function UserBadges({ user }: { user: User }) {
  const t = useTranslations("users");
  return (
    <span className="flex flex-wrap gap-1.5 empty:hidden">
      {user.role !== "user" && <Badge>{t(`roles.${user.role}`)}</Badge>}
      {!user.is_active && <Badge tone="bad">{t("deactivated")}</Badge>}
      {!user.email_verified && <Badge tone="bad">{t("unverified")}</Badge>}
      {user.second_factors.length > 0 && <Badge tone="good">{t("hasMfa")}</Badge>}
    </span>
  );
}
