import type { BacklogRead, JobDetail, JobRead, JobsListData } from "undercroft-client";
import { api } from "@/lib/api";
import { listQuery, query } from "@/lib/query";

type Filters = Pick<NonNullable<JobsListData["query"]>, "q" | "status" | "queue" | "task">;

export type Job = JobRead;

/** Milliseconds between two readings of a list that is on the screen. */
const INTERVAL = 5_000;
const INTERVAL_OF_LONG_LISTS = 30_000;
const INTERVAL_OF_JOB = 2_000;

export const JOBS = ["admin", "jobs"] as const;

export const jobsQuery = (filters: Filters) => ({
  ...listQuery([...JOBS, "list", filters], (cursor, signal) => api.jobs.list({ ...filters, ...cursor }, { signal })),
  refetchInterval: ({ state }: { state: { data?: { pages: unknown[] } } }) =>
    (state.data?.pages.length ?? 0) > 1 ? INTERVAL_OF_LONG_LISTS : INTERVAL,
});

export const jobQuery = (id: string) => ({
  ...query([...JOBS, id], (signal) => api.jobs.read({ job_id: id }, { signal })),
  refetchInterval: ({ state }: { state: { data?: JobDetail } }) =>
    state.data === undefined || isUnfinished(state.data) ? INTERVAL_OF_JOB : INTERVAL_OF_LONG_LISTS,
});

export const queuesQuery = {
  ...query([...JOBS, "queues"], (signal) => api.jobs.listQueues({ signal })),
  refetchInterval: INTERVAL,
};

export const tasksQuery = {
  ...query([...JOBS, "tasks"], (signal) => api.jobs.listTasks({ signal })),
  staleTime: Infinity,
};

export const isUnfinished = (job: Pick<Job, "status">): boolean => job.status === "queued" || job.status === "running";

export interface Queue {
  name: string;
  running: number;
  due: number;
  scheduled: number;
  /** Seconds for which the oldest due job has been waiting. */
  waiting: number;
  /** Tasks with due jobs that no worker runs. */
  stranded: string[];
}

/** Sums up the backlogs of tasks by their queue. */
export function groupByQueue(backlogs: readonly BacklogRead[]): Queue[] {
  const queues = new Map<string, Queue>();
  for (const backlog of backlogs) {
    const queue = queues.get(backlog.queue) ?? newQueue(backlog.queue);
    queue.running += backlog.running;
    queue.due += backlog.due;
    queue.scheduled += backlog.scheduled;
    queue.waiting = Math.max(queue.waiting, backlog.due > 0 ? backlog.waiting : 0);
    if (backlog.due > 0 && backlog.workers === 0) queue.stranded.push(backlog.task);
    queues.set(queue.name, queue);
  }
  return [...queues.values()];
}

const newQueue = (name: string): Queue => ({ name, running: 0, due: 0, scheduled: 0, waiting: 0, stranded: [] });
