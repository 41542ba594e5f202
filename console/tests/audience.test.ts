import { expect, test } from "vitest";
import { audienceOf } from "@/features/flags/audience";

const NOW = Date.parse("2030-06-01T12:00:00Z");
const RULE = { enabled: true, percentage: 100, users: [], teams: [], starts_at: null, ends_at: null };

test.each([
  [{}, "everyone"],
  [{ enabled: false }, "off"],
  [{ percentage: 25 }, "some"],
  [{ percentage: 0 }, "none"],
  [{ percentage: 0, users: ["a"] }, "some"],
  [{ percentage: 0, teams: ["a"] }, "some"],
  [{ starts_at: "2030-06-02T00:00:00Z" }, "scheduled"],
  [{ starts_at: "2030-06-01T12:00:00Z" }, "everyone"],
  [{ ends_at: "2030-06-01T12:00:00Z" }, "ended"],
  [{ ends_at: "2030-06-02T00:00:00Z" }, "everyone"],
  [{ enabled: false, starts_at: "2030-06-02T00:00:00Z" }, "off"],
])("a rule with %o is for %s", (changes, audience) => {
  expect(audienceOf({ ...RULE, ...changes }, NOW)).toBe(audience);
});
