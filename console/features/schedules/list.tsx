"use client";

import { useQuery } from "@tanstack/react-query";
import type { ScheduleRead } from "undercroft-client";
import Link from "next/link";
import { useRouter } from "next/navigation";
import { useCallback } from "react";
import { SearchField, Toolbar } from "@/components/list";
import { Rows } from "@/components/rows";
import { RelativeTime } from "@/components/time";
import { Button } from "@/components/ui/button";
import { Empty, PageHeader } from "@/components/ui/layout";
import { useToasts } from "@/components/ui/toast";
import { JOBS } from "@/features/jobs/queries";
import { JobStatusBadge } from "@/features/jobs/status";
import { useTeamHref } from "@/features/teams/current";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { query } from "@/lib/query";
import { useParams } from "@/lib/url";
import { Rhythm } from "./rhythm";

const INTERVAL = 5_000;

const schedulesQuery = {
  ...query([...JOBS, "schedules"], (signal) => api.jobs.listSchedules({ signal })),
  refetchInterval: INTERVAL,
};

export function ScheduleList() {
  const t = useTranslations("schedules");
  const [params, change] = useParams();
  const q = params.get("q") ?? "";
  const schedules = useQuery(schedulesQuery);
  const search = useCallback((text: string) => change({ q: text }), [change]);
  const found = schedules.data?.items.filter(({ task, description }) =>
    `${task} ${description}`.toLowerCase().includes(q.toLowerCase()),
  );
  return (
    <>
      <PageHeader title={t("title")} text={t("text")} />
      <Toolbar>
        <SearchField label={t("search")} value={q} onSearch={search} />
      </Toolbar>
      <Rows
        query={schedules}
        items={found}
        label={t("title")}
        keyOf={(schedule) => schedule.task}
        render={(schedule) => <ScheduleRow schedule={schedule} />}
        empty={
          q !== "" ? (
            <Empty title={t("noMatchTitle")} text={t("noMatchText")} />
          ) : (
            <Empty title={t("emptyTitle")} text={t("emptyText")} />
          )
        }
      />
    </>
  );
}

function ScheduleRow({ schedule }: { schedule: ScheduleRead }) {
  const t = useTranslations("schedules");
  const href = useTeamHref();
  const { last_run_at: lastRun, last_job_id: lastJob, last_status: lastStatus } = schedule;
  return (
    <div className="flex flex-wrap items-start gap-x-6 gap-y-3 px-5 py-4">
      <div className="grid min-w-0 flex-1 basis-72 gap-1">
        <p className="font-mono text-sm font-medium break-words">{schedule.task}</p>
        {schedule.description !== "" && <p className="text-sm break-words text-quiet">{schedule.description}</p>}
        <p className="text-sm">
          <Rhythm cron={schedule.cron} timezone={schedule.timezone} />
        </p>
      </div>
      <div className="grid min-w-0 basis-56 gap-1 text-sm">
        <p>
          {schedule.is_declared
            ? t.rich("nextRun", { time: () => <RelativeTime value={schedule.next_run_at} /> })
            : t("notDeclared")}
        </p>
        <p className="text-quiet">
          {lastRun === null ? t("neverRun") : t.rich("lastRun", { time: () => <RelativeTime value={lastRun} /> })}
        </p>
        {lastStatus !== null && lastJob !== null && (
          <p>
            <Link href={href("/admin/jobs/job/", { id: lastJob })} prefetch={false} className="hover:underline">
              <JobStatusBadge status={lastStatus} />
              <span className="sr-only">{t("lastJob")}</span>
            </Link>
          </p>
        )}
      </div>
      {schedule.is_declared && <RunNow schedule={schedule} />}
    </div>
  );
}

function RunNow({ schedule }: { schedule: ScheduleRead }) {
  const t = useTranslations("schedules");
  const router = useRouter();
  const href = useTeamHref();
  const toasts = useToasts();
  const isRunning = schedule.last_status === "queued" || schedule.last_status === "running";
  const run = useAction({
    run: (_: void, key) => api.jobs.runSchedule({ task: schedule.task, "Idempotency-Key": key }),
    invalidates: [JOBS],
    onSuccess: (job) =>
      toasts.show(t("started", { task: schedule.task }), {
        label: t("showJob"),
        run: () => router.push(href("/admin/jobs/job/", { id: job.id })),
      }),
  });
  return (
    <Button
      variant="secondary"
      size="small"
      pending={run.isPending}
      disabled={isRunning}
      aria-label={t("labeled", { label: t(isRunning ? "isRunning" : "run"), task: schedule.task })}
      onClick={() => run.mutate()}
    >
      {t(isRunning ? "isRunning" : "run")}
    </Button>
  );
}
