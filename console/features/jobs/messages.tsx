"use client";

import type { ReactNode } from "react";
import { MoreTexts } from "@/lib/i18n";
import english from "@/messages/en/jobs.json";

export function JobTexts({ children }: { children: ReactNode }) {
  return <MoreTexts english={english}>{children}</MoreTexts>;
}
