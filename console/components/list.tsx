"use client";

import type { UseInfiniteQueryResult, InfiniteData } from "@tanstack/react-query";
import { Search } from "lucide-react";
import { useEffect, useState, type ReactNode } from "react";
import { ErrorPanel } from "@/components/error-text";
import { Button } from "@/components/ui/button";
import { Card, SkeletonRows } from "@/components/ui/layout";
import { cn } from "@/lib/cn";
import { useTranslations } from "@/lib/i18n";

const TYPING_PAUSE = 250;

interface Page<Item> {
  items: Item[];
  next_cursor: string | null;
}

interface ListProps<Item> {
  query: UseInfiniteQueryResult<InfiniteData<Page<Item>>>;
  /** Names the list for screen readers. */
  label: string;
  render: (item: Item) => ReactNode;
  keyOf: (item: Item) => string;
  /** Shown if there are no entries. */
  empty: ReactNode;
}

/** A list that is loaded page by page. */
export function List<Item>({ query, label, render, keyOf, empty }: ListProps<Item>) {
  const t = useTranslations("common");
  const items = query.data?.pages.flatMap((page) => page.items);
  if (items === undefined)
    return query.error ? <ErrorPanel error={query.error} onRetry={() => void query.refetch()} /> : <Loading />;
  return (
    <>
      <Card className={cn("overflow-hidden transition-opacity", query.isPlaceholderData && "opacity-60")}>
        {items.length === 0 ? (
          empty
        ) : (
          <ul aria-label={label} aria-busy={query.isFetching} className="divide-y divide-line">
            {items.map((item) => (
              <li key={keyOf(item)} className="[content-visibility:auto]">
                {render(item)}
              </li>
            ))}
          </ul>
        )}
      </Card>
      {query.error && (
        <div className="mt-4">
          <ErrorPanel error={query.error} onRetry={() => void query.refetch()} />
        </div>
      )}
      {query.hasNextPage && (
        <div className="mt-4 text-center">
          <Button variant="secondary" pending={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
            {t("loadMore")}
          </Button>
        </div>
      )}
    </>
  );
}

function Loading() {
  const t = useTranslations("common");
  return (
    <Card>
      <p role="status" className="sr-only">
        {t("loading")}
      </p>
      <SkeletonRows />
    </Card>
  );
}

interface SearchProps {
  label: string;
  value: string;
  onSearch: (text: string) => void;
}

/** Searches when the user stops typing. */
export function SearchField({ label, value, onSearch }: SearchProps) {
  const [text, setText] = useState(value);
  const [searched, setSearched] = useState(value);
  if (searched !== value) {
    setSearched(value);
    setText(value); // the Back button has changed it
  }
  useEffect(() => {
    if (text === value) return;
    const timer = setTimeout(() => onSearch(text), TYPING_PAUSE);
    return () => clearTimeout(timer);
  }, [text, value, onSearch]);
  return (
    <div className="relative min-w-0 flex-1 basis-48">
      <Search className="pointer-events-none absolute top-3 left-3 size-4 text-quiet" aria-hidden />
      <input
        type="search"
        aria-label={label}
        placeholder={label}
        value={text}
        maxLength={200}
        onChange={(event) => setText(event.target.value)}
        className="h-10 w-full rounded-lg border border-line bg-card pr-3 pl-9 placeholder:text-quiet"
      />
    </div>
  );
}

interface FilterProps {
  label: string;
  value: string;
  options: readonly { value: string; label: string }[];
  onChange: (value: string) => void;
}

export function FilterSelect({ label, value, options, onChange }: FilterProps) {
  return (
    <select
      aria-label={label}
      value={value}
      onChange={(event) => onChange(event.target.value)}
      className="h-10 max-w-full rounded-lg border border-line bg-card px-3"
    >
      {options.map((option) => (
        <option key={option.value} value={option.value}>
          {option.label}
        </option>
      ))}
    </select>
  );
}

/** The search and the filters above a list. */
export function Toolbar({ children }: { children: ReactNode }) {
  return <div className="mb-4 flex flex-wrap gap-2">{children}</div>;
}
