"use client";

import { useQueryClient } from "@tanstack/react-query";
import { ApiError } from "undercroft-client";
import Link from "next/link";
import { usePathname } from "next/navigation";
import { useState, type ReactNode } from "react";
import { ErrorPanel } from "@/components/error-text";
import { Button } from "@/components/ui/button";
import { Card, Empty } from "@/components/ui/layout";
import { useToasts } from "@/components/ui/toast";
import { Cancelled } from "@/lib/errors";
import { useTranslations } from "@/lib/i18n";
import { stepUp } from "@/lib/prompts";
import { permissionsQuery, useTeam, useTeamError } from "./current";

/** The pages that need no team. */
const INDEPENDENT = ["/account/", "/admin/", "/teams/"];

/** Shows why the team cannot be used now and what to do, in place of its pages. */
export function TeamGate({ children }: { children: ReactNode }) {
  const path = usePathname();
  const error = useTeamError();
  if (error === null || INDEPENDENT.some((prefix) => path.startsWith(prefix))) return children;
  return <Blocked error={error} />;
}

function Blocked({ error }: { error: Error }) {
  const t = useTranslations("teams");
  const team = useTeam();
  const client = useQueryClient();
  const { queryKey } = permissionsQuery(team.id);
  if (error instanceof ApiError && error.is("MFA_ENROLLMENT_REQUIRED"))
    return (
      <Card>
        <Empty
          title={t("mfaTitle", { team: team.name })}
          text={t("enrollText")}
          action={
            <Button asChild>
              <Link href="/account/security/" prefetch={false}>
                {t("enroll")}
              </Link>
            </Button>
          }
        />
      </Card>
    );
  if (error instanceof ApiError && error.is("MFA_REQUIRED_BY_TEAM"))
    return (
      <Card>
        <Empty title={t("mfaTitle", { team: team.name })} text={t("confirmText")} action={<Confirm />} />
      </Card>
    );
  return <ErrorPanel error={error} onRetry={() => void client.refetchQueries({ queryKey })} />;
}

/** Lets the user verify the second factor in place. */
function Confirm() {
  const t = useTranslations("teams");
  const team = useTeam();
  const client = useQueryClient();
  const toasts = useToasts();
  const [isPending, setPending] = useState(false);
  const confirm = async () => {
    setPending(true);
    try {
      await stepUp();
      await client.refetchQueries({ queryKey: permissionsQuery(team.id).queryKey });
    } catch (error) {
      if (!(error instanceof Cancelled)) toasts.showError(error);
    } finally {
      setPending(false);
    }
  };
  return (
    <Button pending={isPending} onClick={confirm}>
      {t("confirm")}
    </Button>
  );
}
