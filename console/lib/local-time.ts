/** Returns a time of the API as the value of an `<input type="datetime-local">`, in the user's time zone. */
export function toLocalInput(value: string | null): string {
  if (value === null) return "";
  const date = new Date(value);
  const local = new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16);
}

/** Returns the value of an `<input type="datetime-local">` as a time for the API; null if it is empty. */
export const fromLocalInput = (value: string): string | null => (value === "" ? null : new Date(value).toISOString());
