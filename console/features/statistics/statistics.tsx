"use client";

import { useQuery } from "@tanstack/react-query";
import type { PlatformStatistics } from "undercroft-client";
import { ErrorPanel } from "@/components/error-text";
import { DateTime } from "@/components/time";
import { Card, Empty, PageHeader, Skeleton } from "@/components/ui/layout";
import { useHasModule } from "@/features/shell/config";
import { useFormatter, useTranslations } from "@/lib/i18n";
import { DailyChart } from "./chart";
import { useNames } from "./names";
import { dailyQuery, statisticsQuery } from "./queries";

export function StatisticsPage() {
  const t = useTranslations("statistics");
  const has = useHasModule();
  return (
    <>
      <PageHeader title={t("title")} text={t("text")} />
      {has("admin") ? (
        <>
          <Daily />
          <Counts />
        </>
      ) : (
        <Card>
          <Empty title={t("offTitle")} text={t("offText")} />
        </Card>
      )}
    </>
  );
}

function Daily() {
  const daily = useQuery(dailyQuery);
  if (daily.data !== undefined)
    return (
      <div className="mb-6 grid gap-6 md:grid-cols-2">
        {daily.data.series.map((series) => (
          <DailyChart key={`${series.section}.${series.name}`} days={daily.data.days} series={series} />
        ))}
      </div>
    );
  if (daily.error)
    return (
      <div className="mb-6">
        <ErrorPanel error={daily.error} onRetry={() => void daily.refetch()} />
      </div>
    );
  return <Skeleton className="mb-6 h-56" />;
}

function Counts() {
  const t = useTranslations("statistics");
  const statistics = useQuery(statisticsQuery);
  if (statistics.data === undefined)
    return statistics.error ? (
      <ErrorPanel error={statistics.error} onRetry={() => void statistics.refetch()} />
    ) : (
      <Skeleton className="h-64" />
    );
  return (
    <>
      <div className="grid gap-6 md:grid-cols-2">
        {listSections(statistics.data).map(([name, counts]) => (
          <SectionCard key={name} name={name} counts={counts} />
        ))}
      </div>
      <p className="mt-4 text-sm text-quiet">
        {t.rich("countedAt", { time: () => <DateTime value={statistics.data.counted_at} /> })}
      </p>
    </>
  );
}

function SectionCard({ name, counts }: { name: string; counts: Count[] }) {
  const names = useNames();
  const format = useFormatter();
  return (
    <Card className="p-5 sm:p-6">
      <h2 className="font-semibold">{names("sections", name)}</h2>
      <dl className="mt-3 grid gap-2 text-sm">
        {counts.map(({ path, value }) => (
          <div key={path.join(".")} className="flex items-baseline justify-between gap-4">
            <dt className="min-w-0 break-words text-quiet">{names("counts", name, ...path)}</dt>
            <dd className="font-medium tabular-nums">{format.number(value)}</dd>
          </div>
        ))}
      </dl>
    </Card>
  );
}

interface Count {
  path: string[];
  value: number;
}

/** The counts of all modules, also of extensions, which the client does not know. */
function listSections(statistics: PlatformStatistics): [string, Count[]][] {
  return Object.entries(statistics as unknown as Record<string, unknown>)
    .map(([name, section]): [string, Count[]] => [name, listCounts(section)])
    .filter(([, counts]) => counts.length > 0);
}

function listCounts(section: unknown, path: string[] = []): Count[] {
  if (typeof section === "number") return path.length > 0 ? [{ path, value: section }] : [];
  if (typeof section !== "object" || section === null) return [];
  return Object.entries(section).flatMap(([name, value]) => listCounts(value, [...path, name]));
}
