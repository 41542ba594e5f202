"use client";

import type { DailySeries } from "undercroft-client";
import { Card } from "@/components/ui/layout";
import { useFormatter, useTranslations } from "@/lib/i18n";
import { useNames } from "./names";

const HEIGHT = 100;
const STEP = 10;
const BAR = 7;

interface Props {
  /** Days in UTC, such as `2026-11-21`. */
  days: readonly string[];
  series: DailySeries;
}

/** The counts of the last days as bars, and as a table for those who cannot see them. */
export function DailyChart({ days, series: { section, name, counts } }: Props) {
  const t = useTranslations("statistics");
  const title = useNames()("daily", section, name);
  const format = useFormatter();
  const formatDay = (day: string) =>
    format.dateTime(new Date(`${day}T00:00:00Z`), { day: "numeric", month: "short", timeZone: "UTC" });
  const highest = Math.max(1, ...counts);
  const total = counts.reduce((sum, count) => sum + count, 0);
  return (
    <Card className="min-w-0 p-5 sm:p-6">
      <div className="flex flex-wrap items-baseline justify-between gap-2">
        <h2 className="font-semibold">{title}</h2>
        <p className="text-sm text-quiet">{t("highest", { count: Math.max(0, ...counts) })}</p>
      </div>
      <svg
        role="img"
        aria-label={t("chart", { title, total })}
        viewBox={`0 0 ${days.length * STEP} ${HEIGHT}`}
        preserveAspectRatio="none"
        className="mt-4 h-28 w-full border-b border-line"
      >
        {counts.map((count, index) => {
          const height = Math.max((count / highest) * HEIGHT, count > 0 ? 2 : 0);
          return (
            <g key={days[index]} className="fill-accent hover:fill-ink">
              <title>{`${formatDay(days[index] ?? "")}: ${format.number(count)}`}</title>
              <rect x={index * STEP} y={0} width={STEP} height={HEIGHT} className="fill-transparent" />
              <rect x={index * STEP + 1.5} y={HEIGHT - height} width={BAR} height={height} rx={1} />
            </g>
          );
        })}
      </svg>
      <div className="mt-1.5 flex justify-between text-xs text-quiet" aria-hidden>
        <span>{formatDay(days[0] ?? "")}</span>
        <span>{formatDay(days.at(-1) ?? "")}</span>
      </div>
      <details className="mt-3 text-sm">
        <summary className="w-fit cursor-pointer text-quiet">{t("showTable")}</summary>
        <div className="mt-2 max-h-56 overflow-y-auto" tabIndex={0} role="group" aria-label={title}>
          <table className="w-full text-left">
            <thead className="text-quiet">
              <tr>
                <th className="py-1 font-normal">{t("day")}</th>
                <th className="py-1 text-right font-normal">{title}</th>
              </tr>
            </thead>
            <tbody>
              {days.map((day, index) => (
                <tr key={day} className="border-t border-line">
                  <th className="py-1 font-normal">{formatDay(day)}</th>
                  <td className="py-1 text-right tabular-nums">{format.number(counts[index] ?? 0)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </Card>
  );
}
