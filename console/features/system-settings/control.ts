import type { Setting } from "./queries";

/** How a value is edited, derived from its JSON schema. */
export type Control =
  | { kind: "boolean" }
  | { kind: "choice"; options: string[] }
  | { kind: "number"; isInteger: boolean; minimum?: number; maximum?: number }
  | { kind: "text"; maxLength?: number; isTime?: boolean }
  | { kind: "list" }
  | { kind: "objects"; fields: Field[]; maximum?: number }
  | { kind: "json" };

/** A property of the entries of a list. */
export interface Field {
  name: string;
  control: Control;
  isRequired: boolean;
  description?: string;
  initial: unknown;
}

interface Schema {
  $ref?: string;
  $defs?: Record<string, Schema>;
  anyOf?: Schema[];
  allOf?: Schema[];
  type?: string;
  enum?: unknown[];
  format?: string;
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  description?: string;
  default?: unknown;
  minimum?: number;
  maximum?: number;
  maxLength?: number;
  maxItems?: number;
}

export const controlOf = (setting: Pick<Setting, "value_schema">): Control => {
  const schema = setting.value_schema as Schema;
  return read(schema, schema.$defs ?? {});
};

function read(unresolved: Schema, definitions: Record<string, Schema>): Control {
  const schema = resolve(unresolved, definitions);
  if (schema.enum?.every((option) => typeof option === "string"))
    return { kind: "choice", options: schema.enum as string[] };
  switch (schema.type) {
    case "boolean":
      return { kind: "boolean" };
    case "integer":
    case "number":
      return {
        kind: "number",
        isInteger: schema.type === "integer",
        minimum: schema.minimum,
        maximum: schema.maximum,
      };
    case "string":
      return { kind: "text", maxLength: schema.maxLength, isTime: schema.format === "date-time" };
    case "array":
      return readArray(schema, definitions);
    default:
      return { kind: "json" };
  }
}

function readArray(schema: Schema, definitions: Record<string, Schema>): Control {
  const items = resolve(schema.items ?? {}, definitions);
  if (items.type === "string" && items.enum === undefined) return { kind: "list" };
  if (items.type !== "object" || items.properties === undefined) return { kind: "json" };
  const fields = Object.entries(items.properties).map(([name, property]): Field => {
    const { description, default: initial } = property;
    const isRequired = items.required?.includes(name) ?? false;
    return { name, control: read(property, definitions), isRequired, description, initial };
  });
  const isNested = fields.some(({ control }) => ["list", "objects", "json"].includes(control.kind));
  return isNested ? { kind: "json" } : { kind: "objects", fields, maximum: schema.maxItems };
}

/** Follows a reference, and leaves out that a value may be null. */
function resolve(schema: Schema, definitions: Record<string, Schema>): Schema {
  const [only, ...others] = (schema.anyOf ?? schema.allOf ?? []).filter(({ type }) => type !== "null");
  if (only !== undefined && others.length === 0) return resolve(only, definitions);
  const name = schema.$ref?.split("/").at(-1);
  const found = name === undefined ? undefined : definitions[name];
  return found === undefined ? schema : resolve(found, definitions);
}
