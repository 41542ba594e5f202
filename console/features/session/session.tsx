"use client";

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { ApiError, type ProfileRead } from "undercroft-client";
import { createContext, useContext, useEffect, type ReactNode } from "react";
import { ErrorPanel } from "@/components/error-text";
import { ShellSkeleton } from "@/features/shell/skeleton";
import { api } from "@/lib/api";
import { broadcast, listen } from "@/lib/channel";
import { useLocale } from "@/lib/i18n";
import { settle } from "@/lib/prompts";
import { isTransient } from "@/lib/errors";

export const ME = ["me"] as const;

const MeContext = createContext<ProfileRead | undefined>(undefined);

/** The signed-in user. */
export function useMe(): ProfileRead {
  const me = useContext(MeContext);
  if (me === undefined) throw new Error("useMe needs a SessionProvider");
  return me;
}

/** Shows its children to signed-in users; others continue at the sign-in page and come back. */
export function SessionProvider({ children }: { children: ReactNode }) {
  const {
    data: me,
    error,
    refetch,
  } = useQuery({
    queryKey: ME,
    queryFn: ({ signal }) => api.profile.read({ signal }),
    refetchOnWindowFocus: "always",
    retry: (failures, reason) => isTransient(reason) && failures < 2,
  });
  const { isLoaded } = useLocale();
  const isSignedOut = error instanceof ApiError && error.status === 401;
  useTabs(me?.id);
  useEffect(() => {
    if (!isSignedOut || me !== undefined) return;
    if (error.is("IMPERSONATION_ENDED")) void leaveImpersonation();
    else leaveForSignIn();
  }, [isSignedOut, error, me]);

  if (!isLoaded) return <ShellSkeleton />; // not in the wrong language
  if (me !== undefined) return <MeContext value={me}>{children}</MeContext>;
  if (error === null || isSignedOut) return <ShellSkeleton />;
  return (
    <div className="mx-auto max-w-xl p-6">
      <ErrorPanel error={error} onRetry={() => void refetch()} />
    </div>
  );
}

/** All tabs show the same user, and signing out in one signs out all. */
function useTabs(userId: string | undefined): void {
  const client = useQueryClient();
  useEffect(() => {
    if (userId === undefined) return;
    broadcast({ type: "signed-in", userId });
    return listen((message) => {
      if (message.type === "signed-out") {
        client.clear();
        leaveForSignIn();
      } else if (message.userId === userId) {
        settle("sign-in", true);
        settle("sign-in-again", true);
      } else {
        reloadWithoutTeam(); // what is on the page belongs to another user
      }
    });
  }, [userId, client]);
}

export async function signOut(): Promise<void> {
  await api.auth.logout();
  broadcast({ type: "signed-out" });
  window.location.assign("/sign-in");
}

/** Opens the page again as the administrator, whose impersonation of a user has expired. */
async function leaveImpersonation(): Promise<void> {
  try {
    await api.impersonation.end();
    window.location.reload();
  } catch {
    leaveForSignIn(); // a new sign-in ends it, too
  }
}

function reloadWithoutTeam(): void {
  const url = new URL(window.location.href);
  url.searchParams.delete("team");
  window.location.replace(url);
}

function leaveForSignIn(): void {
  const { pathname, search } = window.location;
  window.location.replace(`/sign-in?${new URLSearchParams({ next: pathname + search })}`);
}
