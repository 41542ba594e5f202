"use client";

import { useQuery } from "@tanstack/react-query";
import type { MfaRead } from "undercroft-client";
import { LifeBuoy } from "lucide-react";
import { useState } from "react";
import { ErrorPanel } from "@/components/error-text";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Badge, Section, SkeletonRows } from "@/components/ui/layout";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useFormatter, useTranslations } from "@/lib/i18n";
import { AuthenticatorApp } from "./authenticator-app";
import { Factor } from "./factor";
import { Passkeys } from "./passkeys";
import { MFA, mfaQuery } from "./queries";
import { NewRecoveryCodes } from "./recovery-codes";

/** The second factors of the user. */
export function TwoFactor() {
  const t = useTranslations("security");
  const factors = useQuery(mfaQuery);
  // Here, because the part that receives new codes may disappear with the change that created them.
  const [codes, setCodes] = useState<readonly string[]>();
  const show = (created: readonly string[] | null) => created !== null && setCodes(created);
  return (
    <>
      <Section
        title={t("twoFactor")}
        text={t("twoFactorText")}
        actions={
          factors.data && (
            <Badge tone={factors.data.enabled ? "good" : "neutral"}>{factors.data.enabled ? t("on") : t("off")}</Badge>
          )
        }
      >
        {factors.data !== undefined ? (
          <Factors factors={factors.data} onCodes={show} />
        ) : factors.error ? (
          <ErrorPanel error={factors.error} onRetry={() => void factors.refetch()} />
        ) : (
          <SkeletonRows count={3} />
        )}
      </Section>
      <NewRecoveryCodes codes={codes} onClose={() => setCodes(undefined)} />
    </>
  );
}

interface Props {
  factors: MfaRead;
  onCodes: (codes: readonly string[] | null) => void;
}

function Factors({ factors, onCodes }: Props) {
  const t = useTranslations("security");
  const format = useFormatter();
  const { required_by, totp, passkeys } = factors;
  const isLast = Number(totp) + passkeys.length === 1;
  const removal = isLast ? (required_by.length > 0 ? "refused" : "turns-off") : "allowed";
  return (
    <>
      {required_by.length > 0 && (
        <p className="mb-4 rounded-lg border border-line bg-ground p-3 text-sm break-words">
          {t(factors.enabled ? "requiredBy" : "requiredByMissing", {
            teams: format.list(required_by),
            count: required_by.length,
          })}
        </p>
      )}
      <ul className="divide-y divide-line">
        <AuthenticatorApp isSetUp={totp} removal={removal} onCodes={onCodes} />
        <Passkeys passkeys={passkeys} removal={removal} onCodes={onCodes} />
        {factors.enabled && <RecoveryCodes left={factors.recovery_codes_left} onCodes={onCodes} />}
      </ul>
    </>
  );
}

function RecoveryCodes({ left, onCodes }: { left: number; onCodes: Props["onCodes"] }) {
  const t = useTranslations("security");
  const renew = useAction({
    run: (_: void, key) => api.mfa.renewRecoveryCodes({ "Idempotency-Key": key }),
    onSuccess: ({ recovery_codes }) => onCodes(recovery_codes),
    invalidates: [MFA],
  });
  return (
    <Factor icon={<LifeBuoy className="size-5" />} title={t("recoveryCodes")} text={t("recoveryCodesLeft", { left })}>
      <Confirm
        title={t("renewCodes")}
        text={t("renewCodesText")}
        action={t("renewCodes")}
        onConfirm={() => renew.mutateAsync()}
      >
        <Button variant="secondary" size="small">
          {t("renewCodes")}
        </Button>
      </Confirm>
    </Factor>
  );
}
