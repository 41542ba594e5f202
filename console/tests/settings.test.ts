import { describe, expect, test } from "vitest";
import { controlOf } from "@/features/system-settings/control";
import { fromForm, toForm } from "@/features/system-settings/values";

const control = (value_schema: Record<string, unknown>) => controlOf({ value_schema });

const ANNOUNCEMENTS = {
  type: "array",
  maxItems: 20,
  items: { $ref: "#/$defs/Announcement" },
  $defs: {
    Announcement: {
      type: "object",
      required: ["text"],
      properties: {
        text: { type: "string", maxLength: 500 },
        level: { $ref: "#/$defs/Level", default: "info" },
        ends_at: { anyOf: [{ type: "string", format: "date-time" }, { type: "null" }], default: null },
      },
    },
    Level: { type: "string", enum: ["info", "warning"] },
  },
};

describe("a value is edited as its schema says", () => {
  test.each([
    [{ type: "boolean" }, { kind: "boolean" }],
    [
      { type: "integer", minimum: 1, maximum: 90 },
      { kind: "number", isInteger: true, minimum: 1, maximum: 90 },
    ],
    [{ anyOf: [{ type: "number" }, { type: "null" }] }, { kind: "number", isInteger: false }],
    [
      { $ref: "#/$defs/P", $defs: { P: { type: "string", enum: ["a", "b"] } } },
      { kind: "choice", options: ["a", "b"] },
    ],
    [
      { type: "string", maxLength: 5 },
      { kind: "text", maxLength: 5, isTime: false },
    ],
    [{ type: "array", items: { type: "string" } }, { kind: "list" }],
    [{ type: "array", items: { type: "integer" } }, { kind: "json" }],
    [{ type: "object" }, { kind: "json" }],
  ])("%o", (schema, expected) => {
    expect(control(schema)).toEqual(expected);
  });

  test("the entries of a list of objects have a control for each property", () => {
    const found = control(ANNOUNCEMENTS);
    expect(found).toMatchObject({ kind: "objects", maximum: 20 });
    const fields = found.kind === "objects" ? found.fields : [];
    expect(fields.map(({ name, control: { kind }, isRequired }) => [name, kind, isRequired])).toEqual([
      ["text", "text", true],
      ["level", "choice", false],
      ["ends_at", "text", false],
    ]);
  });
});

test.each([
  [{ type: "integer" }, 30],
  [{ type: "string" }, "60/minute"],
  [{ type: "array", items: { type: "string" } }, ["https://a.example", "https://b.example"]],
  [{ type: "array", items: { type: "string" } }, []],
  [ANNOUNCEMENTS, [{ text: "Back soon", level: "warning", ends_at: "2030-01-01T09:00:00.000Z" }]],
  [ANNOUNCEMENTS, [{ text: "Hello", level: "info", ends_at: null }]],
  [{ type: "object" }, { a: [1] }],
])("a form returns the value it was filled with: %o %o", (schema, value) => {
  expect(fromForm(control(schema), toForm(control(schema), value))).toEqual(value);
});
