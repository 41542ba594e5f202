"use client";

import { Confirm } from "@/components/ui/confirm";
import { Button } from "@/components/ui/button";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { JOBS, isUnfinished, type Job } from "./queries";

interface Props {
  job: Job;
  size?: "small" | "medium";
}

/** The buttons that a job offers in its status. */
export function JobActions({ job, size = "medium" }: Props) {
  if (isUnfinished(job)) return job.cancel_requested ? null : <Cancel job={job} size={size} />;
  return <Retry job={job} size={size} />;
}

function Cancel({ job, size }: Required<Props>) {
  const t = useTranslations("jobs");
  const cancel = useAction({
    run: () => api.jobs.cancel({ job_id: job.id }),
    success: (changed) => t(changed.status === "canceled" ? "canceled" : "cancelRequested"),
    invalidates: [JOBS],
  });
  return (
    <Confirm
      title={t("cancelTitle")}
      text={t(job.status === "running" ? "cancelRunningText" : "cancelText", { task: job.task })}
      action={t("cancel")}
      onConfirm={() => cancel.mutateAsync()}
    >
      <Button variant="danger" size={size}>
        {t("cancel")}
      </Button>
    </Confirm>
  );
}

function Retry({ job, size }: Required<Props>) {
  const t = useTranslations("jobs");
  const retry = useAction({
    run: (_: void, key) => api.jobs.retry({ job_id: job.id, "Idempotency-Key": key }),
    success: t("retried"),
    invalidates: [JOBS],
  });
  if (job.status !== "succeeded")
    return (
      <Button variant="secondary" size={size} pending={retry.isPending} onClick={() => retry.mutate()}>
        {t("retry")}
      </Button>
    );
  return (
    <Confirm
      title={t("repeatTitle")}
      text={t("repeatText", { task: job.task })}
      action={t("repeat")}
      onConfirm={() => retry.mutateAsync()}
    >
      <Button variant="secondary" size={size}>
        {t("repeat")}
      </Button>
    </Confirm>
  );
}
