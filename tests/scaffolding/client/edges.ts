// Calls the operations of edges.py as strictly typed code does. The test compiles it with the client and runs it.

import { ApiError, createApi } from "./index.js";

declare const process: { env: Record<string, string> };
const { BASE_URL: baseUrl = "" } = process.env;
const api = createApi({ baseUrl }).edges;

function equal(actual: unknown, expected: unknown, claim: string): void {
  const [found, wanted] = [actual, expected].map((value) => JSON.stringify(value) ?? "undefined");
  if (found !== wanted) throw new Error(`${claim}: ${found} instead of ${wanted}`);
  console.log(`ok: ${claim}`);
}

async function failure(call: () => Promise<unknown>): Promise<unknown> {
  const failed = Symbol();
  const result = await call().catch((error: unknown) => ({ [failed]: error }));
  if (typeof result === "object" && result !== null && failed in result) return (result as Record<symbol, unknown>)[failed];
  throw new Error("The call did not fail.");
}

async function sendBodies(): Promise<void> {
  equal(await api.changeNote(), {}, "a body without fields is sent");
  equal(await api.changeNote({}), {}, "an empty body is sent");
  equal(await api.changeNote({ title: undefined! }), {}, "an undefined field is left out");
  equal(await api.changeNote({ remind_at: null, tags: [] }), { remind_at: null, tags: [] }, "null and [] are sent");
  equal(await api.deleteNotes({}), {}, "a DELETE request has its body");
  const time = new Date(0);
  equal(await api.changeNote({ remind_at: time.toISOString() }), { remind_at: "1970-01-01T00:00:00Z" }, "times are text");
  // @ts-expect-error - a Date is not the text of a time, but it is sent as one
  equal(await api.changeNote({ remind_at: time }), { remind_at: "1970-01-01T00:00:00Z" }, "a Date is sent as text");
  equal(await api.changeOptional(), { given: null }, "an optional body can be left out");
  equal(await api.changeOptional({ title: "A" }), { given: { title: "A" } }, "an optional body is sent");
  equal(await api.changeNullable({ body: null }), { given: null }, "null is a body");
  equal(await api.changeNullable({ body: {} }), { given: {} }, "an empty object is not null");
  equal(await api.sumNumbers({ body: [1, 2] }), { sum: 3, count: 2 }, "a list is a body");
  equal(await api.sumNumbers({ body: [] }), { sum: 0, count: 0 }, "an empty list is a body");
  equal(await api.changeOpen({ openNote: { title: "A", color: "red" } }), { title: "A", color: "red" }, "any field is sent");
  equal(await api.changeOpen({ openNote: {} }), {}, "any fields may be no fields");
  equal(await api.rename({ name: "old", renamed: { name: "new" } }), { from: "old", to: "new" }, "names do not collide");
}

async function sendForms(): Promise<void> {
  const empty = { name: null, size: null, title: null, tags: [] };
  equal(await api.upload(), empty, "an upload without fields is sent");
  equal(await api.upload({ photo: null, title: null, tags: [] }), empty, "null is left out of a form");
  const photo = new File([new Uint8Array(3)], "ünder croft.png");
  const tags = ["a,b", "c"];
  equal(await api.upload({ photo, title: "A", tags }), { name: photo.name, size: 3, title: "A", tags }, "a file is uploaded");
  equal(await api.sendForm(), { title: "untitled", tags: [] }, "a form without fields is sent");
  equal(await api.sendForm({ title: "a&b=ü", tags }), { title: "a&b=ü", tags }, "a form is sent");
}

async function sendParameters(): Promise<void> {
  const none = { tags: [], text: null, flag: null, when: null, level: null };
  equal(await api.readQuery(), none, "parameters can be left out");
  equal(await api.readQuery({ tags: [], text: undefined! }), none, "undefined and [] are left out");
  const query = { tags: ["a&b", "ü", ""], text: "1+1=2 #?%20", flag: false, when: "2026-12-01T08:00:00+01:00" };
  equal(await api.readQuery({ ...query, level: 0 }), { ...query, level: 0 }, "parameters are escaped");
  for (const name of ["a b", "ü", "100%", "?a=b", "#", "...", "$&"])
    equal(await api.readName({ name }), { name }, `${name} is a name`);
  for (const name of ["", ".", "..", undefined!]) {
    const error = await failure(() => api.readName({ name }));
    equal(error instanceof TypeError && error.message.includes("path parameter name"), true, `${name} is no name`);
  }
}

async function readResponses(): Promise<void> {
  equal(await api.deleteName({ name: "a" }), undefined, "204 has no value");
  const empty: string = await api.readEmpty();
  equal(empty, "", "an empty text is empty");
  const lines: string = await api.readLines();
  equal(lines, '{"line": 1}\n', "text of any media type is text");
  const image: Blob = await api.readImage();
  equal(image.size, 5, "a binary response is a Blob");
  const broken = await failure(() => api.readBroken());
  equal(broken instanceof ApiError && broken.code, "UNEXPECTED_RESPONSE", "broken JSON is an unexpected response");
}

async function abort(): Promise<void> {
  const reason = new Error("mine");
  equal((await failure(() => api.listNames({ signal: AbortSignal.abort(reason) }))) === reason, true, "aborted before");
  const controller = new AbortController();
  const started: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    setTimeout(() => controller.abort(reason));
    return response;
  };
  const reading = createApi({ baseUrl, fetch: started }).edges.readEndless({ signal: controller.signal });
  equal((await failure(() => reading)) === reason, true, "aborted while the response is read");
  const unavailable: typeof fetch = async () => {
    setTimeout(() => late.abort(reason));
    return new Response(null, { status: 503, headers: { "Retry-After": "20" } });
  };
  const late = new AbortController();
  const waiting = createApi({ baseUrl, fetch: unavailable }).edges.listNames({ signal: late.signal });
  equal((await failure(() => waiting)) === reason, true, "aborted before it is sent again");
  const cut: typeof fetch = async () =>
    new Response(new ReadableStream({ start: (stream) => stream.error(new TypeError("terminated")) }), {
      headers: { "Content-Type": "application/json" },
    });
  const lost = await failure(() => createApi({ baseUrl, fetch: cut }).edges.listNames());
  equal(lost instanceof TypeError, true, "a lost connection is an error of fetch");
}

for (const step of [sendBodies, sendForms, sendParameters, readResponses, abort]) await step();
console.log("done");
