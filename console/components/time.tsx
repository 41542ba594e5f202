"use client";

import { useFormatter, useNow } from "use-intl";

const MINUTE = 60_000;

interface Props {
  /** Time as the API returns it (RFC 3339). */
  value: string;
}

/** A time as a distance from now; the pointer shows the exact one. */
export function RelativeTime({ value }: Props) {
  const format = useFormatter();
  const now = useNow({ updateInterval: MINUTE });
  const date = new Date(value);
  return (
    <time dateTime={value} title={format.dateTime(date, { dateStyle: "full", timeStyle: "long" })}>
      {format.relativeTime(date, now)}
    </time>
  );
}

export function DateTime({ value }: Props) {
  const format = useFormatter();
  return <time dateTime={value}>{format.dateTime(new Date(value), { dateStyle: "medium", timeStyle: "short" })}</time>;
}
