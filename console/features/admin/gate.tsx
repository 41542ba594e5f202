"use client";

import Link from "next/link";
import type { ReactNode } from "react";
import { Button } from "@/components/ui/button";
import { PageHeader } from "@/components/ui/layout";
import { useMe } from "@/features/session/session";
import { useTeamHref } from "@/features/teams/current";
import { useTranslations } from "@/lib/i18n";

/** Whether the user administers the platform now: the server refuses it during an impersonation. */
export function useIsAdministrator(): boolean {
  const { role, impersonated_by } = useMe();
  return role !== "user" && impersonated_by === null;
}

/** Shows its pages to administrators, and explains to others why they cannot be opened. */
export function AdminGate({ children }: { children: ReactNode }) {
  const t = useTranslations("admin");
  const { impersonated_by } = useMe();
  const href = useTeamHref();
  if (useIsAdministrator()) return children;
  return (
    <>
      <PageHeader title={t("onlyTitle")} text={impersonated_by === null ? t("onlyText") : t("impersonatingText")} />
      <Button asChild variant="secondary">
        <Link href={href("/")} prefetch={false}>
          {t("onlyAction")}
        </Link>
      </Button>
    </>
  );
}
