"use client";

import type { ProjectStatus } from "undercroft-client";
import { Badge } from "@/components/ui/layout";
import { useTranslations } from "@/lib/i18n";

const STATUSES = ["active", "on_hold", "done"] as const satisfies ProjectStatus[];

const TONES = { active: "good", on_hold: "neutral", done: "neutral" } as const;

export function useStatusOptions(): { value: ProjectStatus; label: string }[] {
  const t = useTranslations("projects.statuses");
  return STATUSES.map((value) => ({ value, label: t(value) }));
}

export function StatusBadge({ status }: { status: ProjectStatus }) {
  const t = useTranslations("projects.statuses");
  return <Badge tone={TONES[status]}>{t(status)}</Badge>;
}
