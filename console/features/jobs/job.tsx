"use client";

import { useQuery } from "@tanstack/react-query";
import type { JobDetail } from "undercroft-client";
import Link from "next/link";
import { BackLink } from "@/components/back-link";
import { ErrorPanel } from "@/components/error-text";
import { Fact, Facts } from "@/components/facts";
import { Progress } from "@/components/progress";
import { DateTime, RelativeTime } from "@/components/time";
import { PageHeader, Section, Skeleton } from "@/components/ui/layout";
import { useTeamHref } from "@/features/teams/current";
import { useFormatter, useTranslations } from "@/lib/i18n";
import { useParams } from "@/lib/url";
import { JobActions } from "./actions";
import { useDuration } from "./duration";
import { jobQuery } from "./queries";
import { JobStatusBadge } from "./status";

export function JobPage() {
  const t = useTranslations("jobs");
  const href = useTeamHref();
  const [params] = useParams();
  const job = useQuery(jobQuery(params.get("id") ?? ""));
  return (
    <>
      <BackLink href={href("/admin/jobs/")}>{t("title")}</BackLink>
      {job.data !== undefined ? (
        <Details job={job.data} />
      ) : job.error ? (
        <ErrorPanel error={job.error} onRetry={() => void job.refetch()} />
      ) : (
        <Skeleton className="h-64" />
      )}
    </>
  );
}

function Details({ job }: { job: JobDetail }) {
  const t = useTranslations("jobs");
  const href = useTeamHref();
  return (
    <>
      <PageHeader
        title={<span className="font-mono">{job.task}</span>}
        text={
          <Link href={href("/admin/jobs/", { task: job.task })} prefetch={false} className="underline">
            {t("sameTask")}
          </Link>
        }
        actions={<JobActions job={job} />}
      />
      <State job={job} />
      {job.error !== null && <Failure error={job.error} isFinal={job.status === "failed"} />}
      <Section title={t("arguments")}>
        <Json value={job.args} empty={t("noArguments")} />
      </Section>
      {job.status === "succeeded" && (
        <Section title={t("result")}>
          <Json value={job.result} empty={t("noResult")} />
        </Section>
      )}
    </>
  );
}

function State({ job }: { job: JobDetail }) {
  const t = useTranslations("jobs");
  const format = useFormatter();
  const duration = useDuration();
  const percent = job.progress !== null && format.number(job.progress, { style: "percent" });
  const seconds = job.started_at && job.finished_at ? elapsed(job.started_at, job.finished_at) : undefined;
  return (
    <Section title={t("state")} actions={<JobStatusBadge status={job.status} />}>
      {job.cancel_requested && <p className="mb-4 text-sm">{t("cancelRequested")}</p>}
      {job.unresponsive_since !== null && (
        <p className="mb-4 text-sm text-bad">
          {t.rich("unresponsive", { time: () => <DateTime value={job.unresponsive_since ?? ""} /> })}
        </p>
      )}
      {job.status === "running" && (percent || job.progress_message) && (
        <div className="mb-4 grid gap-1.5">
          <Progress label={t("progress")} value={job.progress} />
          <p className="text-sm text-quiet">{[percent, job.progress_message].filter(Boolean).join(" · ")}</p>
        </div>
      )}
      <Facts>
        <Fact label={t("attempts")}>{t("attemptsOf", { attempts: job.attempts, maximum: job.max_attempts })}</Fact>
        <Fact label={t("queue")}>{job.queue}</Fact>
        <Fact label={t("priority")}>{format.number(job.priority)}</Fact>
        <Fact label={t("created")}>
          <DateTime value={job.created_at} />
        </Fact>
        {job.status === "queued" && (
          <Fact label={t("nextAttempt")}>
            <RelativeTime value={job.scheduled_at} />
          </Fact>
        )}
        {job.started_at !== null && (
          <Fact label={t("started")}>
            <DateTime value={job.started_at} />
          </Fact>
        )}
        {job.finished_at !== null && (
          <Fact label={t("finished")}>
            <DateTime value={job.finished_at} />
          </Fact>
        )}
        {seconds !== undefined && <Fact label={t("duration")}>{duration(seconds)}</Fact>}
        {job.lost > 0 && <Fact label={t("lost")}>{format.number(job.lost)}</Fact>}
        {job.key !== null && <Fact label={t("key")}>{job.key}</Fact>}
        <Fact label={t("id")}>
          <code className="text-xs select-all">{job.id}</code>
        </Fact>
        {job.request_id !== null && (
          <Fact label={t("requestId")}>
            <code className="text-xs select-all">{job.request_id}</code>
          </Fact>
        )}
        {job.worker_id !== null && (
          <Fact label={t("worker")}>
            <code className="text-xs select-all">{job.worker_id}</code>
          </Fact>
        )}
      </Facts>
    </Section>
  );
}

const elapsed = (from: string, to: string): number => (Date.parse(to) - Date.parse(from)) / 1000;

/** The last line of a traceback says what is wrong; the rest is where. */
function Failure({ error, isFinal }: { error: string; isFinal: boolean }) {
  const t = useTranslations("jobs");
  const reason = error.trimEnd().split("\n").at(-1) ?? error;
  return (
    <Section title={t(isFinal ? "error" : "lastError")}>
      <p className="rounded-lg bg-bad-ground p-3 font-mono text-sm break-words text-bad">{reason}</p>
      {reason !== error.trimEnd() && (
        <details className="mt-3 text-sm">
          <summary className="cursor-pointer">{t("traceback")}</summary>
          <Code>{error.trimEnd()}</Code>
        </details>
      )}
    </Section>
  );
}

function Json({ value, empty }: { value: unknown; empty: string }) {
  const isEmpty =
    value === null || value === undefined || (typeof value === "object" && Object.keys(value).length === 0);
  return isEmpty ? <p className="text-sm text-quiet">{empty}</p> : <Code>{JSON.stringify(value, null, 2)}</Code>;
}

function Code({ children }: { children: string }) {
  return (
    <pre tabIndex={0} className="mt-2 max-h-96 overflow-auto rounded-lg bg-ground p-3 text-xs">
      {children}
    </pre>
  );
}
