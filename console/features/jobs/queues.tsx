"use client";

import { useQuery } from "@tanstack/react-query";
import { CircleAlert } from "lucide-react";
import { Card, Skeleton } from "@/components/ui/layout";
import { ErrorPanel } from "@/components/error-text";
import { useFormatter, useTranslations } from "@/lib/i18n";
import { useDuration } from "./duration";
import { groupByQueue, queuesQuery, type Queue } from "./queries";

/** The depth of each queue, and what keeps its jobs waiting. */
export function Queues({ onChoose }: { onChoose: (queue: string) => void }) {
  const t = useTranslations("jobs");
  const queues = useQuery(queuesQuery);
  if (queues.data === undefined)
    return (
      <div className="mb-6">
        {queues.error ? (
          <ErrorPanel error={queues.error} onRetry={() => void queues.refetch()} />
        ) : (
          <Skeleton className="h-28" />
        )}
      </div>
    );
  const { workers, items } = queues.data;
  return (
    <section aria-label={t("queues")} className="mb-6 grid gap-3">
      {workers === 0 && <Warning>{t("noWorkers")}</Warning>}
      {items.length === 0 ? (
        <Card className="px-5 py-4 text-sm text-quiet">{t("nothingQueued", { workers })}</Card>
      ) : (
        <ul className="grid gap-3 sm:grid-cols-2 lg:grid-cols-3">
          {groupByQueue(items).map((queue) => (
            <li key={queue.name}>
              <QueueCard queue={queue} onChoose={() => onChoose(queue.name)} hasWorkers={workers > 0} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Warning({ children }: { children: React.ReactNode }) {
  return (
    <p role="status" className="flex gap-2 rounded-lg bg-bad-ground px-4 py-2.5 text-sm text-bad">
      <CircleAlert className="mt-0.5 size-4 shrink-0" aria-hidden />
      <span className="min-w-0 break-words">{children}</span>
    </p>
  );
}

interface CardProps {
  queue: Queue;
  hasWorkers: boolean;
  onChoose: () => void;
}

function QueueCard({ queue, hasWorkers, onChoose }: CardProps) {
  const t = useTranslations("jobs");
  const format = useFormatter();
  const duration = useDuration();
  const counts = [
    { label: t("runningNow"), value: queue.running },
    { label: t("due"), value: queue.due },
    { label: t("later"), value: queue.scheduled },
  ];
  return (
    <Card className="h-full p-4">
      <button
        type="button"
        onClick={onChoose}
        className="cursor-pointer font-mono text-sm font-medium break-all hover:underline"
      >
        {queue.name}
      </button>
      <dl className="mt-2 grid grid-cols-3 gap-2">
        {counts.map(({ label, value }) => (
          <div key={label}>
            <dt className="text-xs text-quiet">{label}</dt>
            <dd className="text-xl font-semibold tabular-nums">{format.number(value)}</dd>
          </div>
        ))}
      </dl>
      {queue.due > 0 && (
        <p className="mt-2 text-sm text-quiet">{t("oldestWaits", { duration: duration(queue.waiting) })}</p>
      )}
      {hasWorkers && queue.stranded.length > 0 && (
        <p className="mt-1 text-sm break-words text-bad">{t("stranded", { tasks: queue.stranded.join(", ") })}</p>
      )}
    </Card>
  );
}
