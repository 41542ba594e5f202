import { describe, expect, test } from "vitest";
import german from "@/messages/de";
import english from "@/messages/en";
import pages from "@/messages/en/pages";

type Texts = { [key: string]: string | Texts };

function flatten(texts: Texts, prefix = ""): Record<string, string> {
  return Object.fromEntries(
    Object.entries(texts).flatMap(([key, value]) =>
      typeof value === "string" ? [[prefix + key, value]] : Object.entries(flatten(value, `${prefix}${key}.`)),
    ),
  );
}

const placeholders = (text: string) =>
  [...text.matchAll(/(?<!(?:one|other|=\d+) )\{(\w+)[,}]|<(\w+)>/g)].map(([, name, tag]) => name ?? tag).sort();

describe("messages", () => {
  const [en, de] = [flatten({ ...english, ...pages }), flatten(german as Texts)];

  test("German has the texts of English, and those of errors and permissions, whose English text is the server's", () => {
    const keys = (texts: object) =>
      Object.keys(texts)
        .filter((key) => !/^(errors\.codes|permissions)\./.test(key))
        .sort();
    expect(keys(de)).toEqual(keys(en));
  });

  test.each(Object.keys(en))("%s has the same values in both languages", (key) => {
    expect(new Set(placeholders(de[key] ?? ""))).toEqual(new Set(placeholders(en[key] ?? "")));
  });
});
