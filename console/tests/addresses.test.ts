import { expect, test } from "vitest";
import { parseAddresses } from "@/features/team/addresses";

test("addresses are found between commas, semicolons, spaces and lines, each once", () => {
  const text = "ada@example.com, <bob@example.com>;\n\n eve@example.co.uk ADA@example.com";
  expect(parseAddresses(text)).toEqual({
    valid: ["ADA@example.com", "bob@example.com", "eve@example.co.uk"],
    invalid: [],
  });
});

test("other words are reported", () => {
  expect(parseAddresses("ada@example.com Ada bob@ eve@localhost")).toEqual({
    valid: ["ada@example.com"],
    invalid: ["Ada", "bob@", "eve@localhost"],
  });
});
