"use client";

import type { ReactNode } from "react";
import { MoreTexts } from "@/lib/i18n";
import audit from "@/messages/en/audit.json";
import team from "@/messages/en/team.json";

const english = { ...team, ...audit };

export function TeamTexts({ children }: { children: ReactNode }) {
  return <MoreTexts english={english}>{children}</MoreTexts>;
}
