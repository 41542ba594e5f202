import { describe, expect, test } from "vitest";
import { completeAction, exportPath, readFilters } from "@/features/audit-log/filters";

const ID = "0190f5c6-0000-7000-8000-000000000001";

const read = (query: string) => readFilters(new URLSearchParams(query));

describe("filters of the audit log", () => {
  test("a group stands for its actions", () => {
    expect(completeAction("project")).toBe("project.*");
    expect(completeAction("project.")).toBe("project.*");
    expect(completeAction("project.created")).toBe("project.created");
    expect(completeAction("")).toBe("");
  });

  test("values that the server would refuse are left out", () => {
    expect(read(`action=Project&target=a%20b&team_id=1&request_id=%3Cb%3E&actor=${ID}`)).toEqual({ actor: ID });
    expect(read("from=2026-13-45&to=yesterday")).toEqual({});
  });

  test("the last day is included", () => {
    const { from, to } = read("from=2026-11-20&to=2026-11-20");
    expect(from).toBe(new Date(2026, 10, 20).toISOString());
    expect(to).toBe(new Date(2026, 10, 21).toISOString());
  });

  test("an end before the start is left out", () => {
    expect(read("from=2026-11-20&to=2026-11-01")).toEqual({ from: new Date(2026, 10, 20).toISOString() });
  });

  test("the export has the filters of the list", () => {
    expect(exportPath({ action: "user.*", target: `user:${ID}` }, "csv")).toBe(
      `/api/v1/admin/audit-logs/export?format=csv&action=user.*&target=user%3A${ID}`,
    );
  });
});
