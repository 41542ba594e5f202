// A program that uses the client as a customer would. The test compiles it with the client and runs it with Node.js.

import { ApiError, cookies, createApi, iterate, memoryTokens, signInWithTokens, type ErrorsOf } from "./index.js";

declare const process: { env: Record<string, string>; exitCode: number };
const { BASE_URL: baseUrl = "", EXPIRED_TOKEN = "", REFRESH_TOKEN = "" } = process.env;
const email = "grace@example.com";
const password = "three otters in a boat";
const tokens = memoryTokens();
const api = createApi({ baseUrl, auth: signInWithTokens(tokens) });

function check(condition: boolean, claim: string): void {
  if (!condition) throw new Error(`Not true: ${claim}`);
  console.log(`ok: ${claim}`);
}

async function failure(call: () => Promise<unknown>): Promise<ApiError> {
  try {
    await call();
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
  throw new Error("The call did not fail.");
}

async function readLink(): Promise<string> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const response = await fetch(`${baseUrl}/dev/mailbox/messages?to=${email}`);
    const token = /token=([A-Za-z0-9_-]+)/.exec(await response.text())?.[1];
    if (token) return token;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("No email arrived.");
}

async function signUp(): Promise<void> {
  const weak = await failure(() => api.auth.register({ email, password: "short" }));
  check(weak.is("VALIDATION_ERROR") && weak.fields[0]?.field === "body.password", "a weak password is refused");
  const { registration_token } = await api.auth.register({ email, password });
  const session = await api.auth.verifyEmail({ token: await readLink(), registration_token });
  tokens.set(session);
  const user: string = (await api.profile.read()).email;
  check(user === email, "the link signs in");
  check((await api.profile.update({})).email === email, "a change of nothing is accepted");
}

async function useProjects(): Promise<void> {
  for (const name of ["Website", "App", "Shop"]) await api.projects.create({ name, description: "New." });
  const page = await api.projects.list({ sort: "name", size: 2 });
  const names: string[] = page.items.map((project) => project.name);
  check(names.join() === "App,Shop" && page.total === 3, "a list returns a page");
  const found: string[] = [];
  for await (const project of iterate((cursor) => api.projects.list({ q: "p", ...cursor }), 1)) found.push(project.name);
  check(found.sort().join() === "App,Shop", "all pages are iterated");

  const project = page.items[0]!;
  const changed = await api.projects.update({ project_id: project.id, name: "Apps", "If-Match": `"${project.version}"` });
  const outdated = await failure(() =>
    api.projects.update({ project_id: project.id, name: "Application", "If-Match": `"${project.version}"` }),
  );
  check(outdated.is("PRECONDITION_FAILED") && changed.version === project.version + 1, "an outdated change is refused");
  await api.projects.delete({ project_id: project.id });
}

async function handleErrors(): Promise<void> {
  const missing = await failure(() => api.projects.read({ project_id: "0198f3c2-7a41-7c3e-9d55-0b6f1f2f7a10" }));
  switch (missing.code) {
    case "PROJECT_NOT_FOUND":
      check(missing.status === 404 && (missing.requestId ?? "").length > 8, "an error has its code and request ID");
      break;
    // @ts-expect-error - there is no such code
    case "PROJECT_NOT_FUND":
    default:
      throw missing;
  }
  const code: ErrorsOf<"projects.read">["code"] = "PROJECT_NOT_FOUND";
  // @ts-expect-error - not an error of this operation
  const other: ErrorsOf<"projects.read">["code"] = "ROLE_IN_USE";
  check(code.length > 0 && other.length > 0, "the codes of an operation are typed");
  // @ts-expect-error - the name is required
  const invalid = await failure(() => api.projects.create({ description: "Nameless." }));
  check(invalid.is("VALIDATION_ERROR") && invalid.fields[0]?.field === "body.name", "a missing field is named");
  const anonymous = await failure(() => createApi({ baseUrl }).profile.read());
  check(anonymous.is("UNAUTHORIZED", "TOKEN_EXPIRED") && anonymous.status === 401, "a request without a token is refused");
  const broken = createApi({ baseUrl, fetch: async () => new Response("<html>", { status: 502 }) });
  const unexpected = await failure(() => broken.projects.list());
  check(unexpected.is("UNEXPECTED_RESPONSE") && unexpected.status === 502, "a response of a proxy is an ApiError");
  const down = createApi({ baseUrl: "http://127.0.0.1:1" }).projects.list();
  check((await down.catch((error: unknown) => error)) instanceof TypeError, "without a response, fetch's error is thrown");
}

async function refreshOnce(): Promise<void> {
  const expired = { access_token: EXPIRED_TOKEN, refresh_token: REFRESH_TOKEN };
  const store = memoryTokens(expired);
  let refreshes = 0;
  const counted: typeof fetch = (input, init) => {
    if ((input as Request).url.endsWith("/auth/refresh")) refreshes++;
    return fetch(input, init);
  };
  const waiting = createApi({ baseUrl, auth: signInWithTokens(store), fetch: counted });
  const users = await Promise.all([1, 2, 3, 4, 5].map(() => waiting.profile.read()));
  check(users.length === 5 && refreshes === 1, "an expired token is refreshed once for all requests");
  check(store.get()!.access_token !== expired.access_token, "the new tokens are stored");

  const ended = memoryTokens({ access_token: EXPIRED_TOKEN, refresh_token: "x".repeat(43) });
  const over = await failure(() => createApi({ baseUrl, auth: signInWithTokens(ended) }).profile.read());
  check(over.is("TOKEN_EXPIRED") && ended.get() === undefined, "a session that has ended signs out");
}

async function retry(): Promise<void> {
  let sent = 0;
  const unreliable: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    return ++sent === 1 ? new Response(null, { status: 503, headers: { "Retry-After": "0" } }) : response;
  };
  const retrying = createApi({ baseUrl, auth: signInWithTokens(tokens), fetch: unreliable });
  const created = await retrying.projects.create({ name: "Only once" });
  const listed = await api.projects.list({ q: "Only once" });
  check(sent === 2 && listed.total === 1 && listed.items[0]?.id === created.id, "a repeated POST is executed once");

  const attempts: string[] = [];
  const limited = (headers: Record<string, string>, status: number) =>
    createApi({
      baseUrl,
      maxRetryAfter: 5,
      fetch: async (input) => {
        attempts.push((input as Request).method);
        return new Response("{}", { status, headers });
      },
    });
  await failure(() => limited({ "Retry-After": "0" }, 429).auth.forgotPassword({ email }));
  check(attempts.splice(0).length === 3, "429 is retried twice");
  await failure(() => limited({ "Retry-After": "0" }, 503).auth.forgotPassword({ email }));
  check(attempts.splice(0).length === 1, "a POST without a key is not sent again after 503");
  await failure(() => limited({ "Retry-After": "60" }, 429).projects.list());
  await failure(() => limited({}, 503).projects.list());
  check(attempts.splice(0).length === 2, "a long or missing Retry-After is reported at once");
}

async function useCookies(): Promise<void> {
  const jar = new Map<string, string>();
  const browser: typeof fetch = async (input, init) => {
    const request = new Request(input, init);
    request.headers.set("Cookie", [...jar].map(([name, value]) => `${name}=${value}`).join("; "));
    request.headers.set("Origin", baseUrl);
    const response = await fetch(request);
    for (const cookie of response.headers.getSetCookie()) {
      const [name = "", value = ""] = cookie.split(";")[0]!.split("=");
      jar.set(name, value);
    }
    return response;
  };
  const page = createApi({ baseUrl, auth: cookies(), fetch: browser });
  for (const name of ["One", "Two"]) {
    await page.auth.login({ email, password, session: "cookie" }); // the second one has another CSRF token
    await page.projects.create({ name });
  }
  check((await page.projects.list()).items.some((project) => project.name === "Two"), "cookies and CSRF tokens are sent");
}

for (const step of [signUp, useProjects, handleErrors, refreshOnce, retry, useCookies]) await step();
console.log("done");
