"use client";

import { useInfiniteQuery } from "@tanstack/react-query";
import { Monitor, TerminalSquare } from "lucide-react";
import { List } from "@/components/list";
import { DateTime, RelativeTime } from "@/components/time";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Badge, Empty } from "@/components/ui/layout";
import { AccountFrame, Personal } from "@/features/account/frame";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { SESSIONS, sessionsQuery, type Session } from "./queries";

export function SessionsPage() {
  return (
    <AccountFrame>
      <Personal>
        <Sessions />
      </Personal>
    </AccountFrame>
  );
}

function Sessions() {
  const t = useTranslations("sessions");
  const sessions = useInfiniteQuery(sessionsQuery);
  const hasOthers = (sessions.data?.pages[0]?.items.length ?? 0) > 1;
  const revokeOthers = useAction({
    run: () => api.sessions.revokeOther(),
    success: t("othersRevoked"),
    invalidates: [SESSIONS],
  });
  return (
    <>
      <div className="mb-4 flex flex-wrap items-center justify-between gap-3">
        <p className="text-sm text-quiet">{t("text")}</p>
        {hasOthers && (
          <Confirm
            title={t("revokeOthers")}
            text={t("revokeOthersText")}
            action={t("revokeOthers")}
            onConfirm={() => revokeOthers.mutateAsync()}
          >
            <Button variant="danger" size="small">
              {t("revokeOthers")}
            </Button>
          </Confirm>
        )}
      </div>
      <List
        query={sessions}
        label={t("title")}
        keyOf={(session) => session.id}
        render={(session) => <SessionRow session={session} />}
        empty={<Empty title={t("emptyTitle")} text={t("emptyText")} />}
      />
    </>
  );
}

function SessionRow({ session }: { session: Session }) {
  const t = useTranslations("sessions");
  const device = session.device || t("unknownDevice");
  const revoke = useAction({
    run: () => api.sessions.revoke({ session_id: session.id }),
    success: t("revoked"),
    invalidates: [SESSIONS],
  });
  const Icon = session.kind === "cookie" ? Monitor : TerminalSquare;
  return (
    <div className="flex flex-wrap items-center gap-x-4 gap-y-2 px-5 py-4">
      <Icon className="size-5 text-quiet" aria-hidden />
      <div className="min-w-0 flex-1 basis-48">
        <p className="font-medium break-words">
          {device} {session.current && <Badge tone="good">{t("current")}</Badge>}
        </p>
        <p className="text-sm break-words text-quiet">
          {session.ip && `${session.ip} · `}
          {t.rich("lastSeen", { time: () => <RelativeTime value={session.last_seen_at} /> })}
          {" · "}
          {t.rich("signedIn", { time: () => <DateTime value={session.created_at} /> })}
        </p>
      </div>
      {!session.current && (
        <Confirm
          title={t("revokeTitle", { device })}
          text={t("revokeText")}
          action={t("revoke")}
          onConfirm={() => revoke.mutateAsync()}
        >
          <Button variant="secondary" size="small" aria-label={t("revokeNamed", { device })}>
            {t("revoke")}
          </Button>
        </Confirm>
      )}
    </div>
  );
}
