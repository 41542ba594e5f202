"use client";

import { useQuery } from "@tanstack/react-query";
import type { BackfillRead, BackfillStatus } from "undercroft-client";
import { Progress } from "@/components/progress";
import { Rows } from "@/components/rows";
import { RelativeTime } from "@/components/time";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Badge, Empty, PageHeader } from "@/components/ui/layout";
import { useDuration } from "@/features/jobs/duration";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useFormatter, useTranslations } from "@/lib/i18n";
import { query } from "@/lib/query";

type Verb = "pause" | "resume" | "retry" | "cancel";

const BACKFILLS = ["admin", "backfills"] as const;
const INTERVAL = 2_000;
const INTERVAL_AT_REST = 15_000;

const backfillsQuery = {
  ...query([...BACKFILLS], (signal) => api.backfills.list({ signal })),
  refetchInterval: ({ state }: { state: { data?: { items: BackfillRead[] } } }) =>
    state.data?.items.some(({ status }) => status === "running" || status === "queued") ? INTERVAL : INTERVAL_AT_REST,
};

const TONES = {
  queued: "neutral",
  running: "neutral",
  paused: "neutral",
  failed: "bad",
  canceled: "neutral",
  completed: "good",
} as const;

/** What can be done in each status. */
const VERBS: Record<BackfillStatus, readonly Verb[]> = {
  queued: ["pause", "cancel"],
  running: ["pause", "cancel"],
  paused: ["resume", "cancel"],
  failed: ["retry", "cancel"],
  canceled: ["retry"],
  completed: ["retry"],
};

/** A release without the backfill can stop it, but not continue it. */
const NEEDS_RELEASE: readonly Verb[] = ["resume", "retry"];

export function BackfillList() {
  const t = useTranslations("backfills");
  const backfills = useQuery(backfillsQuery);
  return (
    <>
      <PageHeader title={t("title")} text={t("text")} />
      <Rows
        query={backfills}
        items={backfills.data?.items}
        label={t("title")}
        keyOf={(backfill) => backfill.name}
        render={(backfill) => <BackfillRow backfill={backfill} />}
        empty={<Empty title={t("emptyTitle")} text={t("emptyText")} />}
      />
    </>
  );
}

function BackfillRow({ backfill }: { backfill: BackfillRead }) {
  const t = useTranslations("backfills");
  const format = useFormatter();
  const duration = useDuration();
  const { name, status, done, total, rate, remaining, finished_at: finishedAt } = backfill;
  const isRunning = status === "running";
  const facts = [
    total === null ? t("rows", { done }) : t("rowsOf", { done, total }),
    backfill.progress !== null && format.number(backfill.progress, { style: "percent" }),
    isRunning && rate !== null && t("rate", { rate: Math.round(rate) }),
    isRunning && remaining !== null && t("remaining", { duration: duration(remaining) }),
  ].filter((fact) => typeof fact === "string");
  return (
    <div className="flex flex-wrap items-start gap-x-4 gap-y-3 px-5 py-4">
      <div className="grid min-w-0 flex-1 basis-72 gap-1.5">
        <p className="font-mono text-sm font-medium break-words">{name}</p>
        <Progress label={t("progressOf", { name })} value={backfill.progress ?? 0} />
        <p className="text-sm text-quiet tabular-nums">{facts.join(" · ")}</p>
        {finishedAt !== null && (
          <p className="text-sm text-quiet">
            {t.rich("finished", { time: () => <RelativeTime value={finishedAt} /> })}
          </p>
        )}
        {backfill.throttled !== null && <p className="text-sm">{t("throttled", { reason: backfill.throttled })}</p>}
        {!backfill.is_declared && <p className="text-sm text-quiet">{t("notDeclared")}</p>}
        {backfill.error !== null && <Failure error={backfill.error} attempts={backfill.attempts} />}
      </div>
      <Badge tone={TONES[status]}>{t(`statuses.${status}`)}</Badge>
      <div className="flex min-w-40 flex-wrap justify-end gap-2">
        {VERBS[status]
          .filter((verb) => backfill.is_declared || !NEEDS_RELEASE.includes(verb))
          .map((verb) => (
            <Change key={verb} verb={verb} backfill={backfill} />
          ))}
      </div>
    </div>
  );
}

function Failure({ error, attempts }: { error: string; attempts: number }) {
  const t = useTranslations("backfills");
  return (
    <details className="text-sm text-bad">
      <summary className="cursor-pointer">{t("failedAttempts", { attempts })}</summary>
      <pre tabIndex={0} className="mt-2 max-h-60 overflow-auto rounded-lg bg-bad-ground p-3 text-xs">
        {error}
      </pre>
    </details>
  );
}

function Change({ verb, backfill }: { verb: Verb; backfill: BackfillRead }) {
  const t = useTranslations("backfills");
  const { name } = backfill;
  const change = useAction({
    run: (_: void, key) => api.backfills[verb]({ name, "Idempotency-Key": key }),
    success: t(`did.${verb}`),
    invalidates: [BACKFILLS],
  });
  const isRepetition = verb === "retry" && backfill.status === "completed";
  const label = t(isRepetition ? "repeat" : `verbs.${verb}`);
  const attributes = { "aria-label": t("labeled", { label, name }), size: "small" } as const;
  if (isRepetition)
    return (
      <Confirm
        title={t("repeatTitle", { name })}
        text={t("repeatText")}
        action={label}
        onConfirm={() => change.mutateAsync()}
      >
        <Button variant="secondary" {...attributes}>
          {label}
        </Button>
      </Confirm>
    );
  if (verb === "cancel")
    return (
      <Confirm
        title={t("cancelTitle", { name })}
        text={t("cancelText")}
        action={t("verbs.cancel")}
        onConfirm={() => change.mutateAsync()}
      >
        <Button variant="danger" {...attributes}>
          {label}
        </Button>
      </Confirm>
    );
  return (
    <Button variant="secondary" pending={change.isPending} onClick={() => change.mutate()} {...attributes}>
      {label}
    </Button>
  );
}
