import { expect, test } from "vitest";
import { startOfDay } from "@/features/audit/days";

test("a day starts at midnight of the user's time zone, also after the end of a month", () => {
  expect(startOfDay("2026-12-31")).toBe(new Date(2026, 11, 31).toISOString());
  expect(startOfDay("2026-12-31", 1)).toBe(new Date(2027, 0, 1).toISOString());
});

test.each([null, "", "yesterday", "2026-12"])("%s is no day", (text) => {
  expect(startOfDay(text)).toBeUndefined();
});
