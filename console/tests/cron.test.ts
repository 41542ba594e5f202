import { expect, test } from "vitest";
import { readCron } from "@/features/schedules/cron";

test.each([
  ["* * * * *", { kind: "minutes", every: 1 }],
  ["*/5 * * * *", { kind: "minutes", every: 5 }],
  ["17 * * * *", { kind: "hours", every: 1, minute: 17 }],
  ["0 */6 * * *", { kind: "hours", every: 6, minute: 0 }],
  ["30 2 * * *", { kind: "daily", times: [150] }],
  ["0 1,13 * * *", { kind: "daily", times: [60, 780] }],
  ["0 9 * * 1-5", { kind: "weekly", days: [1, 2, 3, 4, 5], times: [540] }],
  ["0 9 * * SUN,mon", { kind: "weekly", days: [1, 0], times: [540] }],
  ["0 9 * * 7", { kind: "weekly", days: [0], times: [540] }],
  ["0 0 1,15 * *", { kind: "monthly", dates: [1, 15], times: [0] }],
])("%s is described", (expression, rhythm) => {
  expect(readCron(expression)).toEqual(rhythm);
});

test.each([
  "0 0 1 1 *",
  "0 9 1 * 1",
  "*/5 9 * * *",
  "0,30 * * * *",
  "0 0 L * *",
  "0 9 * * foo",
  "61 * * * *",
  "nonsense",
])("%s is shown as it is", (expression) => {
  expect(readCron(expression)).toBeUndefined();
});
