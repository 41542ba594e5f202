"use client";

import type { ReactNode } from "react";
import { MoreTexts } from "@/lib/i18n";
import english from "@/messages/en/health.json";

export function HealthTexts({ children }: { children: ReactNode }) {
  return <MoreTexts english={english}>{children}</MoreTexts>;
}
