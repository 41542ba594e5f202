"use client";

import { useParams } from "@/lib/url";

interface Props {
  label: string;
  name: string;
  min?: string | null;
  max?: string | null;
}

/** A day in the URL. */
export function DayFilter({ label, name, min, max }: Props) {
  const [params, change] = useParams();
  return (
    <label className="flex items-center gap-2 text-sm text-quiet">
      {label}
      <input
        type="date"
        className="h-10 rounded-lg border border-line bg-card px-3 text-ink"
        min={min ?? undefined}
        max={max ?? undefined}
        value={params.get(name) ?? ""}
        onChange={(event) => change({ [name]: event.target.value })}
      />
    </label>
  );
}
