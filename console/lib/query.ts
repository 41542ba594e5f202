import {
  QueryClient,
  infiniteQueryOptions,
  keepPreviousData,
  queryOptions,
  type QueryKey,
} from "@tanstack/react-query";
import type { CursorPage } from "undercroft-client";
import { isTransient } from "./errors";
import { perform } from "./prompts";

const RETRIES = 2;

export function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: { staleTime: 5_000, retry: (failures, error) => isTransient(error) && failures < RETRIES },
    },
  });
}

/** A query that lets the user sign in again if the session has ended. */
export function query<Data>(queryKey: QueryKey, read: (signal: AbortSignal) => Promise<Data>) {
  return queryOptions({ queryKey, queryFn: ({ signal }) => perform(() => read(signal)) });
}

/** Reads a list that has only numbered pages as one with a cursor: the number of the next page. */
export async function readNumbered<Page extends { page: number | null; pages: number | null }>(
  { cursor, limit }: Cursor,
  read: (query: { page: number; size: number }) => Promise<Page>,
): Promise<Page & { next_cursor: string | null }> {
  const number = Number(cursor ?? 1);
  const page = await read({ page: number, size: limit });
  return { ...page, next_cursor: number < (page.pages ?? 0) ? String(number + 1) : null };
}

interface Cursor {
  cursor?: string;
  limit: number;
}

/** Entries of a list in one request. */
export const PAGE_SIZE = 50;

interface NumberedPage<Item> {
  items: Item[];
  page: number | null;
  pages: number | null;
  total: number | null;
}

/** A list whose pages have numbers, for one that can be sorted by any column. */
export function numberedListQuery<Item>(
  queryKey: QueryKey,
  read: (page: { page: number; size: number }, signal: AbortSignal) => Promise<NumberedPage<Item>>,
) {
  return listQuery(queryKey, async ({ cursor, limit }, signal) => {
    const page = Number(cursor ?? 1);
    const found = await read({ page, size: limit }, signal);
    return { items: found.items, total: found.total, next_cursor: page < (found.pages ?? 0) ? String(page + 1) : null };
  });
}

/** A list that is loaded page by page. While its parameters change, the previous entries stay. */
export function listQuery<Item, Page extends CursorPage<Item> & { total?: number | null }>(
  queryKey: QueryKey,
  read: (cursor: Cursor, signal: AbortSignal) => Promise<Page & CursorPage<Item>>,
) {
  return infiniteQueryOptions({
    queryKey,
    queryFn: ({ pageParam, signal }) =>
      perform(() => read({ limit: PAGE_SIZE, ...(pageParam && { cursor: pageParam }) }, signal)),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
    placeholderData: keepPreviousData,
  });
}
