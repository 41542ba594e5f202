import { ApiError } from "undercroft-client";
import { expect, test, vi } from "vitest";
import { Cancelled } from "@/lib/errors";
import { currentKind, perform, settle } from "@/lib/prompts";

function refusal(status: number, code: "STEP_UP_REQUIRED" | "UNAUTHORIZED" | "PERMISSION_DENIED"): ApiError {
  return new ApiError("Refused", code, status, null, "request", new Response(null, { status }));
}

test("an operation continues after the step-up", async () => {
  const operation = vi.fn().mockRejectedValueOnce(refusal(403, "STEP_UP_REQUIRED")).mockResolvedValue("done");
  const result = perform(operation);
  await vi.waitFor(() => expect(currentKind()).toBe("step-up"));
  settle("step-up", true);
  expect(await result).toBe("done");
  expect(operation).toHaveBeenCalledTimes(2);
});

test("operations whose session has ended share one sign-in", async () => {
  let isSignedIn = false;
  const operation = async () => {
    if (!isSignedIn) throw refusal(401, "UNAUTHORIZED");
    return "done";
  };
  const results = Promise.all([perform(operation), perform(operation)]);
  await vi.waitFor(() => expect(currentKind()).toBe("sign-in"));
  isSignedIn = true;
  settle("sign-in", true);
  expect(await results).toEqual(["done", "done"]);
  expect(currentKind()).toBeUndefined();
});

test("closing the dialog cancels the operation", async () => {
  const result = perform(() => Promise.reject(refusal(401, "UNAUTHORIZED")));
  await vi.waitFor(() => expect(currentKind()).toBe("sign-in"));
  settle("sign-in", false);
  await expect(result).rejects.toBeInstanceOf(Cancelled);
});

test("other errors are not asked about, and a step-up is not asked for endlessly", async () => {
  await expect(perform(() => Promise.reject(refusal(403, "PERMISSION_DENIED")))).rejects.toMatchObject({ status: 403 });
  const result = perform(() => Promise.reject(refusal(403, "STEP_UP_REQUIRED")));
  for (let asked = 0; asked < 2; asked++) {
    await vi.waitFor(() => expect(currentKind()).toBe("step-up"));
    settle("step-up", true);
  }
  await expect(result).rejects.toMatchObject({ code: "STEP_UP_REQUIRED" });
});
