import { infiniteQueryOptions, keepPreviousData } from "@tanstack/react-query";
import type { WaitingListListWaitlistData, WaitlistEntryRead } from "undercroft-client";
import { api } from "@/lib/api";
import { perform } from "@/lib/prompts";
import { PAGE_SIZE } from "@/lib/query";

export type Entry = WaitlistEntryRead;

export const WAITLIST = ["admin", "waitlist"] as const;

type Filters = Pick<NonNullable<WaitingListListWaitlistData["query"]>, "q" | "state" | "sort">;

/** Page by page, because a cursor list has a fixed order and no total. */
export const waitlistQuery = (filters: Filters) =>
  infiniteQueryOptions({
    queryKey: [...WAITLIST, "list", filters],
    queryFn: ({ pageParam, signal }) =>
      perform(() => api.waitingList.listWaitlist({ ...filters, page: pageParam, size: PAGE_SIZE }, { signal })),
    initialPageParam: 1,
    getNextPageParam: (last, _pages, page) => (page < (last.pages ?? 0) ? page + 1 : undefined),
    placeholderData: keepPreviousData,
  });
