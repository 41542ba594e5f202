"use client";

import type { ReactNode } from "react";
import { MoreTexts } from "@/lib/i18n";
import allTeams from "@/messages/en/all-teams.json";
import auditLog from "@/messages/en/audit-log.json";
import users from "@/messages/en/users.json";

const english = { ...users, ...allTeams, ...auditLog };

export function UserTexts({ children }: { children: ReactNode }) {
  return <MoreTexts english={english}>{children}</MoreTexts>;
}
