"use client";

import { useQuery } from "@tanstack/react-query";
import type { SessionRead } from "undercroft-client";
import { ErrorPanel } from "@/components/error-text";
import { RelativeTime } from "@/components/time";
import { Button } from "@/components/ui/button";
import { Badge, Section, SkeletonRows } from "@/components/ui/layout";
import { AUDIT } from "@/features/audit-log/queries";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { userKey, userSessionsQuery, type User } from "./queries";

export function UserSessions({ user, canRevoke }: { user: User; canRevoke: boolean }) {
  const t = useTranslations("users");
  const sessions = useQuery(userSessionsQuery(user.id));
  const items = sessions.data?.items;
  return (
    <Section title={t("sessions")}>
      {items === undefined ? (
        sessions.error ? (
          <ErrorPanel error={sessions.error} onRetry={() => void sessions.refetch()} />
        ) : (
          <SkeletonRows count={2} />
        )
      ) : items.length === 0 ? (
        <p className="text-sm text-quiet">{t("noSessions")}</p>
      ) : (
        <ul aria-label={t("sessions")} className="divide-y divide-line">
          {items.map((session) => (
            <SessionRow key={session.id} user={user} session={session} canRevoke={canRevoke} />
          ))}
        </ul>
      )}
    </Section>
  );
}

function SessionRow({ user, session, canRevoke }: { user: User; session: SessionRead; canRevoke: boolean }) {
  const t = useTranslations("users");
  const revoke = useAction({
    run: () => api.users.revokeSession({ user_id: user.id, session_id: session.id }),
    success: t("sessionRevoked"),
    invalidates: [[...userKey(user.id), "sessions"], AUDIT],
  });
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-1 py-3 text-sm first:pt-0 last:pb-0">
      <span className="min-w-0 flex-1 basis-52">
        <span className="block font-medium">{session.device}</span>
        <span className="block text-quiet">{session.ip}</span>
      </span>
      {session.current && <Badge tone="good">{t("currentSession")}</Badge>}
      <span className="text-quiet">
        {t.rich("lastUsed", { time: () => <RelativeTime value={session.last_seen_at} /> })}
      </span>
      {canRevoke && (
        <Button
          variant="secondary"
          size="small"
          pending={revoke.isPending}
          aria-label={t("revokeSession", { device: session.device })}
          onClick={() => revoke.mutate()}
        >
          {t("revoke")}
        </Button>
      )}
    </li>
  );
}
