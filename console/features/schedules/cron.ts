/** When a schedule runs, in the forms that have a sentence of their own. Times are minutes after midnight. */
export type Rhythm =
  | { kind: "minutes"; every: number }
  | { kind: "hours"; every: number; minute: number }
  | { kind: "daily"; times: number[] }
  | { kind: "weekly"; days: number[]; times: number[] }
  | { kind: "monthly"; dates: number[]; times: number[] };

const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/** Returns the rhythm of a crontab expression; undefined if only the expression itself describes it. */
export function readCron(expression: string): Rhythm | undefined {
  const [minute, hour, date, month, day] = expression.trim().toLowerCase().split(/\s+/);
  if (day === undefined || month !== "*") return undefined;
  const isEveryDay = date === "*" && day === "*";

  const minutes = readStep(minute);
  if (minutes !== undefined) return isEveryDay && hour === "*" ? { kind: "minutes", every: minutes } : undefined;
  const fixed = readNumbers(minute, 0, 59);
  if (fixed === undefined) return undefined;
  const hours = readStep(hour);
  if (hours !== undefined)
    return isEveryDay && fixed.length === 1 ? { kind: "hours", every: hours, minute: fixed[0] ?? 0 } : undefined;

  const times = readNumbers(hour, 0, 23)?.flatMap((each) => fixed.map((minute) => each * 60 + minute));
  if (times === undefined) return undefined;
  if (isEveryDay) return { kind: "daily", times };
  if (date === "*") return withValues(readDays(day), (days) => ({ kind: "weekly", days, times }));
  return day === "*" ? withValues(readNumbers(date, 1, 31), (dates) => ({ kind: "monthly", dates, times })) : undefined;
}

const withValues = (values: number[] | undefined, make: (values: number[]) => Rhythm): Rhythm | undefined =>
  values && make(values);

/** `*` is 1, `*` with a step is the step. */
function readStep(field: string | undefined): number | undefined {
  if (field === "*") return 1;
  const step = /^\*\/(\d+)$/.exec(field ?? "")?.[1];
  return step === undefined ? undefined : Number(step);
}

function readDays(field: string): number[] | undefined {
  const numbers = field.replace(/[a-z]{3}/g, (name) => String(DAYS.indexOf(name)));
  const days = readNumbers(numbers, 0, 7)?.map((day) => day % 7);
  return days && [...new Set(days)].sort((a, b) => ((a + 6) % 7) - ((b + 6) % 7)); // Monday first
}

/** Reads numbers and ranges that are separated by commas. */
function readNumbers(field: string | undefined, least: number, most: number): number[] | undefined {
  const numbers: number[] = [];
  for (const part of field?.split(",") ?? []) {
    const [from, to = from] = part.split("-");
    if (!/^\d+$/.test(from ?? "") || !/^\d+$/.test(to ?? "")) return undefined;
    const [first, last] = [Number(from), Number(to)];
    if (first < least || last > most || first > last) return undefined;
    for (let number = first; number <= last; number++) numbers.push(number);
  }
  return numbers.length > 0 ? numbers : undefined;
}
