"use client";

import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import type { JobStatus } from "undercroft-client";
import Link from "next/link";
import { useCallback } from "react";
import { FilterSelect, List, SearchField, Toolbar } from "@/components/list";
import { Progress } from "@/components/progress";
import { RelativeTime } from "@/components/time";
import { Empty, PageHeader } from "@/components/ui/layout";
import { useTeamHref } from "@/features/teams/current";
import { useTranslations } from "@/lib/i18n";
import { useParams } from "@/lib/url";
import { JobActions } from "./actions";
import { jobsQuery, tasksQuery, type Job } from "./queries";
import { Queues } from "./queues";
import { JobStatusBadge, useStatusOptions } from "./status";

export function JobList() {
  const t = useTranslations("jobs");
  const [params, change] = useParams();
  const statuses = useStatusOptions();
  const filters = {
    q: params.get("q") || undefined,
    status: (params.get("status") as JobStatus | null) ?? undefined,
    queue: params.get("queue") || undefined,
    task: params.get("task") || undefined,
  };
  const jobs = useInfiniteQuery(jobsQuery(filters));
  const tasks = useQuery(tasksQuery).data?.items ?? [];
  const search = useCallback((q: string) => change({ q }), [change]);
  const chooseQueue = useCallback((queue: string) => change({ queue }), [change]);
  const isFiltered = Object.values(filters).some((value) => value !== undefined);

  return (
    <>
      <PageHeader title={t("title")} text={t("text")} />
      <Queues onChoose={chooseQueue} />
      <Toolbar>
        <SearchField label={t("search")} value={filters.q ?? ""} onSearch={search} />
        <FilterSelect
          label={t("status")}
          value={filters.status ?? ""}
          options={[{ value: "", label: t("anyStatus") }, ...statuses]}
          onChange={(status) => change({ status })}
        />
        <FilterSelect
          label={t("queue")}
          value={filters.queue ?? ""}
          options={[
            { value: "", label: t("anyQueue") },
            ...options(
              tasks.map(({ queue }) => queue),
              filters.queue,
            ),
          ]}
          onChange={(queue) => change({ queue })}
        />
        <FilterSelect
          label={t("task")}
          value={filters.task ?? ""}
          options={[
            { value: "", label: t("anyTask") },
            ...options(
              tasks.map(({ name }) => name),
              filters.task,
            ),
          ]}
          onChange={(task) => change({ task })}
        />
      </Toolbar>
      <List
        query={jobs}
        label={t("title")}
        keyOf={(job) => job.id}
        render={(job) => <JobRow job={job} />}
        empty={
          isFiltered ? (
            <Empty title={t("noMatchTitle")} text={t("noMatchText")} />
          ) : (
            <Empty title={t("emptyTitle")} text={t("emptyText")} />
          )
        }
      />
    </>
  );
}

/** Each value once, also the chosen one that no task of this release has. */
function options(values: readonly string[], chosen: string | undefined): { value: string; label: string }[] {
  const all = new Set(chosen === undefined ? values : [...values, chosen]);
  return [...all].sort().map((value) => ({ value, label: value }));
}

function JobRow({ job }: { job: Job }) {
  const t = useTranslations("jobs");
  const href = useTeamHref();
  return (
    <div className="flex flex-wrap items-center gap-x-4 gap-y-2 px-5 py-3 hover:bg-ground">
      <Link
        href={href("/admin/jobs/job/", { id: job.id })}
        prefetch={false}
        className="grid min-w-0 flex-1 basis-60 gap-1 -outline-offset-2"
      >
        <span className="truncate font-mono text-sm font-medium">{job.task}</span>
        <span className="truncate text-sm text-quiet">
          {t.rich("createdAndAttempts", {
            time: () => <RelativeTime value={job.created_at} />,
            attempts: job.attempts,
            maximum: job.max_attempts,
          })}
          {job.key !== null && <> · {job.key}</>}
        </span>
        {job.status === "running" && job.progress !== null && <Progress label={t("progress")} value={job.progress} />}
      </Link>
      <JobStatusBadge status={job.status} />
      <span className="flex min-w-24 justify-end">
        {job.cancel_requested ? (
          <span className="text-sm text-quiet">{t("stops")}</span>
        ) : (
          <JobActions job={job} size="small" />
        )}
      </span>
    </div>
  );
}
