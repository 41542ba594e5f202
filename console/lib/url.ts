"use client";

import { useSearchParams } from "next/navigation";
import { useCallback } from "react";

/** What the URL of a page contains: filters, a selected entry, the team. */
export type Params = Record<string, string | undefined>;

/** Returns a path with parameters; those that are undefined or empty are left out. */
export function withParams(path: string, params: Params): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) if (value) query.set(name, value);
  return query.size > 0 ? `${path}?${query}` : path;
}

/** Returns the parameter of the URL, and a function that changes several of them in place. */
export function useParams(): [URLSearchParams, (changes: Params) => void] {
  const params = useSearchParams();
  const change = useCallback((changes: Params) => {
    const next = new URLSearchParams(window.location.search);
    for (const [name, value] of Object.entries(changes)) {
      if (value) next.set(name, value);
      else next.delete(name);
    }
    // Not the router's `replace`, which would request the page again.
    window.history.replaceState(null, "", next.size > 0 ? `?${next}` : window.location.pathname);
  }, []);
  return [params, change];
}
