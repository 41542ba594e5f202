import { api } from "@/lib/api";

/** Ends the impersonation of a user, also one that has expired, and opens the user's page as the administrator. */
export async function endImpersonation(id: string): Promise<void> {
  await api.impersonation.end();
  window.location.assign(`/app/admin/users/user/?${new URLSearchParams({ id })}`);
}
