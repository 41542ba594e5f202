"use client";

import { Smartphone } from "lucide-react";
import type { TotpStarted } from "undercroft-client";
import dynamic from "next/dynamic";
import { useState } from "react";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Dialog } from "@/components/ui/dialog";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { Factor, type Removal } from "./factor";
import { MFA } from "./queries";

const AuthenticatorForm = dynamic(() => import("./authenticator-form").then((module) => module.AuthenticatorForm));

interface Props {
  isSetUp: boolean;
  removal: Removal;
  onCodes: (codes: readonly string[] | null) => void;
}

export function AuthenticatorApp({ isSetUp, removal, onCodes }: Props) {
  const t = useTranslations("security");
  const common = useTranslations("common");
  const [started, setStarted] = useState<TotpStarted>();
  const begin = useAction({
    run: (_: void, key) => api.mfa.beginTotp({ "Idempotency-Key": key }),
    onSuccess: (started) => setStarted(started),
  });
  const remove = useAction({ run: () => api.mfa.removeTotp(), success: t("appRemoved"), invalidates: [MFA] });
  return (
    <Factor
      icon={<Smartphone className="size-5" />}
      title={t("app")}
      text={isSetUp ? (removal === "refused" ? t("lastFactor") : t("appSetUp")) : t("appText")}
    >
      <Button variant="secondary" size="small" pending={begin.isPending} onClick={() => begin.mutate()}>
        {isSetUp ? t("replaceApp") : t("setUpApp")}
      </Button>
      {isSetUp && removal !== "refused" && (
        <Confirm
          title={t("removeApp")}
          text={removal === "turns-off" ? t("removeLastText") : t("removeAppText")}
          action={t("remove")}
          onConfirm={() => remove.mutateAsync()}
        >
          <Button variant="danger" size="small" aria-label={t("removeApp")}>
            {t("remove")}
          </Button>
        </Confirm>
      )}
      <Dialog
        open={started !== undefined}
        onOpenChange={(isOpen) => !isOpen && setStarted(undefined)}
        title={t("setUpAppTitle")}
        description={t("setUpAppText")}
        isSticky
      >
        {started === undefined ? (
          common("loading")
        ) : (
          <AuthenticatorForm
            started={started}
            onConfirmed={(codes) => {
              setStarted(undefined);
              onCodes(codes);
            }}
          />
        )}
      </Dialog>
    </Factor>
  );
}
