"use client";

import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { ErrorPanel } from "@/components/error-text";
import { Card, SkeletonRows } from "@/components/ui/layout";
import { useTranslations } from "@/lib/i18n";

interface Props<Item> {
  query: Pick<UseQueryResult<unknown>, "error" | "refetch" | "isFetching">;
  /** The entries to show; undefined before they are loaded. */
  items: readonly Item[] | undefined;
  /** Names the list for screen readers. */
  label: string;
  render: (item: Item) => ReactNode;
  keyOf: (item: Item) => string;
  /** Shown if there are no entries. */
  empty: ReactNode;
}

/** A list that the API returns in one piece. */
export function Rows<Item>({ query, items, label, render, keyOf, empty }: Props<Item>) {
  const t = useTranslations("common");
  if (items === undefined)
    return query.error ? (
      <ErrorPanel error={query.error} onRetry={() => void query.refetch()} />
    ) : (
      <Card>
        <p role="status" className="sr-only">
          {t("loading")}
        </p>
        <SkeletonRows />
      </Card>
    );
  return (
    <>
      <Card className="overflow-hidden">
        {items.length === 0 ? (
          empty
        ) : (
          <ul aria-label={label} className="divide-y divide-line">
            {items.map((item) => (
              <li key={keyOf(item)}>{render(item)}</li>
            ))}
          </ul>
        )}
      </Card>
      {query.error !== null && (
        <div className="mt-4">
          <ErrorPanel error={query.error} onRetry={() => void query.refetch()} />
        </div>
      )}
    </>
  );
}
