"use client";

import type { ReactNode } from "react";
import { MoreTexts } from "@/lib/i18n";
import english from "@/messages/en/statistics.json";

export function StatisticsTexts({ children }: { children: ReactNode }) {
  return <MoreTexts english={english}>{children}</MoreTexts>;
}
