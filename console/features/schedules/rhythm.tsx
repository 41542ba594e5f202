"use client";

import { useFormatter, useTranslations } from "@/lib/i18n";
import { readCron } from "./cron";

const SUNDAY = Date.UTC(2023, 0, 1);
const DAY = 86_400_000;
const MINUTE = 60_000;

interface Props {
  cron: string;
  timezone: string;
}

/** When a schedule runs, in words where possible. The pointer shows the crontab expression. */
export function Rhythm({ cron, timezone }: Props) {
  const text = useRhythm(cron);
  return (
    <span title={cron}>
      {text ?? <code>{cron}</code>} ({timezone})
    </span>
  );
}

function useRhythm(cron: string): string | undefined {
  const t = useTranslations("schedules");
  const format = useFormatter();
  const rhythm = readCron(cron);
  const atTimes = (times: readonly number[]) =>
    format.list(
      times.map((time) => format.dateTime(new Date(SUNDAY + time * MINUTE), { timeStyle: "short", timeZone: "UTC" })),
    );
  const weekday = (day: number) => format.dateTime(new Date(SUNDAY + day * DAY), { weekday: "long", timeZone: "UTC" });
  switch (rhythm?.kind) {
    case "minutes":
      return t("everyMinutes", { every: rhythm.every });
    case "hours":
      return t("everyHours", { every: rhythm.every, minute: rhythm.minute });
    case "daily":
      return t("daily", { times: atTimes(rhythm.times) });
    case "weekly":
      return t("weekly", { days: format.list(rhythm.days.map(weekday)), times: atTimes(rhythm.times) });
    case "monthly":
      return t("monthly", { dates: format.list(rhythm.dates.map(String)), times: atTimes(rhythm.times) });
    default:
      return undefined;
  }
}
