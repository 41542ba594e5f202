/** Returns the start of a day of the user's time zone, such as `2026-12-01`, as a time of the API. */
export function startOfDay(day: string | null, offset = 0): string | undefined {
  const parts = /^(\d{4})-(\d\d)-(\d\d)$/.exec(day ?? "");
  if (parts === null) return undefined;
  const [year = 0, month = 0, date = 0] = parts.slice(1).map(Number);
  return new Date(year, month - 1, date + offset).toISOString();
}
