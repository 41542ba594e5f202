import { fromLocalInput, toLocalInput } from "@/lib/local-time";
import type { Control, Field } from "./control";

type Item = Record<string, string | boolean>;

/** What the form of a setting contains: texts, or the entries of a list. */
export interface SettingValues {
  value: string;
  items: Item[];
}

export function toForm(control: Control, value: unknown): SettingValues {
  if (control.kind === "objects")
    return { value: "", items: asArray(value).map((item) => toItem(control.fields, item)) };
  if (control.kind === "list") return { value: asArray(value).join("\n"), items: [] };
  if (control.kind === "json") return { value: JSON.stringify(value, null, 2), items: [] };
  return { value: toText(control, value), items: [] };
}

/** Returns the value for the API. Throws a `SyntaxError` for a text that is not JSON. */
export function fromForm(control: Control, { value, items }: SettingValues): unknown {
  switch (control.kind) {
    case "objects":
      return items.map((item) =>
        Object.fromEntries(control.fields.map((field) => [field.name, fromItem(field, item)])),
      );
    case "list":
      return value.split("\n").flatMap((line) => line.trim() || []);
    case "json":
      return JSON.parse(value);
    default:
      return fromText(control, value);
  }
}

export const newItem = (fields: readonly Field[]): Item =>
  toItem(fields, Object.fromEntries(fields.map(({ name, initial }) => [name, initial])));

function toItem(fields: readonly Field[], item: unknown): Item {
  const values = (item ?? {}) as Record<string, unknown>;
  return Object.fromEntries(
    fields.map(({ name, control }) => [
      name,
      control.kind === "boolean" ? values[name] === true : toText(control, values[name]),
    ]),
  );
}

function fromItem({ name, control }: Field, item: Item): unknown {
  const value = item[name];
  return typeof value === "string" ? (value === "" ? null : fromText(control, value)) : value;
}

function toText(control: Control, value: unknown): string {
  if (value === null || value === undefined) return control.kind === "choice" ? (control.options[0] ?? "") : "";
  return control.kind === "text" && control.isTime ? toLocalInput(String(value)) : String(value);
}

function fromText(control: Control, text: string): unknown {
  if (control.kind === "number") return Number(text);
  if (control.kind === "boolean") return text === "true";
  return control.kind === "text" && control.isTime ? fromLocalInput(text) : text;
}

const asArray = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
