import type { ConsolePage } from "undercroft-client";

/** The title of an extension's page, in English if it has none in the language. */
export function titleOf({ title, path }: ConsolePage, locale: string): string {
  return title[locale] ?? title["en"] ?? path;
}
