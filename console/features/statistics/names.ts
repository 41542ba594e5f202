"use client";

import { useTranslations } from "@/lib/i18n";

/** Returns the title of a section or count. One of an extension, without a text, is derived from its name. */
export function useNames(): (kind: "sections" | "counts" | "daily", ...path: string[]) => string {
  const t = useTranslations("statistics");
  return (kind, ...path) => {
    const key = [kind, ...path].join(".");
    return t.has(key as never) ? t(key as never) : humanize(path.at(-1) ?? "");
  };
}

/** `new_30_days` becomes “New 30 days”. */
function humanize(name: string): string {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
