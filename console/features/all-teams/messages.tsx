"use client";

import type { ReactNode } from "react";
import { MoreTexts } from "@/lib/i18n";
import allTeams from "@/messages/en/all-teams.json";
import auditLog from "@/messages/en/audit-log.json";

const english = { ...allTeams, ...auditLog };

export function AllTeamTexts({ children }: { children: ReactNode }) {
  return <MoreTexts english={english}>{children}</MoreTexts>;
}
