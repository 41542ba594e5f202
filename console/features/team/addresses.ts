const SEPARATORS = /[\s,;]+/;

/** A coarse form of an address: the server checks the details. */
const ADDRESS = /^[^\s@<>()]+@[^\s@<>()]+\.[^\s@<>().]+$/;

/** Returns the email addresses in a text, each once, and the words that are no address. */
export function parseAddresses(text: string): { valid: string[]; invalid: string[] } {
  const words = text.split(SEPARATORS).map((word) => word.replace(/^<(.*)>$/, "$1"));
  const unique = new Map(words.filter((word) => word !== "").map((word) => [word.toLowerCase(), word]));
  const found = [...unique.values()];
  return {
    valid: found.filter((word) => ADDRESS.test(word)),
    invalid: found.filter((word) => !ADDRESS.test(word)),
  };
}
