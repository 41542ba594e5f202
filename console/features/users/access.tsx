"use client";

import type { ReactNode } from "react";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Section } from "@/components/ui/layout";
import { AUDIT } from "@/features/audit-log/queries";
import { useConfig, useHasModule } from "@/features/shell/config";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { USERS, type User } from "./queries";
import type { Rank } from "./rank";

/** What an administrator can do about the access of a user, or why nothing. */
export function AccessActions({ user, rank }: { user: User; rank: Rank }) {
  const t = useTranslations("users");
  const has = useHasModule();
  const { local_accounts } = useConfig();
  if (!rank.canChange)
    return (
      <Section title={t("access")}>
        <p className="text-sm text-quiet">
          {rank.isSelf ? (rank.isSuperadmin ? t("selfSuperadmin") : t("self")) : t("rankTooLow")}
        </p>
      </Section>
    );
  return (
    <Section title={t("access")}>
      <div className="grid divide-y divide-line">
        {!user.email_verified && <VerifyEmail user={user} />}
        <SignOut user={user} />
        {local_accounts && <ResetPassword user={user} />}
        {rank.isSuperadmin && user.second_factors.length > 0 && has("mfa") && <ResetMfa user={user} />}
        {user.is_active ? <Deactivate user={user} /> : <Activate user={user} />}
      </div>
    </Section>
  );
}

function Row({ title, text, children }: { title: string; text: string; children: ReactNode }) {
  return (
    <div className="flex flex-wrap items-center gap-x-6 gap-y-2 py-4 first:pt-0 last:pb-0">
      <div className="min-w-0 flex-1 basis-64">
        <p className="font-medium">{title}</p>
        <p className="text-sm text-quiet">{text}</p>
      </div>
      {children}
    </div>
  );
}

interface Props {
  user: User;
}

const invalidates = [USERS, AUDIT];

function VerifyEmail({ user }: Props) {
  const t = useTranslations("users.verify");
  const verify = useAction({
    run: () => api.users.update({ user_id: user.id, email_verified: true }),
    success: t("done"),
    invalidates,
  });
  return (
    <Row title={t("title")} text={t("text")}>
      <Confirm
        title={t("title")}
        text={t("question", { email: user.email })}
        action={t("action")}
        onConfirm={verify.mutateAsync}
      >
        <Button variant="secondary">{t("action")}</Button>
      </Confirm>
    </Row>
  );
}

function SignOut({ user }: Props) {
  const t = useTranslations("users.signOut");
  const signOut = useAction({
    run: (_: void, key) => api.users.signOut({ user_id: user.id, "Idempotency-Key": key }),
    success: ({ revoked }) => t("done", { count: revoked }),
    invalidates,
  });
  return (
    <Row title={t("title")} text={t("text")}>
      <Confirm title={t("title")} text={t("text")} action={t("action")} onConfirm={signOut.mutateAsync}>
        <Button variant="secondary">{t("action")}</Button>
      </Confirm>
    </Row>
  );
}

function ResetPassword({ user }: Props) {
  const t = useTranslations("users.resetPassword");
  const reset = useAction({
    run: (_: void, key) => api.users.resetPassword({ user_id: user.id, "Idempotency-Key": key }),
    success: t("done"),
    invalidates,
  });
  return (
    <Row title={t("title")} text={t("text")}>
      <Confirm
        title={t("title")}
        text={t("question", { email: user.email })}
        action={t("action")}
        onConfirm={reset.mutateAsync}
      >
        <Button variant="secondary">{t("action")}</Button>
      </Confirm>
    </Row>
  );
}

function ResetMfa({ user }: Props) {
  const t = useTranslations("users.resetMfa");
  const reset = useAction({
    run: (_: void, key) => api.users.resetMfa({ user_id: user.id, "Idempotency-Key": key }),
    success: t("done"),
    invalidates,
  });
  return (
    <Row title={t("title")} text={t("text")}>
      <Confirm title={t("title")} text={t("question")} action={t("action")} onConfirm={reset.mutateAsync}>
        <Button variant="danger">{t("action")}</Button>
      </Confirm>
    </Row>
  );
}

function Deactivate({ user }: Props) {
  const t = useTranslations("users.deactivate");
  const deactivate = useAction({
    run: (_: void, key) => api.users.deactivate({ user_id: user.id, "Idempotency-Key": key }),
    success: t("done"),
    invalidates,
  });
  return (
    <Row title={t("title")} text={t("text")}>
      <Confirm
        title={t("question", { name: user.full_name || user.email })}
        text={t("text")}
        action={t("action")}
        onConfirm={deactivate.mutateAsync}
      >
        <Button variant="danger">{t("action")}</Button>
      </Confirm>
    </Row>
  );
}

function Activate({ user }: Props) {
  const t = useTranslations("users.activate");
  const activate = useAction({
    run: (_: void, key) => api.users.activate({ user_id: user.id, "Idempotency-Key": key }),
    success: t("done"),
    invalidates,
  });
  return (
    <Row title={t("title")} text={t("text")}>
      <Button variant="secondary" pending={activate.isPending} onClick={() => activate.mutate()}>
        {t("action")}
      </Button>
    </Row>
  );
}
