import type { Params } from "@/lib/url";
import type { Filters } from "./queries";

const NAMES = ["actor", "action", "target", "team_id", "request_id"] as const;

const PATTERNS = {
  actor: /^([a-z_]+|[0-9a-fA-F-]{36})$/,
  action: /^[a-z][a-z0-9_]*\.([a-z][a-z0-9_]*|\*)$/,
  target: /^([a-z][a-z0-9_]*(:[0-9a-fA-F-]{36})?|[0-9a-fA-F-]{36})$/,
  team_id: /^[0-9a-fA-F-]{36}$/,
  request_id: /^[A-Za-z0-9._-]{1,128}$/,
} as const;

/** Whether the server accepts the value of a filter. */
export const isValid = (name: (typeof NAMES)[number], value: string): boolean => PATTERNS[name].test(value);

/** A group such as `project` means all of its actions. */
export const completeAction = (text: string): string =>
  /^[a-z][a-z0-9_]*\.?$/.test(text) ? `${text.replace(".", "")}.*` : text;

/** Reads the filters of a URL; those that the server would refuse are left out. Its dates are days of the user. */
export function readFilters(params: URLSearchParams): Filters {
  const filters: Filters = {};
  for (const name of NAMES) {
    const value = params.get(name);
    if (value && isValid(name, value)) filters[name] = value;
  }
  const from = startOfDay(params.get("from"), 0);
  const to = startOfDay(params.get("to"), 1);
  if (from !== undefined) filters.from = from;
  if (to !== undefined && (from === undefined || from < to)) filters.to = to;
  return filters;
}

function startOfDay(day: string | null, later: number): string | undefined {
  const [, year, month, date] = /^(\d{4})-(\d{2})-(\d{2})$/.exec(day ?? "") ?? [];
  if (year === undefined) return undefined;
  const start = new Date(Number(year), Number(month) - 1, Number(date) + later);
  const isDay = Number(month) >= 1 && Number(month) <= 12 && Number(date) >= 1 && Number(date) <= 31;
  return isDay ? start.toISOString() : undefined;
}

/** Returns the path of the file with all entries that match. */
export function exportPath(filters: Filters, format: "csv" | "jsonl"): string {
  const query = new URLSearchParams({ format });
  for (const [name, value] of Object.entries(filters as Params)) if (value) query.set(name, value);
  return `/api/v1/admin/audit-logs/export?${query}`;
}
