"use client";

import type { JobStatus } from "undercroft-client";
import { Badge } from "@/components/ui/layout";
import { useTranslations } from "@/lib/i18n";

const STATUSES = ["queued", "running", "succeeded", "failed", "canceled"] as const satisfies JobStatus[];

const TONES = {
  queued: "neutral",
  running: "neutral",
  succeeded: "good",
  failed: "bad",
  canceled: "neutral",
} as const;

export function useStatusOptions(): { value: JobStatus; label: string }[] {
  const t = useTranslations("jobs.statuses");
  return STATUSES.map((value) => ({ value, label: t(value) }));
}

export function JobStatusBadge({ status }: { status: JobStatus }) {
  const t = useTranslations("jobs.statuses");
  return <Badge tone={TONES[status]}>{t(status)}</Badge>;
}
