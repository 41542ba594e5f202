"use client";

import { useQuery } from "@tanstack/react-query";
import { useHasModule } from "@/features/shell/config";
import { api } from "@/lib/api";
import { cn } from "@/lib/cn";
import { query } from "@/lib/query";

const INTERVAL = 60_000;

/** The announcements of administrators, such as planned maintenance. */
export function Announcements() {
  const has = useHasModule();
  const announcements = useQuery({
    ...query(["announcements"], (signal) => api.announcements.read({ signal })),
    enabled: has("system_settings"),
    refetchInterval: INTERVAL,
  });
  return announcements.data?.items.map(({ text, level }) => (
    <p
      key={text}
      role="status"
      className={cn(
        "mx-4 mt-3 rounded-lg px-4 py-2.5 text-sm break-words sm:mx-6 lg:mx-10",
        level === "info" ? "border border-line bg-card" : "bg-bad-ground text-bad",
      )}
    >
      {text}
    </p>
  ));
}
